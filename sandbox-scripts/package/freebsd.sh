#!/bin/sh
# Builds the FreeBSD package: builder-VERSION.pkg.

set -eu

usage() {
    cat <<'END'
Usage: freebsd.sh [DIRECTORY]
       freebsd.sh --help

Builds builder and puts its package for this FreeBSD and this architecture into
DIRECTORY (the present one). Any user may; it needs cargo and pkg.

Environment:
    BUILDER_PROGRAMS    a directory with programs that are built already
    BUILDER_MAINTAINER  the address of the maintainer of the package, to whom its
                        users write (you, on this machine)
    BUILDER_WWW         the address of the page where users find more (the README
                        that the package installs)
END
}

fail() {
    printf 'freebsd.sh: %s\n' "$*" >&2
    exit 1
}

find_programs() {
    programs=${BUILDER_PROGRAMS:-}
    if [ -z "$programs" ]; then
        command -v cargo >/dev/null || fail "cargo is missing; install rust, or set BUILDER_PROGRAMS"
        (cd "$tree" && cargo build --release --locked --package builder)
        programs=$(cd "$tree" && cargo metadata --format-version 1 --no-deps --locked |
            sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release
    fi
}

# put MODE SOURCE... DIRECTORY: installs files below /usr/local.
put() {
    mode=$1
    shift
    for target in "$@"; do :; done
    mkdir -p "$root/usr/local/$target"
    while [ $# -gt 1 ]; do
        install -m "$mode" "$1" "$root/usr/local/$target/"
        shift
    done
}

# shellcheck source=pages.sh
. "$(dirname "$0")/pages.sh"

gather_files() {
    for source in "$tree"/bin/src/bin/*.rs; do
        program=$(basename "$source" .rs)
        put 0555 "$programs/$program" bin
        strip "$root/usr/local/bin/$program"
    done
    put 0555 "$scripts/freebsd/builder-jail" libexec/builder
    put 0555 "$scripts"/freebsd/rc.d/builder* etc/rc.d
    put 0444 "$scripts/freebsd/jail.conf.sample" etc/builder
    put 0444 "$tree/CHANGELOG.md" "$tree/LICENSE" share/doc/builder
    gather_pages 0444 "$root/usr/local/share/doc/builder"
    list_manuals "$root/usr/local/bin" "$root/usr/local/libexec/builder" | while read -r page; do
        put 0444 "$page" "share/man/man${page##*.}"
    done
}

# bash and fish look for a file with the name of the program.
gather_completions() {
    put 0444 "$tree/bin/completions/_builder" share/zsh/site-functions
    share=$root/usr/local/share
    mkdir -p "$share/bash-completion/completions" "$share/fish/vendor_completions.d"
    for source in "$tree"/bin/src/bin/*.rs; do
        program=$(basename "$source" .rs)
        install -m 0444 "$tree/bin/completions/builder.bash" "$share/bash-completion/completions/$program"
        install -m 0444 "$tree/bin/completions/builder.fish" "$share/fish/vendor_completions.d/$program.fish"
    done
}

write_plist() {
    printf '@owner root\n@group wheel\n'
    (cd "$root/usr/local" && find . -type f | LC_ALL=C sort) | sed 's,^\./,,'
}

write_manifest() {
    # pkg takes no package that names neither.
    sed -e "s/%%VERSION%%/$version/" -e "s,%%MAINTAINER%%,${BUILDER_MAINTAINER:-$(id -un)@$(uname -n)}," \
        -e "s,%%WWW%%,${BUILDER_WWW:-file:///usr/local/share/doc/builder/README.md}," "$here/freebsd/manifest"
    printf 'scripts: {\n'
    for script in pre-install post-install pre-deinstall; do
        printf '%s: <<SCRIPT\n%s\nSCRIPT\n' "$script" "$(cat "$here/freebsd/$script")"
    done
    printf '}\nmessages: [{ type: install, message: <<MESSAGE\n%s\nMESSAGE\n}]\n' "$(cat "$here/freebsd/message")"
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
command -v pkg >/dev/null || fail "pkg is missing; this runs on FreeBSD"
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
umask 022
mkdir "$root"
find_programs
gather_files
gather_completions
write_plist >"$work/plist"
write_manifest >"$work/manifest"
pkg create -M "$work/manifest" -p "$work/plist" -r "$root" -o "$output"
