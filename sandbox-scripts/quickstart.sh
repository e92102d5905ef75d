#!/bin/sh
# Shows builder at work: one job from schedule to stored result, with the server killed halfway.
# It needs cargo and a C compiler, changes nothing outside cargo's target directory, and cleans up behind itself.

set -eu

usage() {
    cat <<'END'
Usage: quickstart.sh [--dashboard]
       quickstart.sh --help

Builds builder, runs an example job with it in a temporary directory, kills the
server while the job runs, and shows that nothing is lost. Any user may run it.

With --dashboard, it also prints an address at which a browser shows all this
while it happens, and at its end it waits until you press Enter or Ctrl-C. When
nobody is there to do so, as standard input is no terminal, it looks at the page
itself and goes on.

Environment:
    QUICKSTART_PATIENCE   seconds to wait for any one thing before giving up (60)
    TMPDIR                where the temporary directory is made (/tmp)
END
}

# ---- Telling what happens ----

say() {
    printf '\n== %s\n' "$*"
}

# Shows a command as one would type it, then runs it.
show() {
    printf '$ %s\n' "$*"
    "$@"
}

fail() {
    printf 'quickstart: %s\n' "$*" >&2
    for log in "$directory"/*.log; do
        if [ -s "$log" ]; then
            printf -- '---- end of %s\n' "${log##*/}" >&2
            tail -n 20 "$log" >&2
        fi
    done
    exit 1
}

# Waits until a command succeeds.
wait_for() {
    what=$1
    shift
    deadline=$(($(date +%s) + ${QUICKSTART_PATIENCE:-60}))
    until "$@" 2>/dev/null; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "$what: this has not happened in time"
        # Fractions of a second are no part of POSIX, but a courtesy where they work.
        sleep 0.1 2>/dev/null || sleep 1
    done
}

# ---- Processes ----

server='' worker='' observer='' dashboard=''

cleanup() {
    status=$?
    trap - EXIT
    trap '' HUP INT TERM
    for process in $observer $dashboard $worker $server; do
        kill "$process" 2>/dev/null || :
    done
    for process in $observer $dashboard $worker $server; do
        wait "$process" 2>/dev/null || :
    done
    rm -rf "$directory"
    exit "$status"
}

start_server() {
    : >"$directory/listening"
    # shellcheck disable=SC2086
    builder-server --port 0 $viewers --dir "$directory/data" --config-dir "$directory/config" \
        >"$directory/listening" 2>>"$directory/server.log" &
    server=$!
    wait_for "the server listens" has_address
    BUILDER_REMOTE=$(address)
    export BUILDER_REMOTE
    printf 'builder-server listens on %s\n' "$BUILDER_REMOTE"
}

# It outlives the server that is killed, so it looks through a socket, which the next server has in the same place.
start_dashboard() {
    builder-dashboard --listen 127.0.0.1:0 --remote "unix:$directory/viewer" --title quickstart \
        >"$directory/pages" 2>>"$directory/dashboard.log" &
    dashboard=$!
    wait_for "the dashboard listens" has_pages
    printf 'See it in a browser, now and in all that follows: %s\n' "$(url)"
}

url() {
    sed -n 's/^listening on //p' "$directory/pages"
}

has_pages() {
    kill -0 "$dashboard" || fail "the dashboard has ended"
    [ -n "$(url)" ]
}

# Waits for the person at the terminal; without one, the page itself has to be good.
show_dashboard() {
    say "The dashboard shows the same: $(url)"
    kill -0 "$dashboard" || fail "the dashboard has ended"
    if [ -t 0 ]; then
        printf 'Press Enter to end it.\n'
        read -r _ || :
    elif command -v curl >/dev/null; then
        wait_for "the dashboard shows the job" shows_job
        printf 'It has a page of the job: %s\n' "$(url)job/hello"
    fi
}

shows_job() {
    curl --silent --fail --noproxy '*' "$(url)job/hello" | grep -q "$uuid"
}

# The port is a free one, so the server says which.
address() {
    sed -n '/unix:/d; s/^listening on \([^ ]*\).*/\1/p' "$directory/listening"
}

has_address() {
    kill -0 "$server" || fail "the server has ended"
    [ -n "$(address)" ]
}

start_worker() {
    : >"$directory/worker.log"
    TMPDIR=$directory/work QUICKSTART_GATE=$directory/gate \
        builder-worker --remote "$BUILDER_REMOTE" quickstart 2>"$directory/worker.log" &
    worker=$!
    printf 'builder-worker asks for a job of the platform quickstart\n'
    wait_for "the job runs" has_running
}

