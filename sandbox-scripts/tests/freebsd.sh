#!/bin/sh
# The sandbox and the package for FreeBSD, with its commands replaced by some that record how they are called. Worker and
# server are real, so a job really runs; jails and clones are not.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scenarios.sh
. "$(dirname "$0")/scenarios.sh"
# shellcheck source=freebsd-fakes.sh
. "$(dirname "$0")/freebsd-fakes.sh"

sandbox() {
    exec env BUILDER_REMOTE="unix:$directory/worker.sock" BUILDER_SNAPSHOT=zroot/jails/base@clean \
        BUILDER_MOUNT="$directory/roots" BUILDER_JAIL_CONF="$scripts/freebsd/jail.conf.sample" \
        BUILDER_RUN_DIR="$directory/run" BUILDER_TIMEOUT=5m PATH="$directory/commands:$PATH" \
        "$scripts/freebsd/builder-jail" "$@"
}

kill_sandbox() {
    while read -r process; do kill -9 "$process"; done <"$FAKE_STATE/jail-builder_$1"
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
        'mount -t nullfs' \
        'zfs list -H -o name zroot/builder/builder_one' \
        'zfs list -H -o name -t snapshot zroot/jails/base@clean' \
        'zfs list -H -o name zroot/builder' \
        'zfs create -p -o mountpoint=none zroot/builder' \
        'zfs clone -o mountpoint=*/roots/builder_one -o atime=off -o quota=20g zroot/jails/base@clean zroot/builder/builder_one' \
        'jail -q -f */jail.conf.sample -c builder_one' \
        'sysctl -n kern.racct.enable' \
        'rctl -a jail:builder_one:memoryuse:deny=4g jail:builder_one:swapuse:deny=4g jail:builder_one:maxproc:deny=1024' \
        'jexec -l -U root builder_one /usr/bin/env TMPDIR=/tmp * /usr/local/bin/builder-worker --remote unix:* --timeout 5m -- freebsd-test' \
        'jls -j builder_one jid' \
        'jail -q -f */jail.conf.sample -r builder_one' \
        'rctl -r jail:builder_one' \
        'mount -t devfs' \
        'mount -t nullfs' \
        'zfs list -H -o name zroot/builder/builder_one' \
        'zfs destroy -rf zroot/builder/builder_one'
}

count_caches() {
    find "$FAKE_STATE" -name "dataset-zroot,builder,cache,$1:*" | wc -l
}

