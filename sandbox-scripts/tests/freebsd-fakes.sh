# Sourced by the tests for FreeBSD: its commands, replaced by some of fake-freebsd/, and its services with the paths of the
# test. Sourced after lib.sh.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2119,SC2120,SC2154

platform="freebsd-test"
FAKE_STATE=$directory/state
export FAKE_STATE

# Whatever a test that fails leaves behind carries this in its environment; twice, as supervisors start things anew.
clean_up_more() {
    for _ in 1 2; do
        carriers=$(grep -l -s -z -x -F "FAKE_STATE=$FAKE_STATE" /proc/[0-9]*/environ)
        echo "$carriers" | while IFS=/ read -r _ _ process _; do
            if [ -n "$process" ]; then kill -9 "$process" 2>/dev/null; fi
        done
    done
}

# A process that has ended may wait for long until somebody takes notice.
is_alive() {
    kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

sandbox_exists() {
    [ -e "$FAKE_STATE/jail-builder_$1" ] || [ -e "$FAKE_STATE/dataset-zroot,builder,builder_$1" ] ||
        [ -e "$directory/run/$1.pid" ]
}

make_commands() {
    mkdir "$directory/commands" "$FAKE_STATE"
    for command in zfs jail jls jexec lockf rctl mount umount sysctl ifconfig logger at pw sleep; do
        ln -s "$here/fake-freebsd/command" "$directory/commands/$command"
    done
    ln -s "$here/fake-freebsd/service" "$directory/commands/service"
    ln -s "$here/fake-freebsd/pkg-scripts" "$directory/commands/pkg-scripts"
    echo none >"$FAKE_STATE/dataset-zroot,jails,base@clean"
}

# called_in_order PATTERN...: the recorded calls are these, one pattern a call; and forgets them.
called_in_order() {
    cp "$FAKE_STATE/calls" "$directory/calls.log"
    exec 3<"$FAKE_STATE/calls"
    for pattern in "$@"; do
        read -r call <&3 || fail "there was no call like $pattern"
        # shellcheck disable=SC2254
        case $call in
            $pattern) ;;
            *) fail "'$call' was called, instead of something like '$pattern'" ;;
        esac
    done
    if read -r call <&3; then fail "'$call' was called in addition"; fi
    exec 3<&-
    : >"$FAKE_STATE/calls"
}


# ---- Services ----

# in_test FILE: a script with the paths of this test.
in_test() {
    sed -e "s,/etc/rc.subr,$here/fake-freebsd/rc.subr,; s,/usr/sbin/daemon,$here/fake-freebsd/daemon,g" \
        -e "s,/var/run/,$directory/rc/run/,g; s,/usr/local/bin/,$directory/installed/,g" \
        -e "s,/usr/local/libexec/builder/,$directory/rc/,g; s,/usr/local/etc/,$directory/etc/,g" \
        -e "s,/var/db/,$directory/db/,g" "$1"
}

make_services() {
    mkdir -p "$directory/rc/run" "$directory/installed" "$directory/etc/builder" "$directory/db" "$directory/data2"
    # So that a test that fails shows them.
    ln -s "$FAKE_STATE/daemon.log" "$directory/daemon.log"
    ln -s "$FAKE_STATE/syslog" "$directory/syslog.log"
    for program in builder-server builder-dashboard; do
        ln -s "$BUILDER_PROGRAMS/$program" "$directory/installed/$program"
    done
    for file in "$scripts"/freebsd/rc.d/builder* "$scripts/freebsd/supervised.subr"; do
        in_test "$file" >"$directory/rc/${file##*/}"
    done
    sed "s,:/usr/local/bin\$,:$BUILDER_PROGRAMS," "$scripts/freebsd/builder-jail" >"$directory/rc/builder-jail"
    chmod +x "$directory/rc/builder-jail"
    configure
}

# configure [VARIABLE=VALUE...]: writes rc.conf anew, with these at its end.
configure() {
    cat >"$FAKE_STATE/rc.conf" <<END
builder_enable=YES
builder_worker_listen=unix:$directory/worker2.sock
builder_args="-v --dir $directory/data2 --client-listen unix:$directory/client2.sock"
builder_network_enable=YES
builder_patience=600
builder_dashboard_enable=YES
builder_viewer_listen=unix:$directory/viewer2.sock
builder_dashboard_args="--listen unix:$directory/pages.sock --title of-the-test"
builder_dashboard_patience=600
builder_worker_enable=YES
builder_worker_patience=600
builder_worker_list="one two"
builder_worker_platform=$platform
builder_worker_two_platform=other-test
builder_worker_two_memory=1g
builder_worker_snapshot=zroot/jails/base@clean
builder_worker_mount=$directory/roots
builder_worker_jail_conf=$scripts/freebsd/jail.conf.sample
builder_worker_remote=unix:$directory/worker2.sock
END
    if [ $# -gt 0 ]; then printf '%s\n' "$@" >>"$FAKE_STATE/rc.conf"; fi
}

service() {
    "$directory/commands/service" "$@" >>"$directory/service.log" 2>&1
}

# Starts a service command beside the test; its exit status is in $outcome once it has ended.
begin_service() {
    outcome=$directory/outcome
    rm -f "$outcome"
    (ended=0; service "$@" || ended=$?; echo "$ended" >"$outcome.new"; mv "$outcome.new" "$outcome") &
}

# What daemon(8) does for what has this pid file.
supervisor_does() {
    grep -q "^$2" "$directory/rc/run/$1.state"
}
