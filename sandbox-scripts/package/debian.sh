#!/bin/sh
# Builds the Debian package: builder_VERSION_ARCHITECTURE.deb.

set -eu

usage() {
    cat <<'END'
Usage: debian.sh [DIRECTORY]
       debian.sh --help

Builds builder and puts its package for this Debian and this architecture into
DIRECTORY (the current one). Any user may run it; it needs cargo and dpkg-dev.

Environment:
    BUILDER_PROGRAMS    a directory with programs that are already built
    BUILDER_REVISION    the revision of the package, which follows the version (1)
    DEBFULLNAME, DEBEMAIL
                        the maintainer of the package, to whom its users write
                        (you, on this machine)
    SOURCE_DATE_EPOCH   the time stamp of all files, in seconds since 1970
                        (that of the last commit)
END
}

fail() {
    printf 'debian.sh: %s\n' "$*" >&2
    exit 1
}

find_programs() {
    programs=${BUILDER_PROGRAMS:-}
    if [ -z "$programs" ]; then
        command -v cargo >/dev/null || fail "cargo is missing; install Rust, or set BUILDER_PROGRAMS"
        (cd "$tree" && cargo build --release --locked --package builder)
        programs=$(cd "$tree" && cargo metadata --format-version 1 --no-deps --locked |
            sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release
    fi
}

# ---- What is installed ----

# shellcheck source=pages.sh
. "$(dirname "$0")/pages.sh"

# put MODE SOURCE... DIRECTORY: installs files below the root of the package.
put() {
    mode=$1
    shift
    for target in "$@"; do :; done
    mkdir -p "$root$target"
    while [ $# -gt 1 ]; do
        install -m "$mode" "$1" "$root$target/"
        shift
    done
}

gather_programs() {
    for source in "$tree"/bin/src/bin/*.rs; do
        program=$(basename "$source" .rs)
        put 0755 "$programs/$program" /usr/bin
        strip "$root/usr/bin/$program"
    done
    put 0755 "$scripts/container/builder-container" "$scripts/container/build-image" \
        "$scripts/bubblewrap/builder-bubblewrap" /usr/libexec/builder
    put 0644 "$scripts/container/Containerfile" /usr/libexec/builder
    put 0755 "$scripts/on-finish/mail-on-change" "$scripts/on-finish/sign-and-publish" "$scripts/on-finish/web-hook" \
        /usr/share/doc/builder/examples
}

gather_configuration() {
    put 0644 "$scripts/systemd/builder.service" "$scripts/systemd/builder-dashboard.service" \
        "$scripts/systemd/builder-worker@.service" \
        /usr/lib/systemd/system
    put 0644 "$scripts/systemd/builder-bubblewrap@.service" /usr/lib/systemd/user
    mkdir -p "$root/etc/builder" "$root/etc/default"
    for name in builder builder-dashboard builder-worker; do
        install -m 0644 "$here/debian/$name.default" "$root/etc/default/$name"
        printf '/etc/default/%s\n' "$name" >>"$root/DEBIAN/conffiles"
    done
}

gather_documentation() {
    documentation=/usr/share/doc/builder
    gather_pages 0644 "$root$documentation"
    gzip -9n <"$tree/CHANGELOG.md" >"$root$documentation/changelog.gz"
    printf 'builder (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' \
        "$version" "$maintainer" "$(date -R -u -d "@$epoch")" | gzip -9n >"$root$documentation/changelog.Debian.gz"
    {
        printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n'
        printf 'Files: *\nCopyright: %s\nLicense: ISC\n' "$(sed -n 's/^Copyright (c) //p' "$tree/LICENSE")"
        sed -n '/^Permission/,$ { s/^$/./; s/^/ /p }' "$tree/LICENSE"
    } >"$root$documentation/copyright"
    list_manuals "$root/usr/bin" "$root/usr/libexec/builder" | while read -r page; do
        section=/usr/share/man/man${page##*.}
        mkdir -p "$root$section"
        gzip -9n <"$page" >"$root$section/${page##*/}.gz"
    done
}

# bash and fish look for a file with the name of the program.
gather_completions() {
    put 0644 "$tree/bin/completions/_builder" /usr/share/zsh/vendor-completions
    mkdir -p "$root/usr/share/bash-completion/completions" "$root/usr/share/fish/vendor_completions.d"
    for source in "$tree"/bin/src/bin/*.rs; do
        program=$(basename "$source" .rs)
        install -m 0644 "$tree/bin/completions/builder.bash" "$root/usr/share/bash-completion/completions/$program"
        install -m 0644 "$tree/bin/completions/builder.fish" "$root/usr/share/fish/vendor_completions.d/$program.fish"
    done
}

# ---- What dpkg is told ----

# The C library and its like, in the versions that the programs were linked with.
list_dependencies() {
    mkdir "$work/debian"
    printf 'Source: builder\n\nPackage: builder\nArchitecture: any\n' >"$work/debian/control"
    (cd "$work" && dpkg-shlibdeps -O "$root"/usr/bin/builder-*) | sed -n 's/^shlibs:Depends=//p'
}

write_control() {
    cat >"$root/DEBIAN/control" <<END
Package: builder
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: $maintainer
Section: devel
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f 1)
Depends: adduser, $(list_dependencies)
Recommends: ca-certificates, podman | docker.io
Suggests: bubblewrap, debootstrap
Description: job server for small build hosts
 A server keeps a durable schedule of shell jobs and hands them out. Workers
 run them, each one job in a sandbox that is thrown away afterwards. A client
 changes the schedule and follows jobs while they run, and a dashboard shows
 them in a browser. What a job has printed and left is stored as one file.
END
    (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | LC_ALL=C sort | xargs md5sum) \
        >"$root/DEBIAN/md5sums"
    for script in postinst prerm postrm; do
        install -m 0755 "$here/debian/$script" "$root/DEBIAN/"
    done
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
for program in dpkg-deb dpkg-shlibdeps strip; do
    command -v "$program" >/dev/null || fail "$program is missing; install dpkg-dev and binutils"
done
output=${1:-.}
[ -d "$output" ] || fail "there is no directory $output"
here=$(cd "$(dirname "$0")" && pwd)
scripts=$(dirname "$here")
tree=$(dirname "$scripts")
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/Cargo.toml" | head -n 1)-${BUILDER_REVISION:-1}
builder=$(id -un)@$(uname -n)
maintainer="${DEBFULLNAME:-builder} <${DEBEMAIL:-$builder}>"
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null || stat -c %Y "$tree/CHANGELOG.md")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
root=$work/root
umask 022
mkdir -p "$root/DEBIAN"
find_programs
gather_programs
gather_configuration
gather_documentation
gather_completions
write_control
# The same tree makes the same package.
find "$root" -exec touch --no-dereference -d "@$epoch" {} +
SOURCE_DATE_EPOCH=$epoch dpkg-deb --build --root-owner-group "$root" "$output"