# ---- What the server says ----

# The uuid of the running build. What runs comes first, and each line begins with the job and ends with the uuid.
running() {
    builder-client info | awk '/^Schedule/ { exit } $1 == "hello" { print $NF }'
}

has_running() {
    [ -n "$(running)" ]
}

is_queued() {
    builder-client info | awk '/^Schedule/ { found = 1 } /^Platforms/ { found = 0 }
        found && $1 == "hello" && / queued/ { queued = 1 } END { exit !queued }'
}

has_printed() {
    grep -q 'pull the plug' "$directory/console"
}

# ---- The tour ----

build() {
    command -v cargo >/dev/null || {
        echo "quickstart: cargo is missing; install Rust, for example from https://rustup.rs" >&2
        exit 1
    }
    say "Building builder in release mode (a minute or two, the first time)"
    cd "$tree"
    show cargo build --release --locked --package builder
    target=$(cargo metadata --format-version 1 --no-deps --locked |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    programs=$target${CARGO_BUILD_TARGET:+/$CARGO_BUILD_TARGET}/release
    PATH=$programs:$PATH
    export PATH
}

write_job() {
    cat >"$directory/hello.sh" <<'END'
#!/bin/sh
set -eu
echo "hello from $(uname -s), in $(basename "$PWD")"
echo "waiting a little, so that someone can pull the plug"
until [ -e "$QUICKSTART_GATE" ]; do sleep 1; done
mkdir bin
echo "made by a job" > bin/hello.txt
echo "left an artifact: bin/hello.txt"
END
}

tour() {
    say "A server in an empty directory"
    start_server

    if [ -n "$viewers" ]; then start_dashboard; fi

    say "A job: a shell script that prints a few lines and leaves a file"
    write_job
    sed 's/^/    /' hello.sh
    show builder-client schedule hello quickstart hello.sh --period daily
    show builder-client info

    say "A worker takes it"
    start_worker
    builder-client observe-latest >"$directory/console" 2>"$directory/observer.log" &
    observer=$!
    wait_for "the job prints a line" has_printed
    show builder-client info

    say "kill -9 of the server, while the job runs"
    kill -9 "$server"
    wait "$server" "$worker" "$observer" 2>/dev/null || :
    server='' worker='' observer=''
    printf 'the server is gone; the worker has noticed, killed the job, and exited\n'

    say "The server starts again: the schedule is as it was, and the job is back in its queue"
    start_server
    show builder-client info
    is_queued || fail "the job is not in the queue again"

    say "The next worker runs it; its console can be followed while it does"
    start_worker
    uuid=$(running)
    : >"$directory/gate"
    show builder-client observe "$uuid"
    wait "$worker" || fail "the worker has failed"
    worker=''

    say "The stored result"
    result=data/hello/$uuid/full
    wait_for "the result is stored" [ -f "$result" ]
    show builder-inspect data/hello
    show builder-inspect --latest --console data/hello
    show builder-inspect --latest --output artifacts data/hello
    show cat artifacts/bin/hello.txt
    [ "$(cat artifacts/bin/hello.txt)" = "made by a job" ] || fail "the artifact is not what the job left"
}

say_goodbye() {
    if [ -n "$viewers" ]; then show_dashboard; fi
    say "That was all; the temporary directory will now be removed. To try it yourself:"
    cat <<END

    PATH=$programs:\$PATH
    mkdir builder-data && builder-server --dir builder-data    # goes on; the rest in another terminal
    builder-client schedule NAME PLATFORM SCRIPT    # run SCRIPT now and daily
    builder-worker PLATFORM                         # run one job; once more for the next
    builder-client --help                           # info, observe, execute, ...
    builder-inspect --latest builder-data/NAME      # what the last build of a job has left
    builder-dashboard                               # all of this at http://127.0.0.1:8080/
END
}

with_dashboard=no
case ${1-} in
    '') ;;
    --dashboard) with_dashboard=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

tree=$(cd "$(dirname "$0")/.." && pwd)
build
directory=$(mktemp -d "${TMPDIR:-/tmp}/builder-quickstart.XXXXXX")
viewers=''
if [ "$with_dashboard" = yes ]; then viewers="--viewer-listen unix:viewer"; fi
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$directory/data" "$directory/config" "$directory/work"
cd "$directory"
tour
say_goodbye
