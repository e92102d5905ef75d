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
    for command in zfs jail jls jexec rctl mount umount sysctl ifconfig; do
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
        'rctl -a jail:builder_one:memoryuse:deny=4g jail:builder_one:maxproc:deny=1024' \
        'jexec -l -U root builder_one /usr/bin/env TMPDIR=/tmp * /usr/local/bin/builder-worker --remote unix:* --timeout 5m -- freebsd-test' \
        'jls -j builder_one jid' \
        'jail -q -f */jail.conf.sample -r builder_one' \
        'rctl -r jail:builder_one' \
        'mount -t devfs' \
        'zfs list -H -o name zroot/builder/builder_one' \
        'zfs destroy -r zroot/builder/builder_one'
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

# ---- Services ----

# The rc.d scripts with the paths of this test.
make_services() {
    mkdir -p "$directory/rc/run"
    for service in builder builder_worker builder_network; do
        sed -e "s,/etc/rc.subr,$here/fake-freebsd/rc.subr,; s,/usr/sbin/daemon,$here/fake-freebsd/daemon,g" \
            -e "s,/var/run/,$directory/rc/run/,g; s,/usr/local/bin/,$BUILDER_PROGRAMS/,g" \
            -e "s,/usr/local/libexec/builder/,$scripts/freebsd/,g" \
            "$scripts/freebsd/rc.d/$service" >"$directory/rc/$service"
    done
    cat >"$FAKE_STATE/rc.conf" <<END
builder_enable=YES
builder_args="--dir $directory/data2 --worker-listen unix:$directory/worker2.sock --client-listen unix:$directory/client2.sock"
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

service() {
    name=$1
    shift
    BUILDER_RUN_DIR=$directory/run PATH="$directory/commands:$PATH" sh "$directory/rc/$name" "$@" \
        >>"$directory/service.log" 2>&1
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
cp "\$3" "$directory/package/manifest"
cp "\$5" "$directory/package/plist"
cp -R "\$7" "$directory/package/root"
END
    chmod +x "$directory/commands/pkg"
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
        sed -n "/^$script: <<SCRIPT/,/^SCRIPT/p" "$directory/package/manifest" | sed '1d; $d' >"$directory/$script"
        [ -s "$directory/$script" ] || fail "the manifest has no script $script"
        sh -n "$directory/$script" || fail "the script $script cannot be read"
    done
    grep -q '^version: "[0-9]' "$directory/package/manifest" || fail "the manifest has no version"
}

find_programs
make_commands
start_server
follows_the_order
puts_jobs_back
survives_a_crash
cleans_up_after_failures
refuses_a_name_in_use
refuses_bad_names
make_services
serves
works
makes_a_network
makes_a_package
say "not checked here, for want of a FreeBSD: jails, ZFS, rctl, pf, daemon(8), rc.subr and pkg themselves"
