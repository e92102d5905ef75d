#!/bin/sh
# The FreeBSD package that is made on Linux, of programs that were linked for FreeBSD: its form and what is in it. Nothing
# of it is run; what has to hold for the programs, .ci/freebsd/check looks at.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# In a second instead of ten.
ZSTD_CLEVEL=3
export ZSTD_CLEVEL
# Those for tests do: all that differs is how fast they are.
linked=$(cd "$tree" && realpath -m "${CARGO_TARGET_DIR:-target}")/freebsd/programs

# package DIRECTORY [VARIABLE=VALUE...]: makes one there, of these programs unless told otherwise.
package() {
    target=$1
    shift
    mkdir -p "$directory/$target"
    env BUILDER_PROGRAMS="$linked" "$@" "$scripts/package/freebsd.sh" "$directory/$target"
}

# field NAME: what a manifest says on a line of its own, without quotation marks.
field() {
    sed -n "s/^$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$directory/$2"
}

makes_one() {
    say "one command makes the package, and says that it is without TLS"
    package made >"$directory/package.log" 2>&1 || fail "there is no package"
    file=$(echo "$directory"/made/builder-*.pkg)
    [ -f "$file" ] || fail "$file is not there"
    grep -q -F "$file is for FreeBSD:14:amd64, without TLS" "$directory/package.log" || fail "it does not say so"
    zstd -q -d "$file" -o "$directory/tar" || fail "it is not compressed with zstd"
    tar -t -P -f "$directory/tar" >"$directory/names"
    tar -t -v -P -f "$directory/tar" >"$directory/listing"
    mkdir "$directory/root"
    # What is absolute there is relative to the root here.
    tar -x -f "$directory/tar" -C "$directory/root" 2>/dev/null
    mv "$directory/root/+MANIFEST" "$directory/root/+COMPACT_MANIFEST" "$directory"
}

# pkg takes what comes before the first file for its own, and nothing else.
has_its_form() {
    say "two manifests come first, and then files of root by their whole names"
    [ "$(head -n 2 "$directory/names" | tr '\n' ' ')" = '+COMPACT_MANIFEST +MANIFEST ' ] ||
        fail "it does not begin with its manifests"
    if sed 1,2d "$directory/names" | grep -v '^/usr/local/[^/]'; then fail "these are not below /usr/local"; fi
    if sed 1,2d "$directory/listing" | grep -v '^-r--r--r-- root/wheel \|^-r-xr-xr-x root/wheel '; then
        fail "these are no files of root that only root may change"
    fi
    for program in server worker client inspect upload dashboard; do
        grep -q "^-r-xr-xr-x .* /usr/local/bin/builder-$program\$" "$directory/listing" ||
            fail "builder-$program is not there, or no program"
    done
    for name in etc/rc.d/builder etc/rc.d/builder_dashboard etc/rc.d/builder_worker libexec/builder/builder-jail \
        share/examples/builder/mail-on-change share/examples/builder/sign-and-publish share/examples/builder/web-hook; do
        grep -q "^-r-xr-xr-x .* /usr/local/$name\$" "$directory/listing" || fail "$name is not there, or no program"
    done
    has_pages "$directory/root/usr/local/share/doc/builder"
}

# pkg installs no file that the manifest does not name, and compares sums.
lists_its_files() {
    say "the manifest names every file with its sum, and their size"
    sed -n '/^files: {$/,/^}$/p' "$directory/+MANIFEST" | sed '1d; $d' >"$directory/files"
    sed 's,^"\(.*\)": "1$[0-9a-f]*"$,\1,' "$directory/files" >"$directory/listed"
    sed 1,2d "$directory/names" | cmp - "$directory/listed" || fail "the manifest names other files"
    # As sha256sum reads them.
    sed 's,^"\(.*\)": "1$\([0-9a-f]*\)"$,\2  .\1,' "$directory/files" >"$directory/sums"
    (cd "$directory/root" && sha256sum --check --quiet --strict "$directory/sums") || fail "the sums are those of other files"
    size=$(find "$directory/root" -type f -exec cat {} + | wc -c)
    [ "$(field flatsize +MANIFEST)" = "$size" ] || fail "the files have another size"
}

