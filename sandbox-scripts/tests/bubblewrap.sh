#!/bin/sh
# One job, one bubblewrap sandbox: for real, as an ordinary user.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scenarios.sh
. "$(dirname "$0")/scenarios.sh"

platform="bubblewrap-test"

# Becomes a command, run by a user who is not root.
unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then
        exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
    fi
    exec "$@"
}

sandbox() {
    unprivileged env BUILDER_REMOTE="unix:$directory/worker.sock" ${network:+BUILDER_NETWORK="$network"} \
        BUILDER_WORK_DIR="$directory/work" PATH="$directory/programs:$PATH" \
        "$directory/programs/builder-bubblewrap" "$@"
}

sandbox_exists() {
    [ -e "$directory/work/$1/work" ] || [ -e "$directory/work/$1/tmp" ]
}

count_caches() {
    find "$directory/work/.caches/$1" -mindepth 1 -maxdepth 1 -type d | wc -l
}

kill_sandbox() {
    pkill -KILL -P "$(pgrep -P "$sandbox")"
}

# The tree and the programs may lie where that user cannot look.
copy_programs() {
    mkdir -m 0755 "$directory/programs"
    cp "$BUILDER_PROGRAMS/builder-worker" "$scripts/bubblewrap/builder-bubblewrap" "$directory/programs/"
    mkdir -m 0777 "$directory/work"
}

leaves_stubborn_directories() {
    say "directories that nobody may enter go too"
    schedule stubborn "$platform" <<'END'
#!/bin/sh
for parent in "$HOME" /tmp; do mkdir -p "$parent/locked/inner" && chmod 0 "$parent/locked"; done
END
    BUILDER_TMP=disk
    export BUILDER_TMP
    begin one "$platform"
    unset BUILDER_TMP
    finish
    [ "$status" -eq 0 ] || fail "the sandbox ended with $status"
    if sandbox_exists one; then fail "something of the sandbox is left"; fi
    builder-client unschedule stubborn
}

has_the_network_it_is_given() {
    say "there is a network only when asked for"
    for network in '' none host; do
        schedule "network-$network" "$platform" <<'END'
#!/bin/sh
echo "interfaces: $(sed 1,2d /proc/net/dev | grep -v -c ' lo:')"
END
        begin one "$platform"
        finish
        find_result "network-$network"
    done
    for network in '' none; do
        has_line "network-$network" 'interfaces: 0' || fail "there are interfaces where there should be none"
    done
    outside=$(sed 1,2d /proc/net/dev | grep -v -c ' lo:' || :)
    has_line network-host "interfaces: $outside" || fail "the interfaces are not those of the machine"
    network=''
}

need bwrap flock prlimit setpriv pgrep
(unprivileged bwrap --unshare-all --ro-bind / / true) 2>"$directory/bwrap.log" ||
    skip "users make no namespaces here: $(tail -n 1 "$directory/bwrap.log")"
find_programs
copy_programs
start_server
runs_a_job
puts_jobs_back
survives_a_crash
refuses_a_name_in_use
refuses_bad_names
keeps_tmp_where_it_is_told
leaves_stubborn_directories
has_the_network_it_is_given
leaves_when_idle
keeps_what_failed
shares_a_cache
BUILDER_MEMORY=100m BUILDER_PROCESSES=40 BUILDER_TIMEOUT=4s
export BUILDER_MEMORY BUILDER_PROCESSES BUILDER_TIMEOUT
keeps_limits