keeps_in_order() {
    say "a cache is mounted before the jail starts; what is kept is not mounted, and cannot be run by users of the host"
    schedule kept "$platform" <<'END'
#!/bin/sh
exit 4
END
    : >"$FAKE_STATE/calls"
    (BUILDER_CACHE=1g BUILDER_KEEP_FAILED=1 && export BUILDER_CACHE BUILDER_KEEP_FAILED && sandbox one "$platform") \
        >"$directory/keeping.log" 2>&1 || fail "the sandbox ended with $?"
    grep -E '^zfs (create|clone|set|unmount|rename|destroy)|nullfs -o|^umount|^jail|^jexec' "$FAKE_STATE/calls" >"$FAKE_STATE/changes"
    mv "$FAKE_STATE/changes" "$FAKE_STATE/calls"
    called_in_order \
        'zfs clone *' \
        'zfs create -p -o mountpoint=none zroot/builder/cache' \
        "zfs create -o mountpoint=*/roots/cache/$platform:1 -o atime=off -o setuid=off zroot/builder/cache/$platform:1" \
        "zfs set quota=1073741824 zroot/builder/cache/$platform:1" \
        "mount -t nullfs -o nosuid */roots/cache/$platform:1 */roots/builder_one/cache" \
        'jail * -c builder_one' \
        'jexec * CCACHE_MAXSIZE=512Mi /usr/local/bin/builder-worker * --keep-failed *' \
        'jail * -r builder_one' \
        'umount -f */roots/builder_one/cache' \
        'zfs unmount -f zroot/builder/builder_one' \
        'zfs set canmount=noauto zroot/builder/builder_one' \
        'zfs set setuid=off mountpoint=*/roots/kept_one_1 zroot/builder/builder_one' \
        'zfs rename zroot/builder/builder_one zroot/builder/kept_one_1'
    if [ -e "$directory/roots/kept_one_1" ]; then fail "what is kept is mounted"; fi
    echo 'echo "entered"' | in_kept >"$directory/entered"
    grep -E '^zfs (mount|unmount)|^jail|^jexec' "$FAKE_STATE/calls" >"$FAKE_STATE/changes"
    mv "$FAKE_STATE/changes" "$FAKE_STATE/calls"
    called_in_order \
        'zfs mount zroot/builder/kept_one_1' \
        'jail -q -c name=kept_one_1 path=*/roots/kept_one_1 host.hostname=one ip4=disable ip6=disable *persist' \
        'jexec -l -U root kept_one_1 *' \
        'jail -q -R kept_one_1' \
        'zfs unmount -f zroot/builder/kept_one_1'
    grep -q entered "$directory/entered" || fail "the shell did nothing"
    (sandbox --forget one)
    (sandbox --empty-cache "$platform")
    builder-client unschedule kept
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

# What the snapshot holds is not written by the job.
limits_what_is_written() {
    say "BUILDER_DISK is what a job may write, however large its system is"
    for case in '100m|52428800|104857600' '40m|52428800|41943040' '|52428800|21474836480'; do
        limit=${case%%|*}
        rest=${case#*|}
        echo "${rest%|*}" >"$FAKE_STATE/referenced"
        schedule measured "$platform" <<'END'
#!/bin/sh
END
        (BUILDER_DISK=$limit && export BUILDER_DISK && sandbox one "$platform") >"$directory/measured.log" 2>&1 ||
            fail "the sandbox ended with $? when it may write ${limit:-20g}"
        room=$(cat "$FAKE_STATE/room-builder_one")
        [ "$room" = "${rest#*|}" ] || fail "the job may write $room bytes when BUILDER_DISK is ${limit:-not set}"
        builder-client unschedule measured
    done
    rm "$FAKE_STATE/referenced"
}

# resolves_with FILE LINE: what a job sees as the resolv.conf of its jail has this line, with FILE as BUILDER_RESOLV_CONF.
resolves_with() {
    job=${1##*/}
    schedule "$job" "$platform" <<END
#!/bin/sh
cat "$directory/roots/builder_one/etc/resolv.conf"
END
    (BUILDER_RESOLV_CONF=$1 && export BUILDER_RESOLV_CONF && sandbox one "$platform") >"$directory/resolving.log" 2>&1 ||
        fail "the sandbox ended with $?"
    find_result "$job"
    has_line "$job" "$2" || fail "the jail has another resolv.conf than $1"
    builder-client unschedule "$job"
}

knows_where_names_are_resolved() {
    say "a jail gets its resolv.conf, with a warning if that names only the host itself"
    printf 'nameserver 127.0.0.1\nnameserver ::1\n' >"$directory/of-the-host"
    printf 'nameserver 127.0.0.1\nnameserver 192.0.2.53\n' >"$directory/for-jails"
    resolves_with "$directory/of-the-host" 'nameserver ::1'
    grep -q 'has no DNS.*of-the-host.*BUILDER_RESOLV_CONF' "$directory/resolving.log" || fail "there is no warning"
    resolves_with "$directory/for-jails" 'nameserver 192.0.2.53'
    if grep -q 'has no DNS' "$directory/resolving.log"; then fail "there is a warning without need"; fi
    refused "there is no .*/missing, which BUILDER_RESOLV_CONF names" env BUILDER_RESOLV_CONF="$directory/missing" \
        BUILDER_JAIL_CONF="$scripts/freebsd/jail.conf.sample" "$scripts/freebsd/builder-jail" one "$platform"
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
        if is_alive "$process"; then living=$((living + 1)); fi
    done
    [ "$living" -eq 1 ]
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
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nif [ "$1" = -s ]; then echo FreeBSD; else exec /usr/bin/uname "$@"; fi\n' \
        >"$directory/commands/uname"
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

# ---- The port ----

# none_like PATTERN FILE WHAT: no line is like this.
none_like() {
    if grep -n -e "$1" "$directory/port/$2"; then fail "$2 of the port: $3"; fi
}

# What portlint(1) looks at in each file, as far as its source can be followed without the ports tree.
keeps_the_rules_of_ports() {
    say "the port keeps the rules of portlint"
    tab=$(printf '\t')
    find "$directory/port" -type f | while read -r file; do
        [ -s "$file" ] || fail "$file is empty"
        [ -z "$(tail -c 1 "$file")" ] || fail "$file does not end with a line"
        [ -n "$(tail -n 1 "$file")" ] || fail "$file ends with an empty line"
        case ${file##*/} in *[!-_.a-zA-Z0-9+]*) fail "$file has a name that is none for ports" ;; esac
    done
    for file in Makefile Makefile.crates pkg-plist pkg-descr; do none_like "[ $tab]\$" "$file" "space at an end"; done
    none_like '^        ' Makefile "indented with spaces"
    none_like '^[A-Z_]*[?+]\{0,1\}= *[^ '"$tab"']' Makefile "no tab after a variable"
    none_like '^[A-Za-z_]*!=' Makefile "assigned with !="
    # shellcheck disable=SC2016
    none_like '\$([A-Za-z_]*)' Makefile "a variable in the wrong parentheses"
    none_like '/usr/local' Makefile "a path that depends on PREFIX"
    none_like '%%' Makefile "something is not filled in"
    if awk 'last == "" && $0 == "" && NR > 1 { found = 1 } { last = $0 } END { exit !found }' "$directory/port/Makefile"; then
        fail "Makefile of the port: two empty lines in a row"
    fi
    order=$(sed -n 's/^\([A-Z_]*\)=.*/\1/p' "$directory/port/Makefile" | tr '\n' ' ')
    case $order in
        'PORTNAME DISTVERSION CATEGORIES MASTER_SITES MAINTAINER COMMENT WWW LICENSE LICENSE_FILE USES USE_RC_SUBR '*) ;;
        *) fail "the variables of the port are in the order $order" ;;
    esac
    [ "$(tail -n 1 "$directory/port/Makefile")" = '.include <bsd.port.mk>' ] || fail "the port does not end with bsd.port.mk"
    grep -q "^COMMENT=${tab}[A-Z0-9].\{0,68\}[^.]\$" "$directory/port/Makefile" || fail "that is no COMMENT"
    grep -q "^MAINTAINER=${tab}[^@ ]*@[^@ ]*\$" "$directory/port/Makefile" || fail "that is no MAINTAINER"
    [ "$(wc -l <"$directory/port/pkg-descr")" -le 24 ] || fail "pkg-descr is longer than 24 lines"
    none_like '.\{81\}' pkg-descr "longer than 80 characters"
    none_like '[^ -~]' pkg-descr "not ASCII"
    none_like '^/' pkg-plist "a whole path"
    none_like '^@[^s]' pkg-plist "an unusual keyword"
    none_like '^share/doc\|^share/examples\|^etc/' pkg-plist "a directory that has a variable"
    none_like '^share/man/.*[1-9]$' pkg-plist "a manual page is compressed"
}

makes_a_port() {
    say "one command writes a port, which installs what the package has"
    BUILDER_SITE=https://example.org/releases/ "$scripts/package/freebsd-port.sh" "$directory/port" >"$directory/port.log" 2>&1 ||
        fail "there is no port"
    grep -q 'lacks distinfo.*make makesum' "$directory/port.log" || fail "it does not say what is to be done"
    refused 'BUILDER_SITE is not set' env -u BUILDER_SITE "$scripts/package/freebsd-port.sh" "$directory/port"
    refused 'which must not exist yet' env BUILDER_SITE=https://example.org/ "$scripts/package/freebsd-port.sh" "$directory/port"
    version=$(sed -n 's/^version: "\(.*\)"$/\1/p' "$directory/package/manifest")
    grep -q "^DISTVERSION=.*[^0-9.]$version\$" "$directory/port/Makefile" || fail "the port is of another version"
    grep -q '^MASTER_SITES=.*https://example.org/releases/$' "$directory/port/Makefile" || fail "it does not fetch from there"
    {
        sed -e 's,%%PORTDOCS%%%%DOCSDIR%%,share/doc/builder,; s,%%PORTEXAMPLES%%%%EXAMPLESDIR%%,share/examples/builder,' \
            -e 's,^@sample %%ETCDIR%%,etc/builder,' \
            -e '/^share\/man\//s/\.gz$//' "$directory/port/pkg-plist"
        for service in "$directory"/port/files/*.in; do echo "etc/rc.d/$(basename "$service" .in)"; done
    } | LC_ALL=C sort >"$directory/port-files"
    grep -v '^@' "$directory/package/plist" | LC_ALL=C sort | cmp - "$directory/port-files" ||
        fail "the port installs other files than the package"
    [ "$(sed -n 's/^USE_RC_SUBR=[[:space:]]*//p' "$directory/port/Makefile")" = "$(cd "$scripts/freebsd/rc.d" && echo builder*)" ] ||
        fail "the port has other services"
    sed -e 's/^CARGO_CRATES=//; s/[[:space:]]*\\$//' -e 's/^[[:space:]]*//' "$directory/port/Makefile.crates" >"$directory/crates"
    [ "$(wc -l <"$directory/crates")" -eq "$(grep -c '^checksum' "$tree/Cargo.lock")" ] || fail "there are other crates in Cargo.lock"
    LC_ALL=C sort -c "$directory/crates" || fail "the crates are in no order"
    for name in mio rustix uuid; do
        locked=$(grep -A 1 -x "name = \"$name\"" "$tree/Cargo.lock" | sed -n 's/^version = "\(.*\)"$/\1/p')
        grep -q -x "$name-$locked" "$directory/crates" || fail "$name-$locked is not among the crates"
    done
    for script in pre-install post-install pre-deinstall; do
        cmp "$scripts/package/freebsd/$script" "$directory/port/pkg-$script" || fail "the port has another script $script"
    done
}

fits_a_terminal() {
    say "help fits a terminal of 80 columns"
    for script in freebsd/builder-jail package/freebsd.sh package/freebsd-port.sh; do
        if "$scripts/$script" --help | grep '.\{81\}'; then fail "the help of $script is wider"; fi
    done
}

takes_the_release_from_the_host() {
    say "the page makes jails of the release that the host has"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\n[ "$1" = -u ] && echo 14.2-RELEASE-p3\n' >"$directory/commands/freebsd-version"
    chmod +x "$directory/commands/freebsd-version"
    sed -n '/^release=/p' "$scripts/freebsd/README.md" >"$directory/release"
    [ "$(PATH="$directory/commands:$PATH" sh -c ". $directory/release; echo \$release")" = 14.2-RELEASE ] ||
        fail "the page takes another release"
    if grep '[0-9]\.[0-9]-RELEASE' "$scripts/freebsd/README.md"; then fail "the page names a release"; fi
}

find_programs
make_commands
start_server
misses_the_worker
follows_the_order
limits_what_is_written
keeps_in_order
leaves_when_idle
keeps_what_failed
shares_a_cache
knows_where_names_are_resolved
puts_jobs_back
survives_a_crash
gives_a_name_once
cleans_up_after_failures
refuses_a_name_in_use
refuses_bad_names
makes_a_package
makes_a_port
keeps_the_rules_of_ports
takes_the_release_from_the_host
fits_a_terminal
say "not checked here, for want of a FreeBSD: jails, ZFS, rctl, pf and pkg themselves"