says_what_it_is() {
    say "both manifests say for which hosts it is; the scripts are in the whole one"
    for manifest in +MANIFEST +COMPACT_MANIFEST; do
        for name in name version origin comment maintainer www prefix; do
            [ -n "$(field "$name" "$manifest")" ] || fail "$manifest has no $name, without which pkg takes no package"
        done
        grep -q '^desc: <<DESCRIPTION$' "$directory/$manifest" || fail "$manifest has no description"
        [ "$(field abi "$manifest")" = FreeBSD:14:amd64 ] || fail "$manifest is for other hosts"
        [ "$(field arch "$manifest")" = freebsd:14:x86:64 ] || fail "$manifest is for other hosts of old"
        grep -q '^options: { TLS: "off" }$' "$directory/$manifest" || fail "$manifest does not say that there is no TLS"
    done
    for script in "$scripts"/package/freebsd/*-install "$scripts"/package/freebsd/*-deinstall; do
        name=$(basename "$script")
        sed -n "/^$name: <<SCRIPT\$/,/^SCRIPT\$/p" "$directory/+MANIFEST" | sed '1d; $d; s/%25/%/g' |
            cmp - "$script" || fail "the manifest has another script $name"
    done
    if grep -q '^scripts:' "$directory/+COMPACT_MANIFEST"; then fail "there are scripts in the compact manifest"; fi
}

is_the_same_again() {
    say "the same tree makes the same package, or one for a later FreeBSD"
    package again >"$directory/package.log" 2>&1 || fail "there is no other package"
    cmp "$file" "$directory/again/${file##*/}" || fail "the same tree made two packages"
    package later BUILDER_ABI=FreeBSD:15:amd64 >"$directory/package.log" 2>&1 || fail "there is no package for FreeBSD 15"
    zstd -q -d -c "$directory/later/${file##*/}" | tar -x -O -f - +MANIFEST >"$directory/later-manifest"
    [ "$(field abi later-manifest) $(field arch later-manifest)" = 'FreeBSD:15:amd64 freebsd:15:x86:64' ] ||
        fail "it is not for FreeBSD 15"
}

# pkg decodes what follows a percent sign in a script.
keeps_percent_signs() {
    say "a percent sign in a script of the package reaches the host as one"
    mkdir "$directory/tree"
    ln -s "$tree"/* "$tree/.ci" "$directory/tree"
    rm "$directory/tree/sandbox-scripts"
    cp -R "$scripts" "$directory/tree"
    printf '%s\n' 'printf "%s\n" done' >>"$directory/tree/sandbox-scripts/package/freebsd/post-install"
    env BUILDER_PROGRAMS="$linked" "$directory/tree/sandbox-scripts/package/freebsd.sh" "$directory/tree" \
        >"$directory/package.log" 2>&1 || fail "there is no package"
    zstd -q -d -c "$directory"/tree/builder-*.pkg | tar -x -O -f - +MANIFEST | grep -q -F -x 'printf "%25s\n" done' ||
        fail "it is not encoded"
}

refuses_other_programs() {
    say "programs of Linux make no package"
    refused 'would not start on FreeBSD' package refused BUILDER_PROGRAMS="$BUILDER_PROGRAMS"
    [ -z "$(ls "$directory/refused")" ] || fail "there is a package all the same"
}

need readelf tar zstd
[ "$(uname -s)" = Linux ] || skip "this is about packages that are made on Linux"
[ -x "$linked/builder-server" ] || skip "there are no programs in $linked; .ci/freebsd/link makes them"
find_programs
makes_one
has_its_form
lists_its_files
says_what_it_is
is_the_same_again
keeps_percent_signs
refuses_other_programs
