#!/bin/sh
# Makes terminal.svg, the picture in the README, by recording what real programs print on a terminal.

set -eu

usage() {
    cat <<'END'
Usage: terminal.sh >FILE
       terminal.sh --help

Runs a job, kills the server while it runs, starts the server again, and writes what
was seen as an SVG picture. It takes 'script' of util-linux, works in a temporary
directory, and cleans up.

Environment:
    BUILDER_PROGRAMS    the directory with the programs (where PATH finds them)
END
}

fail() {
    printf 'terminal.sh: %s\n' "$*" >&2
    cat "$directory"/*.log >&2
    exit 1
}

# Waits until a command succeeds.
wait_for() {
    deadline=$(($(date +%s) + 60))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "this has not happened: $*"
        sleep 0.1
    done
}

# ---- The session ----

# type COMMAND: shows a command as it is typed.
type_in() {
    printf '\033[1m$ %s\033[0m\n' "$*" >>"$session"
}

# see COMMAND: shows a command, and what it prints on a terminal of 80 columns.
see() {
    type_in "$*"
    script -qec "stty cols 80; $*" /dev/null </dev/null | tr -d '\r' >>"$session"
}

# Its port is a free one; in the picture it is the usual one.
start_server() {
    : >listening.log
    builder-server --dir data --port 0 >listening.log 2>server.log &
    server=$!
    wait_for grep -q '^listening' listening.log
    BUILDER_REMOTE=$(sed -n 's/^listening on \([^ ]*\).*/\1/p' listening.log)
    export BUILDER_REMOTE
}

show_address() {
    sed -n 's/^\(listening on 127.0.0.1\):[0-9]*/\1:1234/p' listening.log >>"$session"
}

runs() {
    builder-client info --json | grep -q '"running":\[{'
}

record() {
    # The job goes on when it is told to, so that the server dies while it runs.
    cat >hello.sh <<'END'
#!/bin/sh
echo "compiling on $(uname -s)"
until [ -e "$GATE" ]; do sleep 0.1; done
mkdir bin && echo made >bin/program
echo "done"
END
    mkdir data
    start_server
    type_in 'builder-server --dir data &'
    show_address
    see builder-client schedule hello linux hello.sh --period daily
    type_in 'builder-worker linux &'
    GATE=$directory/gate TMPDIR=$directory builder-worker --remote "$BUILDER_REMOTE" linux 2>worker.log &
    worker=$!
    wait_for runs
    type_in 'builder-client observe-latest &'
    builder-client observe-latest >console.log 2>observer.log &
    observer=$!
    wait_for grep -q compiling console.log
    cat console.log >>"$session"
    type_in 'kill -9 %1                 # the server, while the job runs'
    kill -9 "$server"
    wait "$server" "$worker" "$observer" 2>/dev/null || :
    type_in 'builder-server --dir data &'
    start_server
    grep -o 'recovered: .*' server.log >>"$session"
    show_address
    : >gate
    type_in 'builder-worker linux'
    GATE=$directory/gate TMPDIR=$directory builder-worker --remote "$BUILDER_REMOTE" linux 2>worker.log
    see builder-inspect --latest data/hello
}

# ---- The picture ----

# Reads a session with the few escape sequences that the programs use, and writes it as SVG.
draw() {
    # Long lines go on in the next one, as on a terminal.
    fold -w 80 "$1" | awk '
    function escaped(text) {
        gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
        return text
    }
    # The class of what follows an escape sequence such as "1;32".
    function class_of(codes) {
        if (codes ~ /(^|;)1$/ || codes == "1") return "typed"
        if (codes ~ /32/) return "good"
        if (codes ~ /31/) return "bad"
        if (codes ~ /(^|;)0?2$/ || codes ~ /90/) return "dim"
        if (codes ~ /3[3-6]/) return "title"
        return ""
    }
    function drawn(line,   result, class, place, codes) {
        result = ""; class = ""
        while ((place = index(line, "\033[")) > 0) {
            result = result span(class, substr(line, 1, place - 1))
            line = substr(line, place + 2)
            match(line, /^[0-9;]*/)
            codes = substr(line, 1, RLENGTH)
            line = substr(line, RLENGTH + 2)
            class = class_of(codes)
        }
        return result span(class, line)
    }
    function span(class, text) {
        if (text == "") return ""
        if (class == "") return escaped(text)
        return "<tspan class=\"" class "\">" escaped(text) "</tspan>"
    }
    { lines[NR] = drawn($0) }
    END {
        height = 20 * NR + 36
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 %d\" role=\"img\">\n", height
        print "<title>A job survives kill -9 of the server</title>"
        print "<style>text { font: 14px ui-monospace, Menlo, Consolas, \"DejaVu Sans Mono\", monospace; fill: #d0d7de; white-space: pre }"
        print ".typed { fill: #ffffff; font-weight: bold } .good { fill: #56d364 } .bad { fill: #ff7b72 }"
        print ".dim { fill: #8b949e } .title { fill: #79c0ff }</style>"
        printf "<rect width=\"800\" height=\"%d\" rx=\"8\" fill=\"#161b22\" stroke=\"#30363d\"/>\n", height
        for (line = 1; line <= NR; line++)
            if (lines[line] != "")
                printf "<text x=\"18\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", 20 * line + 14, lines[line]
        print "</svg>"
    }'
}

clean_up() {
    status=$?
    trap - EXIT
    for process in $observer $worker $server; do kill "$process" 2>/dev/null || :; done
    wait
    rm -rf "$directory"
    exit "$status"
}

case ${1-} in
    '') ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac
server='' worker='' observer=''
directory=$(mktemp -d)
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -n "${BUILDER_PROGRAMS:-}" ]; then PATH=$BUILDER_PROGRAMS:$PATH; fi
LC_ALL=C.UTF-8
unset NO_COLOR RUST_LOG
export PATH LC_ALL
session=$directory/session
cd "$directory"
record
draw "$session"
