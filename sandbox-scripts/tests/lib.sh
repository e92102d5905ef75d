# Sourced by the tests: a place of its own, a server, jobs, and waiting for conditions.
# shellcheck shell=sh
# What is set here and not used, the tests use.
# shellcheck disable=SC2034

set -eu

here=$(cd "$(dirname "$0")" && pwd)
scripts=$(dirname "$here")
tree=$(dirname "$scripts")
test_name=$(basename "$0" .sh)

# ---- Outcomes ----

say() {
    printf '%s: %s\n' "$test_name" "$*"
}

fail() {
    printf '%s: FAILED: %s\n' "$test_name" "$*" >&2
    for log in "$directory"/*.log; do
        if [ -s "$log" ]; then
            printf -- '---- end of %s\n' "${log##*/}" >&2
            tail -n 25 "$log" >&2
        fi
    done
    exit 1
}

# Ends the test as neither passed nor failed.
skip() {
    printf '%s: SKIPPED: %s\n' "$test_name" "$*"
    exit 77
}

need() {
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# Waits until a command succeeds.
wait_for() {
    what=$1
    shift
    deadline=$(($(date +%s) + 60))
    until "$@" 2>/dev/null; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "$what: it has not happened in time"
        sleep 0.1
    done
}

not() {
    ! "$@"
}

# Refuses to go on unless a command fails and says what it is expected to say.
refused() {
    expected=$1
    shift
    if ("$@") >"$directory/refused.log" 2>&1; then fail "it should have been refused: $*"; fi
    grep -q -e "$expected" "$directory/refused.log" || fail "'$expected' is not what was said to: $*"
}

# ---- Pages ----

# has_pages DIRECTORY: the pages of a package are there, and every link in them leads to something.
has_pages() {
    for page in README.md SECURITY.md bin/JOBS.md bin/LOG.md bin/MOVING.md bin/OPERATING.md sandbox-scripts/README.md \
        sandbox-scripts/systemd/README.md sandbox-scripts/freebsd/README.md sandbox-scripts/kubernetes/README.md \
        sandbox-scripts/on-finish/README.md; do
        [ -f "$1/$page" ] || fail "the package has no page $page"
        grep -o ']([^)#:]*' "$1/$page" | sed 's/^](//' | while read -r target; do
            # Elsewhere in the world: the address goes on behind its colon.
            case $target in https) continue ;; esac
            [ -e "$1/$(dirname "$page")/$target" ] || fail "the installed $page links to $target"
        done
    done
    grep -q '](bin/OPERATING.md)' "$1/README.md" || fail "README.md has lost its links"
}

# has_manuals MANUALS DIRECTORY...: every program in these directories has a manual page, and every page a program.
has_manuals() {
    manuals=$1
    shift
    for directory_of_programs in "$@"; do
        for program in "$directory_of_programs"/*; do
            # What is not run is no program.
            if [ ! -x "$program" ]; then continue; fi
            find "$manuals" -name "${program##*/}.[1-9]*" | grep -q . || fail "${program##*/} has no manual page"
        done
    done
    find "$manuals" -type f | while read -r manual; do
        program=${manual##*/}
        program=${program%%.*}
        for directory_of_programs in "$@"; do
            if [ -x "$directory_of_programs/$program" ]; then continue 2; fi
        done
        fail "there is a manual page of $program, which is not there"
    done
}

# ---- A place that goes away ----

directory=$(mktemp -d "${TMPDIR:-/tmp}/builder-test.XXXXXX")
processes=''
# What a test has to remove besides its directory and processes.
clean_up_more() { :; }

clean_up() {
    status=$?
    trap - EXIT
    trap '' HUP INT TERM
    # A test that fails still cleans up, whatever state it is in.
    set +e
    for process in $processes; do kill "$process" 2>/dev/null; done
    for process in $processes; do wait "$process" 2>/dev/null; done
    clean_up_more
    rm -rf "$directory"
    exit "$status"
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Forgets a process that has ended.
forget() {
    remaining=''
    for process in $processes; do
        [ "$process" = "$1" ] || remaining="$remaining $process"
    done
    processes=$remaining
}

# ---- The programs ----

# Builds them unless someone says where they are.
find_programs() {
    if [ -z "${BUILDER_PROGRAMS:-}" ]; then
        (cd "$tree" && cargo build --quiet --release --locked --package builder)
        BUILDER_PROGRAMS=$(cd "$tree" && cargo metadata --format-version 1 --no-deps --locked |
            sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release
    fi
    export BUILDER_PROGRAMS
    PATH=$BUILDER_PROGRAMS:$PATH
    export PATH
}

# Starts a server with sockets for workers and clients in the test's directory.
start_server() {
    chmod 0755 "$directory"
    mkdir -p "$directory/data"
    builder-server --dir "$directory/data" --config-dir "$directory/config" \
        --worker-listen "unix:$directory/worker.sock" --client-listen "unix:$directory/client.sock" \
        --socket-mode 0666 >"$directory/listening" 2>>"$directory/server.log" &
    server=$!
    processes="$processes $server"
    BUILDER_REMOTE=unix:$directory/client.sock
    export BUILDER_REMOTE
    wait_for "the server answers" is_serving
}

is_serving() {
    kill -0 "$server" || fail "the server has ended"
    builder-client info >/dev/null
}

# ---- Jobs ----

# schedule NAME PLATFORM: runs the script on standard input, now and never again by itself.
schedule() {
    cat >"$directory/$1.sh"
    builder-client schedule "$1" "$2" "$directory/$1.sh" --period never
}

# The uuid of a running build. What runs comes first, and each line begins with the job and ends with the uuid.
running() {
    builder-client info | awk -v job="$1" '/^Schedule/ { exit } $1 == job { print $NF }'
}

is_running() {
    [ -n "$(running "$1")" ]
}

is_queued() {
    builder-client info | awk -v job="$1" '/^Schedule/ { found = 1 } /^Platforms/ { found = 0 }
        found && $1 == job && / queued/ { queued = 1 } END { exit !queued }'
}

# The results of a job that are stored, one path a line.
results() {
    find "$directory/data/$1" -name full 2>/dev/null || :
}

is_stored() {
    [ -n "$(results "$1")" ]
}

# Waits for a result of a job; $result is its path.
find_result() {
    wait_for "a result of $1 is stored" is_stored "$1"
    result=$(results "$1" | tail -n 1)
}

# has_line NAME PATTERN: the console of the last result has such a line.
has_line() {
    builder-inspect --console "$(results "$1" | tail -n 1)" | grep -q -e "$2"
}
