#!/bin/sh
# The Debian package: built, checked, installed, run, upgraded, removed and purged, in a container with systemd.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=podman.sh
. "$(dirname "$0")/podman.sh"

machine=builder-test-debian-$$

clean_up_more() {
    podman rm --force --volumes "$machine" >/dev/null 2>&1
}

# ---- The package ----

builds() {
    say "one command builds the package, the same one twice"
    mkdir "$directory/packages" "$directory/again"
    DEBFULLNAME='Some Body' DEBEMAIL=packages@builder.example.net
    export DEBFULLNAME DEBEMAIL
    "$scripts/package/debian.sh" "$directory/packages" >"$directory/package.log"
    "$scripts/package/debian.sh" "$directory/again" >"$directory/package.log"
    # Unless told otherwise, the package names its builder, at this machine.
    unset DEBFULLNAME DEBEMAIL
    BUILDER_REVISION=2 "$scripts/package/debian.sh" "$directory/packages" >"$directory/package.log"
    package=$(cd "$directory/packages" && echo builder_*-1_*.deb)
    upgrade=$(cd "$directory/packages" && echo builder_*-2_*.deb)
    cmp "$directory/packages/$package" "$directory/again/$package" || fail "the same tree made two packages"
    [ "$(dpkg-deb --field "$directory/packages/$package" Maintainer)" = 'Some Body <packages@builder.example.net>' ] ||
        fail "the maintainer is not the one that was named"
    [ "$(dpkg-deb --field "$directory/packages/$upgrade" Maintainer)" = "builder <$(id -un)@$(uname -n)>" ] ||
        fail "the maintainer is not the one who built the package"
    dpkg-deb --extract "$directory/packages/$package" "$directory/extracted"
    has_pages "$directory/extracted/usr/share/doc/builder"
    for example in mail-on-change sign-and-publish web-hook; do
        [ -x "$directory/extracted/usr/share/doc/builder/examples/$example" ] || fail "the package has no example $example"
    done
    has_manuals "$directory/extracted/usr/share/man" "$directory/extracted/usr/bin" "$directory/extracted/usr/libexec/builder"
}

is_clean() {
    say "lintian finds no error"
    lintian --allow-root --fail-on error "$directory/packages/$package" >"$directory/lintian.log" 2>&1 ||
        fail "lintian finds errors"
    cat "$directory/lintian.log"
}

# ---- The machine ----

start_machine() {
    podman run --detach --name "$machine" --systemd always --network host --cap-add SYS_ADMIN \
        --volume "$directory/packages:/packages:ro" "$debian" /lib/systemd/systemd >/dev/null
    wait_for "systemd is up" is_up
    inside sh -c 'cat >/usr/local/bin/docker && chmod +x /usr/local/bin/docker' <<'END'
#!/bin/sh
# In the place of a container engine, which would need a container in a container: runs the worker as it is.
case $1 in
    run)
        while [ "$1" != builder-worker ]; do shift; done
        shift 3
        echo $$ >/run/the-worker
        exec builder-worker --remote unix:/run/builder/worker.sock "$@" ;;
    kill) kill -s "$3" "$(cat /run/the-worker)" ;;
    *) exit 1 ;;
esac
END
}

inside() {
    podman exec --interactive "$machine" "$@"
}

is_up() {
    inside systemctl is-system-running | grep -q -e running -e degraded
}

answers() {
    inside builder-client info >/dev/null
}

# has_worker TIME: a worker waits for jobs of debian-test, and gives them so long.
has_worker() {
    podman top "$machine" args | grep -q -e "builder-worker .*--timeout $1 .*debian-test"
}

has_result() {
    inside sh -c "ls /var/lib/builder/$1/*/full" >/dev/null
}

# warns TEXT: the journal has such a line of the server, of priority warning or higher.
warns() {
    inside journalctl --quiet -u builder -p warning -o cat | grep -q "^$1"
}

runs() {
    inside builder-client info | awk -v job="$1" '/^Schedule/ { exit } $1 == job { print $NF }' | grep -q .
}

installs() {
    say "it installs a user, directories and units, and starts nothing"
    inside dpkg --install "/packages/$package" >"$directory/install.log" 2>&1 || fail "it does not install"
    inside id builder >/dev/null || fail "there is no user"
    [ "$(inside stat -c '%U %a' /var/lib/builder)" = "builder 750" ] || fail "the directory is not as it should be"
    for unit in builder.service builder-dashboard.service builder-worker@one.service; do
        if inside systemctl --quiet is-enabled "$unit"; then fail "$unit is enabled"; fi
        if inside systemctl --quiet is-active "$unit"; then fail "$unit is active"; fi
    done
    inside systemd-analyze verify --man=no /usr/lib/systemd/system/builder.service \
        /usr/lib/systemd/system/builder-dashboard.service /usr/lib/systemd/system/builder-worker@.service || fail "systemd does not like the units"
}

