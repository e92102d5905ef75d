# Sourced by the scripts that build packages: the pages for those who install one.
# Sourced with the tree in $tree and a directory for passing files in $work.
# shellcheck shell=sh
# shellcheck disable=SC2154

pages='README.md bin/pictures/terminal.svg bin/pictures/dashboard-overview.png
    SECURITY.md bin/JOBS.md bin/LOG.md bin/MOVING.md bin/OPERATING.md
    sandbox-scripts/README.md sandbox-scripts/freebsd/README.md sandbox-scripts/freebsd/jail.conf.sample
    sandbox-scripts/kubernetes/README.md sandbox-scripts/kubernetes/server.yaml
    sandbox-scripts/kubernetes/server-pod.yaml sandbox-scripts/kubernetes/worker.yaml
    sandbox-scripts/kubernetes/dashboard.yaml sandbox-scripts/kubernetes/worker-keda.yaml
    sandbox-scripts/on-finish/README.md
    sandbox-scripts/systemd/README.md
    sandbox-scripts/templates/orb-build.template.debian sandbox-scripts/templates/orb-build.template.freebsd
    sandbox-scripts/templates/orb-build.template.ubuntu'

# gather_pages MODE DIRECTORY: copies the pages to where they are in the tree, so that their links and commands work.
# Links to what is not installed become plain text.
gather_pages() {
    for page in $pages; do
        mkdir -p "$2/$(dirname "$page")"
        install -m "$1" "$tree/$page" "$2/$page"
    done
    for page in $pages; do
        case $page in *.md) ;; *) continue ;; esac
        list_dead_links "$2/$page" >"$work/edits"
        sed -f "$work/edits" "$2/$page" >"$work/page"
        install -m "$1" "$work/page" "$2/$page"
    done
}

# list_manuals DIRECTORY...: prints the manual pages of the programs and scripts that are in these directories.
list_manuals() {
    for program in $(for directory in "$@"; do ls "$directory"; done); do
        for page in "$tree/bin/man/$program".[1-9]; do
            if [ -e "$page" ]; then echo "$page"; fi
        done
    done
}

# Prints what sed has to do to a page.
list_dead_links() {
    grep -o ']([^)#:]*' "$1" | sed 's/^](//' | sort -u | while read -r target; do
        if [ -z "$target" ] || [ "$target" = https ] || [ -e "$(dirname "$1")/$target" ]; then continue; fi
        printf 's,\\[\\([^][]*\\)\\](%s\\(#[^)]*\\)\\{0\\,1\\}),\\1,g\n' "$(printf '%s' "$target" | sed 's/[.*@]/\\&/g')"
    done
}
