#!/bin/sh
# The scripts for FreeBSD, with its commands replaced by some that record how they are called. Worker and server are
# real, so a job really runs; jails and clones are not.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scenarios.sh
. "$(dirname "$0")/scenarios.sh"

platform="freebsd-test"
FAKE_STATE=$directory/state
export FAKE_STATE

sandbox() {
    exec env BUILDER_REMOTE="unix:$directory/worker.sock" BUILDER_SNAPSHOT=zroot/jails/base@clean \
        BUILDER_MOUNT="$directory/roots" BUILDER_JAIL_CONF="$scripts/freebsd/jail.conf.sample" \
        BUILDER_RUN_DIR="$directory/run" BUILDER_TIMEOUT=5m PATH="$directory/commands:$PATH" \
        "$scripts/freebsd/builder-jail" "$@"
}

sandbox_exists() {
    [ -e "$FAKE_STATE/jail-builder_$1" ] || [ -e "$FAKE_STATE/dataset-zroot,builder,builder_$1" ] ||
        [ -e "$directory/run/$1.pid" ]
}

kill_sandbox() {
    while read -r process; do kill -9 "$process"; done <"$FAKE_STATE/jail-builder_$1"
}

clean_up_more() {
    for file in "$directory"/rc/run/*.pid "$directory"/rc/run/*/*.pid; do
        if [ -e "$file" ]; then kill "$(cat "$file")"; fi
    done 2>/dev/null
}