serves() {
    say "server and worker run jobs as services, again and again"
    inside systemctl enable --quiet --now builder
    # Without waiting: it listens when it counts as started.
    answers || fail "the server was started, but does not answer"
    # What one worker is told counts more than what all are told.
    inside sh -c 'echo BUILDER_PLATFORM=debian-test >/etc/default/builder-worker-one
        printf "BUILDER_PLATFORM=wrong\nBUILDER_TIMEOUT=45m\n" >>/etc/default/builder-worker
        systemctl enable --quiet --now builder-worker@one'
    wait_for "the worker waits" has_worker 45m
    # Options are added to the address for workers, and do not take its place.
    inside sh -c 'echo BUILDER_SERVER_OPTIONS=\"-v --worker-listen 127.0.0.1:21236\" >>/etc/default/builder
        systemctl restart builder'
    answers || fail "the server was started again, but does not answer"
    inside test -S /run/builder/worker.sock || fail "further options took the socket of the workers away"
    for job in first second; do
        inside sh -c "printf '#!/bin/sh\nmkdir bin; echo made >bin/it\n' >/root/job
            builder-client schedule $job debian-test /root/job --period never"
    done
    wait_for "the first job is done" has_result first
    wait_for "the second job is done" has_result second
    inside sh -c 'builder-inspect /var/lib/builder/second/*/full' | grep -q '^result *exited 0$' ||
        fail "the result is not that of the job"
    inside sh -c "printf '#!/bin/sh\nexit 3\n' >/root/job
        builder-client schedule failing debian-test /root/job --period never"
    wait_for "the failing job is done" has_result failing
    wait_for "the journal knows it among what went wrong" warns 'job failing on debian-test ended after .*: exited 3'
    if warns 'job second on'; then fail "a success counts as a warning"; fi
    if inside setpriv --reuid 65534 --regid 65534 --clear-groups ls /run/builder 2>/dev/null; then
        fail "everybody can reach the socket of the workers"
    fi
}

# page PATH: what the dashboard in the machine serves, as Debian's image has perl, and nothing else that speaks HTTP.
page() {
    # The variables are those of perl.
    # shellcheck disable=SC2016
    inside perl -MIO::Socket::INET -e '
        my $socket = IO::Socket::INET->new("127.0.0.1:8080") or exit 1;
        print $socket "GET $ARGV[0] HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        print while <$socket>' "$1"
}

shows() {
    page /api/overview | grep -q "\"job\": *\"$1\""
}

has_a_dashboard() {
    say "one command more, and there are pages, from a user who may enter nothing but the directory of the sockets"
    inside systemctl enable --quiet --now builder-dashboard
    wait_for "the dashboard shows the jobs" shows failing
    page / >"$directory/overview.log" || fail "there is no overview"
    grep -q '^HTTP/1.1 200' "$directory/overview.log" || fail "the overview is no page"
    inside sh -c 'mkdir /run/systemd/system/builder-dashboard.service.d
        cat >/run/systemd/system/builder-dashboard.service.d/look.conf; systemctl daemon-reload' <<'END'
[Service]
ExecPaths=/usr/bin
ExecStartPre=/usr/bin/sh -c 'set -eu; test -S /run/builder/viewer.sock; for path in /var/lib/builder /etc/builder; do \
    if ls $path; then exit 1; fi; done; for path in /run/builder /run /var/lib; do if touch $path/mark; then exit 1; fi; done'
END
    inside sh -c 'echo BUILDER_DASHBOARD_OPTIONS=\"--base-path /builder/\" >>/etc/default/builder-dashboard
        systemctl restart builder-dashboard' || fail "it sees no socket, or more than that"
    wait_for "there is an overview elsewhere" is_below /builder/
}

is_below() {
    page "$1" | grep -q '^HTTP/1.1 200'
}

replaces_idle_workers() {
    say "systemctl reload has a worker that waits start anew"
    wait_for "the worker waits" has_worker 45m
    before=$(inside systemctl show --property MainPID --value builder-worker@one)
    inside systemctl reload builder-worker@one
    wait_for "another worker waits" is_another_worker "$before"
    wait_for "it waits, too" has_worker 45m
}

