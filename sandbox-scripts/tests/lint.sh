#!/bin/sh
# Every script is POSIX sh, says what it is for, and refuses what it does not know.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Everything that starts like a shell script, but no page that shows one.
list_scripts() {
    find "$scripts" -type f ! -name '*.md' -exec grep -l -m 1 -E '^#!/bin/sh|^# shellcheck shell=sh' {} + | sort
}

checks_syntax() {
    say "all scripts are shellcheck-clean and read by the shells that are here"
    for script in $all; do
        shellcheck "$script" || fail "shellcheck has something to say about $script"
        for shell in dash bash busybox; do
            if ! command -v "$shell" >/dev/null; then continue; fi
            case $shell in
                bash) bash --posix -n "$script" ;;
                busybox) busybox sh -n "$script" ;;
                *) "$shell" -n "$script" ;;
            esac || fail "$shell cannot read $script"
        done
    done
}

# What has a usage is a program.
explains_itself() {
    say "every program has --help, and refuses what it does not know"
    for script in $all; do
        if ! grep -q '^usage() {' "$script"; then continue; fi
        [ -x "$script" ] || fail "$script is not executable"
        "$script" --help | grep -q '^Usage: ' || fail "$script --help shows no usage"
        refused "Usage: " "$script" --no-such-option
    done
}

need shellcheck
all=$(list_scripts)
[ "$(echo "$all" | wc -l)" -ge 10 ] || fail "there are fewer scripts than expected"
checks_syntax
explains_itself
