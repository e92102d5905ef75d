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
    for unit in builder.service builder-dashboard.service builder-worker@one.service builder-bubblewrap@one.service; do
        systemd-analyze verify --man=no "$directory/units/$unit" >"$directory/verify.log" 2>&1 || fail "$unit is wrong"
        # It succeeds over warnings about keys that it does not know.
        if [ -s "$directory/verify.log" ]; then fail "there are warnings about $unit"; fi
    done
}

is_hardened() {
    say "the units of server and dashboard leave little to attack"
    for case in builder:15 builder-dashboard:16; do
        systemd-analyze security --offline=true --threshold="${case#*:}" "$directory/units/${case%:*}.service" \
            >"$directory/security.log" 2>&1 || fail "the exposure of ${case%:*} is more than ${case#*:} tenths of 10"
    done
}

need systemd-analyze
copy_units
verifies
is_hardened
