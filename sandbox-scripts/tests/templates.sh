#!/bin/sh
# The orb-build templates, with an orb that records how it was called and, as the real one does, its environment.

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
    case $word in
        --out=*) out=${word#--out=} ;;
        --switch-name=*) switch=${word#--switch-name=} ;;
        --date=*) date=${word#--date=} ;;
    esac
done
# Where opam keeps everything, and where the package is built.
mkdir -p "$HOME/.opam" "$switch/build" && echo built >"$switch/build/package"
mkdir "$out/bin" && cp "$switch/build/package" "$out/bin/package"
# A shell adds variables of its own.
{ env | grep -v -e '^PWD=' -e '^OLDPWD=' -e '^SHLVL=' -e '^_=' | sort
  echo "SOURCE_DATE_EPOCH=$date"
  echo "SWITCH_PATH=$switch/build"; } >"$out/build-environment"
END
    chmod +x "$directory"/fake/*
}

# Workers differ in what their builds must not depend on: where they run, what they are called, what is set.
work() {
    worker=$1
    mkdir -p "$directory/tmp-$worker" "$directory/home-$worker"
    PATH="$directory/fake:$PATH" HOME="$directory/home-$worker" TMPDIR="$directory/tmp-$worker" HOSTNAME="$worker" \
        timeout 60 builder-worker --remote "unix:$directory/worker.sock" "$platform-1" \
        2>"$directory/worker.log" || fail "the worker has failed"
}

# The templates take a /tmp that is new for each job: here others may run the same test.
install_template() {
    grep -q -x 'switch=/tmp/myswitch' "$1" || fail "$1 builds elsewhere than in /tmp/myswitch"
    sed "s,^switch=/tmp/,switch=$directory/," "$1" >"$directory/config/orb-build.template.$platform-1"
}

# Two jobs that build one package, each with a worker of its own.
builds_a_package() {
    for template in "$scripts"/templates/orb-build.template.*; do
        platform=${template##*.}
        say "the template for $platform builds a package, in the same environment each time"
        install_template "$template"
        for run in first second; do
            builder-client orb-build "$platform-$run" "package-of-$platform"
            work "$run"
            find_result "$platform-$run"
            builder-inspect "$result" | grep -q '^result *exited 0$' || fail "the build has failed"
            has_line "$platform-$run" "argument: package-of-$platform\$" || fail "orb was not told the package"
            builder-inspect --output "$directory/$platform-$run" "$result"
            (cd "$directory/$platform-$run" && find . -type f | sort) >"$directory/artifacts"
            printf './bin/package\n./build-environment\n' | cmp - "$directory/artifacts" ||
                fail "the artifacts are not what orb has written"
            if [ -e "$directory/myswitch" ]; then fail "the switch is left"; fi
            builder-client unschedule "$platform-$run"
        done
        cmp "$directory/$platform-first/build-environment" "$directory/$platform-second/build-environment" ||
            fail "two builds have different environments"
        grep -q -x 'SOURCE_DATE_EPOCH=1589138087' "$directory/$platform-first/build-environment" ||
            fail "the date is not that of builder 0.4.0"
    done
}

# Two builds at once would spoil each other.
refuses_a_used_place() {
    say "a template refuses a /tmp that is not new"
    mkdir "$directory/myswitch"
    builder-client orb-build used none
    work one
    find_result used
    has_line used 'a /tmp that is new for each job' || fail "nobody said what is wrong"
    [ -e "$directory/myswitch" ] || fail "what was there before is gone"
    builder-client unschedule used
    rmdir "$directory/myswitch"
}

# Forgetting to install something gives a message.
names_what_is_missing() {
    say "a template names the program that is missing"
    builder-client orb-build missing none
    PATH=$BUILDER_PROGRAMS:/usr/bin:/bin
    rm "$directory/fake/orb"
    work one
    find_result missing
    has_line missing 'orb is not installed' || fail "nobody said what is missing"
}

find_programs
mkdir "$directory/config"
make_fake_programs
start_server
builds_a_package
refuses_a_used_place
names_what_is_missing