is_another_worker() {
    now=$(inside systemctl show --property MainPID --value builder-worker@one)
    [ "$now" != 0 ] && [ "$now" != "$1" ]
}

# The commands of the installed page about jobs, as they are there, by root.
runs_the_page_about_jobs() {
    say "the commands of the page about jobs work here"
    inside sh -eux >"$directory/jobs.log" 2>&1 <<'END' || fail "the commands of JOBS.md fail"
mkdir /root/jobs
cd /root/jobs
DATA=/var/lib/builder CONFIG=/etc/builder WORKERS=unix:/run/builder/worker.sock
awk '/^<!-- not run/ { left_out = 1; next }
    /^```sh/ { inside = !left_out; left_out = 0; next }
    /^```/ { inside = 0 }
    inside' /usr/share/doc/builder/bin/JOBS.md >commands
[ "$(wc -l <commands)" -gt 20 ]
. ./commands
END
    grep -q 'this would build mirage-www on linux' "$directory/jobs.log" || fail "the template was not used"
}

restarts() {
    say "kill -9 of the server: systemd starts it again, and the job runs again"
    inside sh -c "printf '#!/bin/sh\nuntil [ -e /run/may-end ]; do sleep 0.1; done\n' >/root/job
        builder-client schedule patient debian-test /root/job --period daily"
    wait_for "the job runs" runs patient
    inside systemctl reload builder
    inside systemctl kill --signal KILL builder
    inside touch /run/may-end
    wait_for "the job is done" has_succeeded patient
}

# has_succeeded JOB: so did its last build, and none of those that were interrupted.
has_succeeded() {
    inside builder-inspect --latest "/var/lib/builder/$1" | grep -q '^result *exited 0$'
}

upgrades() {
    say "an upgrade keeps configuration, schedule and results, and puts the running job back"
    inside sh -c 'rm /run/may-end; echo "# mine" >>/etc/default/builder; builder-client execute patient'
    wait_for "the job runs" runs patient
    before=$(inside sh -c 'ls /var/lib/builder/patient | wc -l')
    inside dpkg --install "/packages/$upgrade" >"$directory/upgrade.log" 2>&1 || fail "it does not upgrade"
    inside systemctl --quiet is-active builder || fail "the server does not run after the upgrade"
    wait_for "the dashboard shows pages after the upgrade" is_below /builder/
    inside grep -q '^# mine' /etc/default/builder || fail "the configuration was overwritten"
    inside builder-client info | grep -q 'patient .* daily$' || fail "the schedule is gone"
    has_result first || fail "results are gone"
    wait_for "it is known that the job was interrupted" has_more_results "$before"
    inside touch /run/may-end
    wait_for "the job that was interrupted is done" has_succeeded patient
}

has_more_results() {
    [ "$(inside sh -c 'ls /var/lib/builder/patient | wc -l')" -gt "$1" ]
}

removes() {
    say "removal stops the services and keeps configuration and results"
    inside touch /etc/builder/orb-build.template.debian-test
    inside dpkg --remove builder >"$directory/remove.log" 2>&1 || fail "it cannot be removed"
    if podman top "$machine" args | grep builder-; then fail "something of builder still runs"; fi
    if inside test -e /usr/bin/builder-server; then fail "programs are left"; fi
    has_result first || fail "results are gone"
    inside grep -q '^# mine' /etc/default/builder || fail "the configuration is gone"
    grep -q "kept the schedule and [1-9][0-9]* results in /var/lib/builder (.*M)" "$directory/remove.log" ||
        fail "removal does not say what it keeps"
}

purges() {
    say "purging removes everything, and says what"
    inside dpkg --purge builder >"$directory/purge.log" 2>&1 || fail "it cannot be purged"
    left=$(inside find / -xdev -name '*builder*' -not -path '/proc/*' -not -path '/packages*' \
        -not -path '/var/log/*' -not -path '/sys/*')
    [ -z "$left" ] || fail "this is left: $left"
    grep -q "deleting the schedule and [1-9][0-9]* results in /var/lib/builder (.*M)" "$directory/purge.log" ||
        fail "purging does not say that it deletes schedule and results"
    grep -q "deleting /etc/builder .*: orb-build.template.debian-test" "$directory/purge.log" ||
        fail "purging does not say that it deletes templates"
    if inside id builder >/dev/null 2>&1; then fail "the user is left"; fi
}

need dpkg-deb dpkg-shlibdeps lintian
find_programs
use_podman
builds
is_clean
start_machine
installs
serves
has_a_dashboard
replaces_idle_workers
runs_the_page_about_jobs
restarts
upgrades
removes
purges
