#!/bin/sh
# Builds the FreeBSD package: builder-VERSION.pkg.

set -eu

usage() {
    cat <<'END'
Usage: freebsd.sh [DIRECTORY]
       freebsd.sh --stage DIRECTORY
       freebsd.sh --help

Builds builder and puts its package into DIRECTORY (the current one). Any user
may run it.

On FreeBSD, the package is for this release and this architecture, and the
script needs cargo and pkg. On Linux, the package is for FreeBSD 14 on amd64, to
try builder there: .ci/freebsd/link links its programs WITHOUT TLS, so they
refuse to upload to https:// URLs. This needs Debian on amd64 with cargo,
binutils, pip and zstd; the first time, a user who may run apt-get update has to
run it.

With --stage, the script makes no package: it puts the files into DIRECTORY as
they will be in /usr/local, with unstripped programs. The port uses this.

Environment:
    BUILDER_PROGRAMS    a directory with programs that are already built
    BUILDER_MAINTAINER  the address of the maintainer of the package, to whom
                        its users write (you, on this machine)
    BUILDER_WWW         the address of the page where users find more (the
                        README that the package installs)

On Linux also:
    BUILDER_ABI         the ABI of the hosts that the package is for
                        (FreeBSD:14:amd64); for FreeBSD 15, FreeBSD:15:amd64
    SOURCE_DATE_EPOCH   the time stamp of all files, in seconds since 1970
                        (that of the last commit)
END
}

fail() {
    printf 'freebsd.sh: %s\n' "$*" >&2
    exit 1
}

