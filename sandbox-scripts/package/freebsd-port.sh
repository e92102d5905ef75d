#!/bin/sh
# Writes a port of builder for FreeBSD's ports tree.

set -eu

usage() {
    cat <<'END'
Usage: freebsd-port.sh DIRECTORY
       freebsd-port.sh --help

Creates DIRECTORY, such as /usr/ports/sysutils/builder, with a port of this
version: Makefile, Makefile.crates, pkg-descr, pkg-plist, pkg-message, the
services and the scripts of the package. It has not been built on a FreeBSD yet.

The port lacks distinfo, the sizes and checksums of the files that it fetches.
Put the tree as builder-VERSION.tar.gz, which must unpack into builder-VERSION,
at the address in MASTER_SITES. Then 'make makesum' in DIRECTORY writes
distinfo, and 'make package' makes the package. The paths in services and
scripts are for a PREFIX of /usr/local.

Environment:
    BUILDER_SITE        the address where builder-VERSION.tar.gz is, which
                        becomes MASTER_SITES (required)
    BUILDER_MAINTAINER  the address of the maintainer of the port, to whom its
                        users write (you, on this machine)
    BUILDER_WWW         the address of the page where users find more
                        (BUILDER_SITE)
END
}

fail() {
    printf 'freebsd-port.sh: %s\n' "$*" >&2
    exit 1
}

write_makefile() {
    comment=$(sed -n 's/^comment: //p' "$here/freebsd/manifest")
    services=$(cd "$scripts/freebsd/rc.d" && echo builder*)
    sed -e "s/%%VERSION%%/$version/; s/%%COMMENT%%/$comment/; s/%%SERVICES%%/$services/; s,%%SITE%%,$BUILDER_SITE," \
        -e "s,%%MAINTAINER%%,${BUILDER_MAINTAINER:-$(id -un)@$(uname -n)}," \
        -e "s,%%WWW%%,${BUILDER_WWW:-$BUILDER_SITE}," "$here/freebsd/port/Makefile" >"$port/Makefile"
}

# Everything in Cargo.lock that has a sum is fetched; the rest is in the tree.
write_crates() {
    awk -F '"' '$1 == "name = " { name = $2 } $1 == "version = " { version = $2 }
        $1 == "checksum = " { print name "-" version }' "$tree/Cargo.lock" | LC_ALL=C sort |
        awk 'NR > 1 { print " \\" } { printf("%s%s", NR == 1 ? "CARGO_CRATES=\t" : "\t\t", $0) } END { print "" }' \
            >"$port/Makefile.crates"
}

# Ports list compressed manual pages, documentation and examples by their options, and not the services, which have a variable.
write_plist() {
    mkdir "$work/programs" "$work/stage"
    for source in "$tree"/bin/src/bin/*.rs; do : >"$work/programs/$(basename "$source" .rs)"; done
    BUILDER_PROGRAMS=$work/programs "$here/freebsd.sh" --stage "$work/stage"
    (cd "$work/stage" && find . -type f | LC_ALL=C sort) | sed -e 's,^\./,,' -e '/^etc\/rc\.d\//d' \
        -e '/^share\/man\//s/$/.gz/' -e 's,^share/doc/builder/,%%PORTDOCS%%%%DOCSDIR%%/,' \
        -e 's,^share/examples/builder/,%%PORTEXAMPLES%%%%EXAMPLESDIR%%/,' \
        -e 's,^etc/builder/.*\.sample$,@sample &,; s,^@sample etc/builder/,@sample %%ETCDIR%%/,' >"$port/pkg-plist"
}

write_texts() {
    sed -n '/^desc: <<DESCRIPTION$/,/^DESCRIPTION$/p' "$here/freebsd/manifest" | sed '1d; $d' >"$port/pkg-descr"
    printf '[\n{ type: install\n  message: <<MESSAGE\n%s\nMESSAGE\n}\n]\n' "$(cat "$here/freebsd/message")" >"$port/pkg-message"
}

write_scripts() {
    for script in pre-install post-install pre-deinstall; do cp "$here/freebsd/$script" "$port/pkg-$script"; done
    mkdir "$port/files"
    for service in "$scripts"/freebsd/rc.d/builder*; do cp "$service" "$port/files/${service##*/}.in"; done
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac
[ $# -eq 1 ] || { usage >&2; exit 2; }
port=$1
[ -n "${BUILDER_SITE:-}" ] || fail "BUILDER_SITE is not set; it names the address from which builder-VERSION.tar.gz is fetched"
mkdir "$port" || fail "cannot create $port, which must not exist yet"
here=$(cd "$(dirname "$0")" && pwd)
scripts=$(dirname "$here")
tree=$(dirname "$scripts")
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/Cargo.toml" | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
write_makefile
write_crates
write_plist
write_texts
write_scripts
printf "%s lacks distinfo: put builder-%s.tar.gz at the address in MASTER_SITES, and run 'make makesum' there.\n" \
    "$port" "$version"
