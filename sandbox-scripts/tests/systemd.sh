#!/bin/sh
# The units are what systemd understands, and as tight as they can be. 'debian' starts them for real.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Copies the units with programs that exist wherever the packages are not installed.
copy_units() {
    mkdir "$directory/units"
    for unit in "$scripts"/systemd/*.service; do
        sed 's,^\(Exec[A-Za-z]*=\)/[^ ]*,\1/bin/true,' "$unit" >"$directory/units/${unit##*/}"
    done
}

verifies() {
    say "systemd-analyze verify has nothing to say"
    for unit in builder.service builder-worker@one.service builder-bubblewrap@one.service; do
        systemd-analyze verify --man=no "$directory/units/$unit" >"$directory/verify.log" 2>&1 || fail "$unit is wrong"
        # It succeeds over warnings about keys that it does not know.
        if [ -s "$directory/verify.log" ]; then fail "there are warnings about $unit"; fi
    done
}

is_hardened() {
    say "the server's unit leaves little to attack"
    systemd-analyze security --offline=true --threshold=15 "$directory/units/builder.service" \
        >"$directory/security.log" 2>&1 || fail "the exposure is more than 1.5 of 10"
}

need systemd-analyze
copy_units
verifies
is_hardened
