#!/bin/sh
# The services for FreeBSD, and what its package does with them when it is upgraded or removed. Server and workers are
# real; FreeBSD's commands, rc.subr, daemon(8) and pkg(8) are stood in for.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=freebsd-fakes.sh
. "$(dirname "$0")/freebsd-fakes.sh"

answers() {
    BUILDER_REMOTE=unix:$directory/client2.sock builder-client info >/dev/null 2>&1
}

shows_pages() {
    curl --silent --fail --unix-socket "$directory/pages.sock" http://dashboard/ | grep -q 'of-the-test'
}

has_workers() {
    [ -e "$FAKE_STATE/jail-builder_one" ] && [ -e "$FAKE_STATE/jail-builder_two" ]
}

is_another() {
    [ -e "$1" ] && [ "$(cat "$1")" != "$2" ]
}

server_file=builder-server.pid

server_process() {
    cat "$directory/rc/run/$server_file"
}

serves() {
    say "service builder starts once, restarts what dies, and stops when the server has ended"
    if service builder status; then fail "the service runs before it is started"; fi
    service builder start
    service builder status || fail "the service does not run"
    wait_for "the server answers" answers
    if service builder start; then fail "the service has started twice"; fi
    victim=$(cat "$directory/rc/run/builder-server.pid")
    kill -9 "$victim"
    wait_for "there is another server" is_another "$directory/rc/run/builder-server.pid" "$victim"
    wait_for "the server answers again" answers
    victim=$(cat "$directory/rc/run/builder-server.pid")
    service builder stop
    if kill -0 "$victim" 2>/dev/null; then fail "the server is still there after stop"; fi
    if service builder status; then fail "the service runs after it was stopped"; fi
    if [ -e "$directory/rc/run/builder.pid" ]; then fail "daemon(8) is still there after stop"; fi
    service builder start
    wait_for "the server answers once more" answers
    service builder reload
    wait_for "the server reads its templates again" grep -q 'reading the templates again' "$FAKE_STATE/daemon.log"
    service builder status || fail "the service ended when it was to reload"
    service builder stop
}

# hold_delay FILE: kills what has this pid file, and returns when daemon(8) is in its delay, where it stays for now.
hold_delay() {
    : >"$FAKE_STATE/hold-delay"
    kill -9 "$(cat "$directory/rc/run/$1")"
    wait_for "daemon(8) is in its delay" supervisor_does "$1" delays
}

# ends_after_delay FILE: the service command that was begun asks again, so that daemon(8) hears it after its delay.
ends_after_delay() {
    wait_for "daemon(8) did not hear it" supervisor_does "$1" 'delays [1-9]'
    rm "$FAKE_STATE/hold-delay"
    wait_for "the service has stopped" test -e "$outcome"
    [ "$(cat "$outcome")" -eq 0 ] || fail "stopping has failed"
}

stops_after_a_crash() {
    say "service builder stop ends daemon(8), also in the delay after a crash, when it does not hear"
    service builder start
    wait_for "the server answers" answers
    hold_delay builder-server.pid
    begin_service builder stop
    ends_after_delay builder-server.pid
    if service builder status; then fail "the service runs after it was stopped"; fi
    if answers; then fail "there is a server after stop"; fi
}

gives_up() {
    say "a stop that does not come to an end says what is left, and can be repeated"
    configure builder_patience=1
    service builder start
    wait_for "the server answers" answers
    hold_delay builder-server.pid
    supervisor=$(cat "$directory/rc/run/builder.pid")
    refused "^ *$supervisor .*fake-freebsd/daemon" "$directory/commands/service" builder stop
    grep -q "has not ended.*1 s of asking" "$directory/refused.log" || fail "it does not say how long it has waited"
    configure
    begin_service builder stop
    ends_after_delay builder-server.pid
    wait_for "daemon(8) is gone" not is_alive "$supervisor"
}



# starts_with VARIABLES...: the options that the server gets, in a line, with these in rc.conf.
starts_with() {
    started_with builder builder_enable=YES "$@"
}

