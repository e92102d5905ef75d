#!/bin/sh
# Makes the pictures of the dashboard in the documentation, by looking at real pages with a real browser.

set -eu

usage() {
    cat <<'END'
Usage: dashboard.sh [DIRECTORY]
       dashboard.sh --help

Lets a dozen jobs run, opens the pages of the dashboard about them in Chromium, and
writes dashboard-*.png into the directory, which is that of this script if none is
named. It takes cargo, chromium, chromedriver and pngquant, and leaves nothing else
behind. tests/browser/pictures.rs says which jobs there are and what is shown.
END
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "${1:-$here}" && pwd)
for program in cargo chromedriver pngquant; do
    command -v "$program" >/dev/null || {
        echo "dashboard.sh: $program is not on the PATH; install it first" >&2
        exit 1
    }
done
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$here/../.."
BUILDER_PICTURES=$directory cargo test --quiet -p builder --test browser pictures_of_the_pages -- --ignored
for picture in "$directory"/*.png; do
    # Few colours are enough for pages, and make small files.
    pngquant --force --strip --speed 1 --output "$target/dashboard-${picture##*/}" 128 "$picture"
done
