#!/bin/sh
# The orb-build templates, with an orb that records how it was called.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

make_fake_programs() {
    mkdir "$directory/fake"
    for program in git make gmake gcc cc; do
        printf '#!/bin/sh\n' >"$directory/fake/$program"
    done
    cat >"$directory/fake/orb" <<'END'
#!/bin/sh
printf 'argument: %s\n' "$@"
for word in "$@"; do
    case $word in --out=*) out=${word#--out=} ;; esac
done
mkdir "$out/bin" && echo built >"$out/bin/package"
END
    chmod +x "$directory"/fake/*
}

work() {
    PATH="$directory/fake:$PATH" timeout 60 builder-worker --remote "unix:$directory/worker.sock" "$platform-1" \
        2>"$directory/worker.log" || fail "the worker has failed"
}

builds_a_package() {
    for template in "$scripts"/templates/orb-build.template.*; do
        platform=${template##*.}
        say "the template for $platform builds a package"
        cp "$template" "$directory/config/orb-build.template.$platform-1"
        builder-client orb-build "on-$platform" "package-of-$platform"
        work
        find_result "on-$platform"
        builder-inspect "$result" | grep -q '^result *exited 0$' || fail "the build has failed"
        has_line "on-$platform" "argument: package-of-$platform\$" || fail "orb was not told the package"
        builder-inspect --output "$directory/out-$platform" "$result"
        (cd "$directory/out-$platform" && find . -type f) >"$directory/artifacts"
        [ "$(cat "$directory/artifacts")" = ./bin/package ] || fail "the artifacts are not what orb has written"
        builder-client unschedule "on-$platform"
    done
}

# Whoever forgot to install something is told so.
names_what_is_missing() {
    say "a template names the program that is missing"
    builder-client orb-build missing none
    PATH=$BUILDER_PROGRAMS:/usr/bin:/bin
    rm "$directory/fake/orb"
    work
    find_result missing
    has_line missing 'orb is not installed' || fail "nobody said what is missing"
}

find_programs
mkdir "$directory/config"
make_fake_programs
start_server
builds_a_package
names_what_is_missing