find_programs() {
    programs=${BUILDER_PROGRAMS:-}
    if [ -n "$programs" ]; then return; fi
    command -v cargo >/dev/null || fail "cargo is missing; install rust, or set BUILDER_PROGRAMS"
    if [ "$system" = FreeBSD ]; then
        (cd "$tree" && cargo build --release --locked --package builder)
        programs=$(cd "$tree" && cargo metadata --format-version 1 --no-deps --locked |
            sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release
    else
        "$tree/.ci/freebsd/link" --release
        programs=$(cd "$tree" && realpath "${CARGO_TARGET_DIR:-target}")/freebsd/release
    fi
}

# put MODE SOURCE... DIRECTORY: installs files below what is to be /usr/local.
put() {
    mode=$1
    shift
    for target in "$@"; do :; done
    mkdir -p "$prefix/$target"
    while [ $# -gt 1 ]; do
        install -m "$mode" "$1" "$prefix/$target/"
        shift
    done
}

# shellcheck source=pages.sh
. "$(dirname "$0")/pages.sh"

gather_files() {
    for source in "$tree"/bin/src/bin/*.rs; do
        program=$(basename "$source" .rs)
        put 0555 "$programs/$program" bin
        if [ -z "$stage" ]; then strip "$prefix/bin/$program"; fi
    done
    put 0555 "$scripts/freebsd/builder-jail" libexec/builder
    put 0444 "$scripts/freebsd/supervised.subr" libexec/builder
    put 0555 "$scripts/on-finish/mail-on-change" "$scripts/on-finish/sign-and-publish" "$scripts/on-finish/web-hook" \
        share/examples/builder
    put 0555 "$scripts"/freebsd/rc.d/builder* etc/rc.d
    put 0444 "$scripts/freebsd/jail.conf.sample" etc/builder
    put 0444 "$tree/CHANGELOG.md" "$tree/LICENSE" share/doc/builder
    gather_pages 0444 "$prefix/share/doc/builder"
    list_manuals "$prefix/bin" "$prefix/libexec/builder" | while read -r page; do
        put 0444 "$page" "share/man/man${page##*.}"
    done
}

# bash and fish look for a file with the name of the program.
gather_completions() {
    put 0444 "$tree/bin/completions/_builder" share/zsh/site-functions
    share=$prefix/share
    mkdir -p "$share/bash-completion/completions" "$share/fish/vendor_completions.d"
    for source in "$tree"/bin/src/bin/*.rs; do
        program=$(basename "$source" .rs)
        install -m 0444 "$tree/bin/completions/builder.bash" "$share/bash-completion/completions/$program"
        install -m 0444 "$tree/bin/completions/builder.fish" "$share/fish/vendor_completions.d/$program.fish"
    done
}

# ---- What pkg is told ----

write_manifest() {
    # pkg takes no package that names neither.
    sed -e "s/%%VERSION%%/$version/" -e "s,%%MAINTAINER%%,${BUILDER_MAINTAINER:-$(id -un)@$(uname -n)}," \
        -e "s,%%WWW%%,${BUILDER_WWW:-file:///usr/local/share/doc/builder/README.md}," "$here/freebsd/manifest"
    printf 'messages: [{ type: install, message: <<MESSAGE\n%s\nMESSAGE\n}]\n' "$(cat "$here/freebsd/message")"
}

write_scripts() {
    printf 'scripts: {\n'
    for script in pre-install post-install pre-deinstall; do
        # pkg takes a percent sign in a script for the beginning of an encoded character.
        printf '%s: <<SCRIPT\n%s\nSCRIPT\n' "$script" "$(sed 's/%/%25/g' "$here/freebsd/$script")"
    done
    printf '}\n'
}

write_plist() {
    printf '@owner root\n@group wheel\n'
    (cd "$prefix" && find . -type f | LC_ALL=C sort) | sed 's,^\./,,'
}

create_with_pkg() {
    { write_manifest && write_scripts; } >"$work/manifest"
    write_plist >"$work/plist"
    pkg create -M "$work/manifest" -p "$work/plist" -r "$root" -o "$output"
}

# ---- Without pkg ----

# What pkg create finds out for itself. Options are what pkg info shows.
write_facts() {
    abi=${BUILDER_ABI:-FreeBSD:14:amd64}
    release=${abi#FreeBSD:}
    printf 'abi: "%s"\narch: "freebsd:%s:x86:64"\noptions: { TLS: "off" }\n' "$abi" "${release%%:*}"
    printf 'flatsize: %d\n' "$(cd "$root" && xargs cat <"$work/files" | wc -c)"
}

# The 1 says which kind of sum follows.
write_sums() {
    printf 'files: {\n'
    (cd "$root" && xargs sha256sum <"$work/files") | sed 's,^\([0-9a-f]*\)  \(.*\)$,"/\2": "1$\1",'
    printf '}\n'
}

# A package is a compressed tar of two manifests, a short one for lists of packages and a whole one, and then the files
# by the names that they are to have.
create_without_pkg() {
    "$tree/.ci/freebsd/check" "$root"/usr/local/bin/* || fail "the programs in $programs would not start on FreeBSD"
    (cd "$root" && find usr -type f | LC_ALL=C sort) >"$work/files"
    { write_manifest && write_facts; } >"$work/+COMPACT_MANIFEST"
    { cat "$work/+COMPACT_MANIFEST" && write_scripts && write_sums; } >"$work/+MANIFEST"
    epoch=${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null || stat -c %Y "$tree/CHANGELOG.md")}
    # The same tree makes the same package.
    tar --create --file "$work/tar" --format ustar --owner root:0 --group wheel:0 --mtime "@$epoch" \
        --absolute-names --transform 's,^usr/,/usr/,' \
        --directory "$work" +COMPACT_MANIFEST +MANIFEST --directory "$root" --files-from "$work/files"
    ZSTD_CLEVEL=${ZSTD_CLEVEL:-19} zstd -q "$work/tar" -o "$work/package"
    cp "$work/package" "$output/builder-$version.pkg"
    printf '%s is for %s, without TLS: its programs refuse to upload to https:// URLs.\n' \
        "$output/builder-$version.pkg" "$abi"
}

stage=''
case ${1-} in
    -h | --help) usage; exit 0 ;;
    --stage) [ $# -eq 2 ] || { usage >&2; exit 2; }; shift; stage=$1 ;;
    -*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
system=$(uname -s)
case ${stage:+stage}$system in
    stage*) needed='' ;;
    FreeBSD) needed='pkg' ;;
    Linux) needed='readelf strip tar zstd' ;;
    *) fail "this runs on FreeBSD and Linux, not on $system" ;;
esac
for program in $needed; do
    command -v "$program" >/dev/null || fail "$program is missing; --help lists all that is needed"
done
output=${1:-.}
[ -d "$output" ] || fail "there is no directory $output"
here=$(cd "$(dirname "$0")" && pwd)
scripts=$(dirname "$here")
tree=$(dirname "$scripts")
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/Cargo.toml" | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
root=$work/root
prefix=${stage:-$root/usr/local}
umask 022
mkdir "$root"
find_programs
gather_files
gather_completions
if [ -n "$stage" ]; then exit 0; fi
if [ "$system" = FreeBSD ]; then create_with_pkg; else create_without_pkg; fi