# started_with SERVICE VARIABLES...: what daemon(8) gets.
started_with() {
    sed "s,$here/fake-freebsd/daemon,echo," "$directory/rc/$1" >"$directory/rc/shown"
    shift
    printf '%s\n' "$@" >"$directory/rc.conf"
    mv "$FAKE_STATE/rc.conf" "$FAKE_STATE/rc.conf.kept"
    mv "$directory/rc.conf" "$FAKE_STATE/rc.conf"
    service shown start
    mv "$FAKE_STATE/rc.conf.kept" "$FAKE_STATE/rc.conf"
    tail -n 1 "$directory/service.log"
}

keeps_its_address_for_workers() {
    say "options of the server are added to where workers and the dashboard reach it"
    for case in \
        '|builder_network_enable=YES|builder_args="--upload URL"|--worker-listen 10.29.0.1:1234 --upload URL' \
        '|builder_network_enable=YES|builder_network_address=10.1.2.3/24|--worker-listen 10.1.2.3:1234' \
        '|builder_network_enable=YES|builder_worker_listen=|' \
        '|builder_worker_listen=192.0.2.1:1235|builder_args=--keep-local|--worker-listen 192.0.2.1:1235 --keep-local' \
        '|builder_dashboard_enable=YES||--viewer-listen 127.0.0.1:1236' \
        '|builder_dashboard_enable=YES|builder_viewer_listen=|' \
        '|builder_network_enable=YES|builder_dashboard_enable=YES|--worker-listen 10.29.0.1:1234 --viewer-listen 127.0.0.1:1236' \
        '|builder_viewer_listen=[::1]:5|builder_args=--keep-local|--viewer-listen [::1]:5 --keep-local' \
        '|builder_args=--keep-local||--keep-local'; do
        expected=${case##*|}
        first=${case#|}
        second=${first#*|}
        shown=$(starts_with "${first%%|*}" "${second%%|*}" | sed 's/.*builder-server *//; s/  */ /g; s/ *$//')
        [ "$shown" = "$expected" ] || fail "the server gets '$shown', not '$expected'"
    done
}

has_pages_of_the_server() {
    say "service builder_dashboard shows what the server says, restarts what dies, and stops"
    service builder start
    wait_for "the server answers" answers
    service builder_dashboard start
    wait_for "there are pages" shows_pages
    curl --silent --unix-socket "$directory/pages.sock" http://dashboard/api/overview | grep -q '"version"' ||
        fail "the pages know nothing of the server"
    if service builder_dashboard start; then fail "the service has started twice"; fi
    victim=$(cat "$directory/rc/run/builder-dashboard.pid")
    kill -9 "$victim"
    wait_for "there is another dashboard" is_another "$directory/rc/run/builder-dashboard.pid" "$victim"
    wait_for "there are pages again" shows_pages
    service builder stop
    service builder_dashboard status || fail "it has ended with the server"
    service builder_dashboard stop
    if service builder_dashboard status; then fail "the service runs after it was stopped"; fi
    if shows_pages; then fail "there are pages after stop"; fi
    # Where it looks, unless it is told otherwise, is where the server listens for it.
    for case in '|127.0.0.1:1236' 'builder_viewer_listen=[::1]:5|[::1]:5' 'builder_dashboard_remote=web:1|web:1'; do
        shown=$(dashboard_starts_with "${case%%|*}")
        [ "$shown" = "--remote ${case#*|}" ] || fail "the dashboard gets '$shown', not '${case#*|}'"
    done
}

dashboard_starts_with() {
    started_with builder_dashboard builder_dashboard_enable=YES "$1" | sed 's/.*builder-dashboard *//; s/ *$//'
}

works() {
    say "service builder_worker runs each of its workers, for its platform, with its limits"
    service builder start
    : >"$FAKE_STATE/calls"
    service builder_worker start
    wait_for "both have their jails" has_workers
    service builder_worker status || fail "the service does not run"
    grep -q '^rctl -a .*builder_two:memoryuse:deny=1g ' "$FAKE_STATE/calls" || fail "worker two has other limits"
    wait_for "the worker starts" grep -q '^jexec .*builder_two .* other-test$' "$FAKE_STATE/calls"
    service builder_network start
    if service builder_network stop; then fail "the network went while jails use it"; fi
    service builder_worker stop two
    if sandbox_exists two; then fail "something of worker two is left after stop"; fi
    sandbox_exists one || fail "worker one has stopped too"
    if service builder_worker status; then fail "the service says that all run"; fi
    service builder_worker stop
    if sandbox_exists one; then fail "something of worker one is left after stop"; fi
    if service builder_worker start '../x'; then fail "a bad name was accepted"; fi
    service builder stop
}

replaces_idle_jails() {
    say "service builder_worker reload replaces the jail of a worker that waits, and not the one in which a job runs"
    service builder start
    wait_for "the server answers" answers
    configure builder_worker_one_keep_failed=3 builder_worker_cache=2g
    if service builder_worker reload; then fail "it succeeds although no worker runs"; fi
    service builder_worker start one
    wait_for "the worker starts" test -s "$FAKE_STATE/jail-builder_one"
    idle=$(cat "$FAKE_STATE/jail-builder_one")
    supervisor=$(cat "$directory/rc/run/builder_worker/one.pid")
    service builder_worker reload one || fail "reload has failed"
    wait_for "there is a new jail" is_a_new_worker "$idle"
    [ "$(cat "$directory/rc/run/builder_worker/one.pid")" = "$supervisor" ] || fail "another daemon(8) looks after it"
    grep -q '^jexec .* BUILDER_CACHE=/cache .* --keep-failed ' "$FAKE_STATE/calls" || fail "the worker does not get its settings"

    printf '#!/bin/sh\nuntil [ -e %s ]; do /bin/sleep 0.1; done\n' "$directory/may-end" >"$directory/busy.sh"
    BUILDER_REMOTE=unix:$directory/client2.sock builder-client schedule busy "$platform" "$directory/busy.sh" --period never
    wait_for "the job runs" is_busy
    service builder_worker reload one || fail "reload has failed while a job runs"
    touch "$directory/may-end"
    wait_for "its result is stored" has_result busy
    service builder_worker status one || fail "the service has ended"
    service builder_worker stop one
    service builder stop
    configure
}

is_busy() {
    BUILDER_REMOTE=unix:$directory/client2.sock builder-client info | grep -q '^Running (1)'
}

has_result() {
    find "$directory/data2/$1" -name full | grep -q .
}

names_a_user_for_jobs() {
    say "builder_worker_run_as is the user of jobs; builder_worker_user, its name up to 0.5.0, still is"
    for case in 'builder_worker_run_as=build|build' 'builder_worker_one_run_as=alone|alone' 'builder_worker_user=old|old' \
        'builder_worker_listen=unused|root'; do
        configure "${case%%|*}"
        : >"$FAKE_STATE/calls"
        service builder_worker start one
        wait_for "worker one starts as ${case##*|}" grep -q "^jexec -l -U ${case##*|} builder_one" "$FAKE_STATE/calls"
        service builder_worker stop one
    done
    grep -q 'builder_worker_user is now builder_worker_run_as' "$directory/service.log" || fail "nobody says so"
    configure
}

is_a_new_worker() {
    [ -s "$FAKE_STATE/jail-builder_one" ] && [ "$(cat "$FAKE_STATE/jail-builder_one")" != "$1" ]
}

# This worker waits for a job that does not come, so that daemon(8) would wait for ever, if it waited for the worker.
survives_the_end_of_builder_jail() {
    say "kill -9 of builder-jail: daemon(8) starts it again, which ends the worker that was left, and goes on"
    service builder start
    wait_for "the server answers" answers
    service builder_worker start one
    job=builder_worker/one.job.pid
    wait_for "the worker starts" test -s "$FAKE_STATE/jail-builder_one"
    worker=$(cat "$FAKE_STATE/jail-builder_one")
    hold_delay "$job"
    is_alive "$worker" || fail "the worker is gone, so this shows nothing"
    rm "$FAKE_STATE/hold-delay"
    wait_for "the worker that was left is gone" not is_alive "$worker"
    wait_for "there is a new one" is_a_new_worker "$worker"

    say "and service builder_worker stop right after it leaves nothing of the worker"
    worker=$(cat "$FAKE_STATE/jail-builder_one")
    hold_delay "$job"
    begin_service builder_worker stop one
    ends_after_delay "$job"
    # It was told to end, and may still be on its way out.
    wait_for "nothing is left of the worker" not is_alive "$worker"
    if sandbox_exists one; then fail "something of worker one is left after stop"; fi
    grep -q '^builder_worker_one: builder-worker: ended by SIGTERM' "$FAKE_STATE/syslog" ||
        fail "what workers say does not reach syslog"
    service builder stop
}

makes_a_network() {
    say "service builder_network makes its interface once, and removes it"
    : >"$FAKE_STATE/calls"
    service builder_network stop
    service builder_network start
    service builder_network start
    service builder_network status || fail "there is no network"
    service builder_network stop
    if service builder_network status; then fail "the network is still there"; fi
    grep -v -e '^service ' -e '^ifconfig builder0$' "$FAKE_STATE/calls" >"$FAKE_STATE/changes"
    mv "$FAKE_STATE/changes" "$FAKE_STATE/calls"
    called_in_order 'jls name' 'ifconfig builder0 destroy' 'ifconfig lo create' 'ifconfig lo1 name builder0' \
        'ifconfig builder0 inet 10.29.0.1/24 up' 'jls name' 'ifconfig builder0 destroy'
}

# ---- The scripts of the package ----

make_package() {
    mkdir "$FAKE_STATE/scripts"
    for script in pre-install post-install pre-deinstall; do
        in_test "$scripts/package/freebsd/$script" >"$FAKE_STATE/scripts/$script"
    done
    cp "$scripts/freebsd/jail.conf.sample" "$directory/etc/builder/jail.conf.sample"
    # The programs of the next version say that they are it.
    cat >"$FAKE_STATE/replace-files" <<END
for program in builder-server builder-dashboard; do
    printf '#!/bin/sh\necho new %s >>"%s/programs"\nexec %s/%s "\$@"\n' "\$program" "$FAKE_STATE" "$BUILDER_PROGRAMS" \
        "\$program" >"$directory/new"
    chmod +x "$directory/new"
    mv "$directory/new" "$directory/installed/\$program"
done
END
}

# package STEP...: what one run of pkg does with the scripts of the package.
package() {
    : >"$FAKE_STATE/programs"
    rm -f "$FAKE_STATE/at-job"
    PATH="$directory/commands:$PATH" pkg-scripts "$@" >"$directory/package.log" 2>&1 || fail "a script of the package has failed"
}

start_all() {
    service builder start
    wait_for "the server answers" answers
    service builder_dashboard start
    wait_for "there are pages" shows_pages
    service builder_worker start
    wait_for "both have their jails" has_workers
}

has_stopped() {
    if service builder status; then fail "the server still runs"; fi
    if answers; then fail "the server still answers"; fi
    if service builder_dashboard status || shows_pages; then fail "the dashboard still runs"; fi
    for worker in one two; do
        if sandbox_exists "$worker"; then fail "something of worker $worker is left"; fi
    done
}

is_installed() {
    say "a first installation makes user, directory and jail.conf, and starts nothing"
    : >"$FAKE_STATE/calls"
    package install
    grep -q '^builder:[*]:' "$FAKE_STATE/users" || fail "there is no user"
    [ -d "$directory/db/builder" ] || fail "there is no data directory"
    cmp -s "$directory/etc/builder/jail.conf.sample" "$directory/etc/builder/jail.conf" || fail "there is no jail.conf"
    if grep -E '^service .*(start|renew)|^at ' "$FAKE_STATE/calls"; then fail "it starts something"; fi
}

# pkg kills whatever its scripts start.
is_upgraded() {
    say "an upgrade lets all run, and daemon(8) start the server again with the new program"
    start_all
    supervisor=$(cat "$directory/rc/run/builder.pid")
    before=$(server_process)
    pages_before=$(cat "$directory/rc/run/builder-dashboard.pid")
    : >"$FAKE_STATE/calls"
    package upgrade
    if grep -E '^service .*(stop|start)$' "$FAKE_STATE/calls"; then fail "it stops or starts services"; fi
    wait_for "there is another server" is_another "$directory/rc/run/builder-server.pid" "$before"
    wait_for "the server answers again" answers
    wait_for "there is another dashboard" is_another "$directory/rc/run/builder-dashboard.pid" "$pages_before"
    wait_for "there are pages again" shows_pages
    are_new
    [ "$(cat "$directory/rc/run/builder.pid")" = "$supervisor" ] || fail "another daemon(8) looks after it"
    service builder_worker status || fail "an upgrade has stopped workers"
    [ -e "$directory/etc/builder/jail.conf" ] || fail "an upgrade has removed jail.conf"
    [ ! -e "$directory/rc/run/builder.replacing" ] || fail "the upgrade has left a note of itself"
}

is_removed() {
    for run in delete 'other delete' 'upgrade delete'; do
        say "a removal stops the services, and removes a jail.conf that nobody has changed ($run)"
        if ! service builder status; then start_all; fi
        # shellcheck disable=SC2086
        package $run
        has_stopped
        [ ! -e "$directory/etc/builder/jail.conf" ] || fail "jail.conf is left"
        package install
        [ ! -e "$FAKE_STATE/at-job" ] || fail "an installation starts what another run of pkg has stopped"
        if service builder status; then fail "an installation starts the server"; fi
    done
}

are_new() {
    for program in builder-server builder-dashboard; do
        grep -q "new $program" "$FAKE_STATE/programs" || fail "$program is not the new program"
    done
}

# Whatever the removal has stopped could not be started by a script of pkg.
is_split() {
    for run in split 'other split'; do
        say "an upgrade that pkg splits into removal and installation has at(1) start what ran ($run)"
        start_all
        service builder_worker stop two
        # shellcheck disable=SC2086
        package $run
        has_stopped
        [ -e "$FAKE_STATE/at-job" ] || fail "at(1) was not told"
        sh -c "PATH=$directory/commands:\$PATH; . $FAKE_STATE/at-job" >>"$directory/service.log" 2>&1
        wait_for "the server answers again" answers
        wait_for "worker one is back" test -e "$FAKE_STATE/jail-builder_one"
        if sandbox_exists two; then fail "worker two runs, which did not before"; fi
        wait_for "there are pages again" shows_pages
        are_new
        service builder_worker stop
        service builder_dashboard stop
        service builder stop
    done
}

is_for_another_system() {
    say "with pkg -r, all is done in the other system, and the services of this one run on"
    start_all
    mkdir -p "$directory/other/usr/local/etc/builder"
    cp "$scripts/freebsd/jail.conf.sample" "$directory/other/usr/local/etc/builder"
    mv "$FAKE_STATE/scripts" "$FAKE_STATE/scripts.kept"
    mkdir "$FAKE_STATE/scripts"
    cp "$scripts"/package/freebsd/p*-*install "$FAKE_STATE/scripts"
    before=$(server_process)
    : >"$FAKE_STATE/calls"
    PKG_ROOTDIR=$directory/other
    export PKG_ROOTDIR
    package install
    grep -q '^builder:[*]:' "$FAKE_STATE/users$(echo "$directory/other" | tr / ,)" || fail "the other has no user"
    [ -d "$directory/other/var/db/builder" ] || fail "the other has no data directory"
    [ -e "$directory/other/usr/local/etc/builder/jail.conf" ] || fail "the other has no jail.conf"
    package upgrade
    [ -e "$directory/other/usr/local/etc/builder/jail.conf" ] || fail "an upgrade has removed jail.conf"
    package delete
    [ ! -e "$directory/other/usr/local/etc/builder/jail.conf" ] || fail "a removal has left jail.conf"
    unset PKG_ROOTDIR
    if grep '^service ' "$FAKE_STATE/calls"; then fail "services of this system were called"; fi
    [ "$(server_process)" = "$before" ] || fail "there is another server"
    rm -r "$FAKE_STATE/scripts"
    mv "$FAKE_STATE/scripts.kept" "$FAKE_STATE/scripts"
    service builder_worker stop
    service builder_dashboard stop
    service builder stop
}

need curl
find_programs
make_commands
make_services
keeps_its_address_for_workers
serves
stops_after_a_crash
gives_up
has_pages_of_the_server
works
replaces_idle_jails
names_a_user_for_jobs
survives_the_end_of_builder_jail
makes_a_network
make_package
is_installed
is_upgraded
is_removed
is_split
is_for_another_system
say "not checked here, for want of a FreeBSD: rc.subr, daemon(8), at(1) and pkg(8) themselves"