make_commands() {
    mkdir "$directory/commands" "$FAKE_STATE"
    for command in zfs jail jls jexec lockf rctl mount umount service sysctl ifconfig; do
        ln -s "$here/fake-freebsd/command" "$directory/commands/$command"
    done
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

follows_the_order() {
    say "a job runs; clone, jail and limits are made and removed in order"
    schedule ordered "$platform" <<'END'
#!/bin/sh
mkdir bin && echo "made in a jail" >bin/made
END
    : >"$FAKE_STATE/calls"
    begin one "$platform"
    finish
    [ "$status" -eq 0 ] || fail "the sandbox ended with $status"
    find_result ordered
    builder-inspect "$result" | grep -q '^result *exited 0$' || fail "the result is not that of the job"
    if sandbox_exists one; then fail "something of the sandbox is left"; fi
    called_in_order \
        'lockf */run/one.lock' \
        'jls -j builder_one jid' \
        'rctl -r jail:builder_one' \
        'mount -t devfs' \
        'zfs list -H -o name zroot/builder/builder_one' \
        'zfs list -H -o name -t snapshot zroot/jails/base@clean' \
        'zfs list -H -o name zroot/builder' \
        'zfs create -p -o mountpoint=none zroot/builder' \
        'zfs clone -o mountpoint=*/roots/builder_one -o atime=off -o refquota=20g zroot/jails/base@clean zroot/builder/builder_one' \
        'jail -q -f */jail.conf.sample -c builder_one' \
        'sysctl -n kern.racct.enable' \
        'rctl -a jail:builder_one:memoryuse:deny=4g jail:builder_one:swapuse:deny=4g jail:builder_one:maxproc:deny=1024' \
        'jexec -l -U root builder_one /usr/bin/env TMPDIR=/tmp * /usr/local/bin/builder-worker --remote unix:* --timeout 5m -- freebsd-test' \
        'jls -j builder_one jid' \
        'jail -q -f */jail.conf.sample -r builder_one' \
        'rctl -r jail:builder_one' \
        'mount -t devfs' \
        'zfs list -H -o name zroot/builder/builder_one' \
        'zfs destroy -rf zroot/builder/builder_one'
}

# Whichever step fails, what was made before is removed.
cleans_up_after_failures() {
    say "after a step that fails, nothing is left"
    for command in zfs jail rctl jexec; do
        : >"$FAKE_STATE/fail-$command"
        if [ "$command" = jail ]; then
            refused "told to fail" sandbox one "$platform"
        elif (sandbox one "$platform") >"$directory/failing.log" 2>&1; then
            fail "it succeeded although $command did not"
        fi
        rm "$FAKE_STATE/fail-$command"
        if sandbox_exists one; then fail "something is left after $command has failed"; fi
    done
}

misses_the_worker() {
    say "without builder-worker nothing is made"
    : >"$FAKE_STATE/calls"
    # What this finds is that of the system.
    refused "builder-worker is not in PATH" env PATH="$directory/commands:/sbin:/bin:/usr/sbin:/usr/bin" \
        BUILDER_SNAPSHOT=zroot/jails/base@clean BUILDER_JAIL_CONF="$scripts/freebsd/jail.conf.sample" \
        BUILDER_RUN_DIR="$directory/run" "$scripts/freebsd/builder-jail" one "$platform"
    if grep 'zfs c' "$FAKE_STATE/calls"; then fail "a clone was made"; fi
}

# The lock file of a script that was killed names a process that is gone, or is some other by now.
gives_a_name_once() {
    say "of several that find what a crash has left, one takes the name"
    for stale in 1 $$ ''; do
        schedule_patient
        echo "$stale" >"$directory/run/one.pid"
        starters=''
        for _ in 1 2 3 4; do
            begin one "$platform"
            starters="$starters $sandbox"
        done
        wait_for "the job runs" is_running patient
        # shellcheck disable=SC2086
        wait_for "all but one have given up" is_one $starters
        kill -TERM "$(cat "$directory/run/one.pid")"
        for starter in $starters; do finish "$starter"; done
        if sandbox_exists one; then fail "something of the sandbox is left"; fi
        wait_for "the job is queued again" is_queued patient
        builder-client unschedule patient
    done
}

is_one() {
    living=0
    for process in "$@"; do
        if kill -0 "$process" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$process/status"; then
            living=$((living + 1))
        fi
    done
    [ "$living" -eq 1 ]
}

# ---- Services ----

# The rc.d scripts with the paths of this test.
make_services() {
    mkdir -p "$directory/rc/run"
    for service in builder builder_worker builder_network; do
        sed -e "s,/etc/rc.subr,$here/fake-freebsd/rc.subr,; s,/usr/sbin/daemon,$here/fake-freebsd/daemon,g" \
            -e "s,/var/run/,$directory/rc/run/,g; s,/usr/local/bin/,$BUILDER_PROGRAMS/,g" \
            -e "s,/usr/local/libexec/builder/,$directory/rc/,g" \
            "$scripts/freebsd/rc.d/$service" >"$directory/rc/$service"
    done
    sed "s,:/usr/local/bin\$,:$BUILDER_PROGRAMS," "$scripts/freebsd/builder-jail" >"$directory/rc/builder-jail"
    chmod +x "$directory/rc/builder-jail"
    cat >"$FAKE_STATE/rc.conf" <<END
builder_enable=YES
builder_worker_listen=unix:$directory/worker2.sock
builder_args="-v --dir $directory/data2 --client-listen unix:$directory/client2.sock"
builder_network_enable=YES
builder_worker_enable=YES
builder_worker_list="one two"
builder_worker_platform=$platform
builder_worker_two_platform=other-test
builder_worker_two_memory=1g
builder_worker_snapshot=zroot/jails/base@clean
builder_worker_mount=$directory/roots
builder_worker_jail_conf=$scripts/freebsd/jail.conf.sample
builder_worker_remote=unix:$directory/worker2.sock
END
    mkdir "$directory/data2"
}

# With no more in the environment than service(8) and rc(8) leave there, but for what the test needs.
service() {
    name=$1
    shift
    env -i PATH="$directory/commands:/sbin:/bin:/usr/sbin:/usr/bin" HOME=/ FAKE_STATE="$FAKE_STATE" \
        BUILDER_RUN_DIR="$directory/run" sh "$directory/rc/$name" "$@" >>"$directory/service.log" 2>&1
}

answers() {
    BUILDER_REMOTE=unix:$directory/client2.sock builder-client info >/dev/null
}

has_workers() {
    [ -e "$FAKE_STATE/jail-builder_one" ] && [ -e "$FAKE_STATE/jail-builder_two" ]
}

is_another() {
    [ -e "$1" ] && [ "$(cat "$1")" != "$2" ]
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
    service builder start
    wait_for "the server answers once more" answers
    service builder reload
    wait_for "the server reads its templates again" grep -q 'reading the templates again' "$FAKE_STATE/daemon.log"
    service builder status || fail "the service ended when it was to reload"
}

# starts_with VARIABLES...: the options that the server gets, in a line, with these in rc.conf.
starts_with() {
    printf '%s\n' builder_enable=YES "$@" >"$directory/rc.conf"
    sed "s,$here/fake-freebsd/daemon,echo," "$directory/rc/builder" >"$directory/rc/builder-shown"
    mv "$FAKE_STATE/rc.conf" "$FAKE_STATE/rc.conf.kept"
    mv "$directory/rc.conf" "$FAKE_STATE/rc.conf"
    service builder-shown start
    mv "$FAKE_STATE/rc.conf.kept" "$FAKE_STATE/rc.conf"
    tail -n 1 "$directory/service.log"
}

keeps_its_address_for_workers() {
    say "options of the server are added to where workers reach it"
    for case in \
        '|builder_network_enable=YES|builder_args="--upload URL"|--worker-listen 10.29.0.1:1234 --upload URL' \
        '|builder_network_enable=YES|builder_network_address=10.1.2.3/24|--worker-listen 10.1.2.3:1234' \
        '|builder_network_enable=YES|builder_worker_listen=|' \
        '|builder_worker_listen=192.0.2.1:1235|builder_args=--keep-local|--worker-listen 192.0.2.1:1235 --keep-local' \
        '|builder_args=--keep-local||--keep-local'; do
        expected=${case##*|}
        first=${case#|}
        second=${first#*|}
        shown=$(starts_with "${first%%|*}" "${second%%|*}" | sed 's/.*builder-server *//; s/ *$//')
        [ "$shown" = "$expected" ] || fail "the server gets '$shown', not '$expected'"
    done
}

works() {
    say "service builder_worker runs each of its workers, for its platform, with its limits"
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

makes_a_network() {
    say "service builder_network makes its interface once, and removes it"
    : >"$FAKE_STATE/calls"
    service builder_network stop
    service builder_network start
    service builder_network start
    service builder_network status || fail "there is no network"
    service builder_network stop
    if service builder_network status; then fail "the network is still there"; fi
    grep -v -x 'ifconfig builder0' "$FAKE_STATE/calls" >"$FAKE_STATE/changes"
    mv "$FAKE_STATE/changes" "$FAKE_STATE/calls"
    called_in_order 'jls name' 'ifconfig builder0 destroy' 'ifconfig lo create' 'ifconfig lo1 name builder0' \
        'ifconfig builder0 inet 10.29.0.1/24 up' 'jls name' 'ifconfig builder0 destroy'
}

# ---- The package ----

makes_a_package() {
    say "one command stages the package, lists what is in it, and calls pkg create"
    mkdir "$directory/package"
    cat >"$directory/commands/pkg" <<END
#!/bin/sh
# pkg create -M FILE -p FILE -r DIRECTORY -o DIRECTORY
[ "\$1 \$2 \$4 \$6 \$8" = "create -M -p -r -o" ] || exit 1
# Without one of these a package is not valid.
for field in name version origin comment desc maintainer www prefix; do
    grep -q "^\$field: *." "\$3" || { echo "pkg: object has missing property \$field" >&2; exit 1; }
done
cp "\$3" "$directory/package/manifest"
cp "\$5" "$directory/package/plist"
cp -R "\$7" "$directory/package/root"
END
    printf '#!/bin/sh\necho FreeBSD\n' >"$directory/commands/uname"
    chmod +x "$directory/commands/pkg" "$directory/commands/uname"
    PATH="$directory/commands:$PATH" "$scripts/package/freebsd.sh" "$directory" >"$directory/package.log" 2>&1 ||
        fail "there is no package"
    grep -v '^@' "$directory/package/plist" | while read -r file; do
        [ -f "$directory/package/root/usr/local/$file" ] || fail "$file is listed, but not there"
    done
    listed=$(grep -v -c '^@' "$directory/package/plist")
    [ "$listed" -eq "$(find "$directory/package/root" -type f | wc -l)" ] || fail "there are files that are not listed"
    for file in bin/builder-server bin/builder-worker etc/rc.d/builder etc/rc.d/builder_worker \
        libexec/builder/builder-jail; do
        [ -x "$directory/package/root/usr/local/$file" ] || fail "$file is not there, or no program"
    done
    for script in pre-install post-install pre-deinstall; do
        sed -n "/^$script: <<SCRIPT/,/^SCRIPT/p" "$directory/package/manifest" |
            sed '1d; $d; s/%25/%/g' >"$directory/$script"
        [ -s "$directory/$script" ] || fail "the manifest has no script $script"
        sh -n "$directory/$script" || fail "the script $script cannot be read"
    done
    has_pages "$directory/package/root/usr/local/share/doc/builder"
    has_manuals "$directory/package/root/usr/local/share/man" "$directory/package/root/usr/local/bin" \
        "$directory/package/root/usr/local/libexec/builder"
    grep -q '^version: "[0-9]' "$directory/package/manifest" || fail "the manifest has no version"
    grep -q -x "maintainer: \"$(id -un)@$(uname -n)\"" "$directory/package/manifest" ||
        fail "the maintainer is not the one who built the package"
}

# run_script NAME [VARIABLE=VALUE]: a script of the package; prints which services it called for.
run_script() {
    : >"$FAKE_STATE/calls"
    env PATH="$directory/commands:$PATH" ${2:+"$2"} sh "$directory/$1"
    grep '^service ' "$FAKE_STATE/calls" || :
}

upgrades_without_stopping() {
    say "a removal stops the services; an upgrade lets them run, and restarts the server at its end"
    [ "$(run_script pre-deinstall | wc -l)" -eq 2 ] || fail "a removal does not stop the services"
    [ -z "$(run_script pre-deinstall PKG_UPGRADE=true)" ] || fail "an upgrade stops services"
    grep -q 'onerestart' "$directory/post-install" || fail "an upgrade restarts nothing"
    # The rest of the script is for the place where it belongs.
    sed -n '/PKG_UPGRADE/,$p' "$directory/post-install" >"$directory/restart"
    run_script restart PKG_UPGRADE=true | grep -q -x 'service builder onerestart' || fail "the server is not restarted"
    [ -z "$(run_script restart)" ] || fail "a first installation starts the server"
}

find_programs
make_commands
start_server
misses_the_worker
follows_the_order
puts_jobs_back
survives_a_crash
gives_a_name_once
cleans_up_after_failures
refuses_a_name_in_use
refuses_bad_names
make_services
keeps_its_address_for_workers
serves
works
makes_a_network
makes_a_package
upgrades_without_stopping
say "not checked here, for want of a FreeBSD: jails, ZFS, rctl, pf, daemon(8), rc.subr and pkg themselves"
