# Sourced by the tests of sandboxes: what every sandbox has to do.
# A test says how with three functions:
#   sandbox NAME PLATFORM   becomes the script that runs one sandbox (it ends with exec)
#   sandbox_exists NAME     whether anything of it is left
#   kill_sandbox NAME       ends what is inside with SIGKILL
#   count_caches PLATFORM   prints how many caches a platform has (only if there are scenarios of caches)
# Sourced after lib.sh, by a test that sets $platform.
# shellcheck shell=sh
# shellcheck disable=SC2154

# ---- Sandboxes ----

# begin NAME PLATFORM: starts a sandbox in the background; $sandbox is its process.
begin() {
    sandbox "$1" "$2" 2>>"$directory/sandbox-$1.log" &
    sandbox=$!
    processes="$processes $sandbox"
}

# finish: waits until the sandbox ends; $status is how.
finish() {
    status=0
    # The shell has a word to say about a process that was killed.
    wait "${1:-$sandbox}" 2>/dev/null || status=$?
    forget "${1:-$sandbox}"
}

# ---- Scenarios ----

# Runs a job that shows where it is: it is in, the result is out, the sandbox is gone.
runs_a_job() {
    say "a job runs, its result is stored, the sandbox is gone"
    schedule visible "$platform" <<END
#!/bin/sh
echo "secret: \$(cat '$directory/secret' 2>&1)"
echo "capabilities: \$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)"
echo "processes: \$(find /proc -maxdepth 1 -name '[0-9]*' | wc -l)"
echo "worker: \$(tr '\\0' ' ' </proc/1/cmdline)"
touch /usr/intruder && echo "/usr can be written to"
mkdir bin && echo "made in a sandbox" >bin/made
exit 3
END
    echo "of the host" >"$directory/secret"
    begin one "$platform"
    finish
    [ "$status" -eq 0 ] || fail "the sandbox ended with $status"
    find_result visible
    builder-inspect "$result" | grep -q '^result *exited 3$' || fail "the result is not that of the job"
    builder-inspect --output "$directory/visible" "$result"
    [ "$(cat "$directory/visible/bin/made")" = "made in a sandbox" ] || fail "the artifact is not that of the job"
    has_line visible 'capabilities: 0000000000000000$' || fail "the job has capabilities"
    has_line visible 'worker: .*builder-worker ' || fail "the worker is not the first process of the sandbox"
    if has_line visible 'of the host'; then fail "the job reads files of the host"; fi
    if has_line visible 'can be written'; then fail "the job writes to the system"; fi
    if sandbox_exists one; then fail "something of the sandbox is left"; fi
    builder-client unschedule visible
}

# Has a worker deliver a result. After losses in a row, as other scenarios make them, the server waits longer and longer before
# it hands out the next job; one result ends that.
delivers_a_result() {
    schedule brief "$platform" <<'END'
#!/bin/sh
END
    begin one "$platform"
    finish
    [ "$status" -eq 0 ] || fail "the sandbox ended with $status"
    builder-client unschedule brief
}

# Schedules a job that runs for a while.
schedule_patient() {
    delivers_a_result
    schedule patient "$platform" <<'END'
#!/bin/sh
echo "patient"
for tick in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1; done
END
}

# Runs a sandbox until the patient job runs in it.
begin_patient() {
    begin "$1" "$platform"
    wait_for "the job runs" is_running patient
}

# Refuses to go on unless the job went back to its queue and nothing of the sandbox is left.
is_put_back() {
    finish
    [ "$status" -ne 0 ] || fail "a sandbox that was ended has reported success"
    wait_for "the job is queued again" is_queued patient
    if sandbox_exists "$1"; then fail "something of the sandbox is left"; fi
}

# Whatever ends a sandbox, its job is queued again.
puts_jobs_back() {
    schedule_patient
    say "SIGKILL of what is inside puts the job back"
    begin_patient one
    kill_sandbox one
    is_put_back one

    say "SIGTERM of the script puts the job back"
    begin_patient one
    kill -TERM "$sandbox"
    is_put_back one
    builder-client unschedule patient
}

# What is left when the script cannot clean up goes when the name starts again, or when asked to.
survives_a_crash() {
    schedule_patient
    say "what kill -9 of the script leaves is gone when its name starts again"
    begin_patient one
    before=$(running patient)
    kill -9 "$sandbox"
    finish
    sandbox_exists one || fail "nothing is left of the sandbox, so this shows nothing"
    begin one "$platform"
    wait_for "the job runs again" runs_anew patient "$before"

    say "and with --remove"
    kill -9 "$sandbox"
    finish
    (sandbox --remove one)
    wait_for "the job is queued again" is_queued patient
    if sandbox_exists one; then fail "something of the sandbox is left"; fi
    builder-client unschedule patient
}

# runs_anew NAME UUID: a build of the job runs that is not this one.
runs_anew() {
    is_running "$1" && [ "$(running "$1")" != "$2" ]
}

# The test has set limits: 4 seconds, 100 MB, 40 processes.
keeps_limits() {
    say "memory, processes and time have their limits"
    schedule greedy "$platform" <<'END'
#!/bin/sh
head -c 400000000 /dev/zero | tail -c 400000000 >/dev/null
echo "memory: $?"
(for number in $(seq 60); do sleep 1 & done) 2>/dev/null
echo "processes: $?"
sleep 30
END
    begin one "$platform"
    finish
    find_result greedy
    has_line greedy 'memory: [1-9]' || fail "the job got more memory than it may"
    has_line greedy 'processes: [1-9]' || fail "the job got more processes than it may"
    builder-inspect "$result" | grep -q 'timeout after 4s' || fail "the job got more time than it may"
    builder-client unschedule greedy
}

# As orb-build templates need it: /tmp is empty and writable for every job, in memory or on the disk.
keeps_tmp_where_it_is_told() {
    say "/tmp is in memory, or on the disk"
    for tmp in 64m disk; do
        for build in first second; do
            schedule "tmp-$tmp-$build" "$platform" <<'END'
#!/bin/sh
echo "left: $(ls -A /tmp)"
echo "size: $(df -P -k /tmp | awk 'NR == 2 { print $2 }')"
echo "type: $(awk '$2 == "/tmp" { print $3 }' /proc/mounts)"
printf '#!/bin/sh\necho "runs as $(id -u)"\n' >/tmp/program && chmod +x /tmp/program && /tmp/program
END
            BUILDER_TMP=$tmp
            export BUILDER_TMP
            begin one "$platform"
            unset BUILDER_TMP
            finish
            [ "$status" -eq 0 ] || fail "the sandbox ended with $status"
            find_result "tmp-$tmp-$build"
            has_line "tmp-$tmp-$build" 'left: $' || fail "the $build job found something in /tmp"
            has_line "tmp-$tmp-$build" 'runs as 10000$' || fail "the $build job cannot use /tmp, or is another user"
            if sandbox_exists one; then fail "something of the sandbox is left"; fi
        done
    done
    has_line tmp-64m-first 'size: 65536$' || fail "/tmp in memory has not the size that was asked for"
    has_line tmp-64m-first 'type: tmpfs$' || fail "/tmp is not in memory"
    if has_line tmp-disk-first 'type: tmpfs$'; then fail "/tmp is not on the disk"; fi
}

# A name is used once at a time.
refuses_a_name_in_use() {
    say "a second sandbox of the same name is refused, one of another name is not"
    schedule_patient
    begin_patient one
    first=$sandbox
    refused "running already" sandbox one "$platform"
    is_running patient || fail "the second sandbox ended the first"
    schedule beside "$platform" <<'END'
echo "side by side"
END
    begin two "$platform"
    finish
    [ "$status" -eq 0 ] || fail "the second sandbox ended with $status"
    find_result beside
    is_running patient || fail "the second sandbox ended the first"
    kill -TERM "$first"
    finish "$first"
    builder-client unschedule beside
    builder-client unschedule patient
}

refuses_bad_names() {
    say "names that are none are refused"
    for bad in '' / a/b .. . .hidden -x 'a b' 'a;b' "$(printf 'a\nb')" \
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; do
        refused "name\|Usage" sandbox "$bad" "$platform"
    done
    refused "Usage" sandbox
    refused "PLATFORM" sandbox one ''
}

# asked PLATFORM: a worker has asked for a job of this platform, which nobody has named before.
asked() {
    builder-client info | grep -q "^  $1 "
}

# A sandbox is replaced without harm to jobs.
leaves_when_idle() {
    say "SIGHUP ends a sandbox that waits for a job, with success"
    begin one "$platform-idle"
    wait_for "the worker asks for a job" asked "$platform-idle"
    kill -HUP "$sandbox"
    finish
    [ "$status" -eq 0 ] || fail "the sandbox ended with $status"
    if sandbox_exists one; then fail "something of the sandbox is left"; fi

    say "and one that runs a job after the job"
    schedule unharmed "$platform" <<'END'
#!/bin/sh
for tick in 1 2 3; do /bin/sleep 1; done
echo "unharmed"
END
    begin one "$platform"
    wait_for "the job runs" is_running unharmed
    kill -HUP "$sandbox"
    finish
    [ "$status" -eq 0 ] || fail "the sandbox ended with $status"
    find_result unharmed
    has_line unharmed '^.*unharmed$' || fail "the job was not finished"
    if sandbox_exists one; then fail "something of the sandbox is left"; fi
    builder-client unschedule unharmed
}

# performs NAME PLATFORM: runs the script on standard input in the sandbox "one"; $result is the path of its result.
performs() {
    schedule "$1" "$2"
    begin one "$2"
    finish
    [ "$status" -eq 0 ] || fail "the sandbox ended with $status"
    find_result "$1"
    if sandbox_exists one; then fail "something of the sandbox is left"; fi
    builder-client unschedule "$1"
}

# is_kept NUMBER: there is such a sandbox of the name "one".
is_kept() {
    (sandbox --kept) | grep -q "^one $1, "
}

# in_kept [NUMBER]: runs the commands on standard input in a shell of such a sandbox.
in_kept() {
    (sandbox --shell one "$@") 2>>"$directory/shell.log"
}

keeps_what_failed() {
    say "sandboxes of failed jobs are kept, as many as were asked for"
    BUILDER_KEEP_FAILED=2
    export BUILDER_KEEP_FAILED
    performs content "$platform" <<'END'
#!/bin/sh
END
    [ -z "$( (sandbox --kept) )" ] || fail "the sandbox of a job that went well is kept"
    for number in 1 2 3; do
        performs "failing-$number" "$platform" <<END
#!/bin/sh
echo "of build $number" >.trace
mkdir -p locked/inner && chmod 0 locked
exit 4
END
        is_kept "$number" || fail "the sandbox of a failed job is not kept"
        grep -q -e "--shell one $number" "$directory/sandbox-one.log" || fail "nobody says how to get a shell in it"
    done
    if is_kept 1; then fail "more sandboxes are kept than were asked for"; fi
    is_kept 2 || fail "fewer sandboxes are kept than were asked for"

    say "a shell in one of them shows what the job has left, and leaves it there"
    for _ in 1 2; do
        [ "$(echo 'cat .trace; ls script.sh' | in_kept)" = "of build 3
script.sh" ] || fail "the last sandbox is not as the job has left it"
    done
    [ "$(echo 'cat .trace' | in_kept 2)" = "of build 2" ] || fail "the sandbox that was named is not that of its job"
    refused "no sandbox 7 of one" sandbox --shell one 7
    refused "not a number" sandbox --forget one ../..
    refused "no sandbox of two is kept" sandbox --shell two

    say "one with a shell in it stays, whatever happens"
    mkfifo "$directory/typed"
    in_kept 2 <"$directory/typed" >"$directory/shown" &
    shell=$!
    processes="$processes $shell"
    exec 4>"$directory/typed"
    echo 'echo "here"' >&4
    wait_for "the shell answers" grep -q here "$directory/shown"
    refused "there is a shell in" sandbox --forget one 2
    performs failing-4 "$platform" <<'END'
#!/bin/sh
exit 4
END
    is_kept 2 || fail "a sandbox has gone with a shell in it"
    exec 4>&-
    finish "$shell"
    rm "$directory/typed"

    say "and all go when they are to be forgotten"
    (sandbox --forget one 2)
    if is_kept 2; then fail "the sandbox is not forgotten"; fi
    is_kept 4 || fail "another sandbox was forgotten"
    (sandbox --forget one)
    [ -z "$( (sandbox --kept) )" ] || fail "a sandbox is still kept"
    unset BUILDER_KEEP_FAILED
}

shares_a_cache() {
    say "jobs of a platform share a cache, and those of others have their own"
    BUILDER_CACHE=10m
    export BUILDER_CACHE
    performs fills "$platform-cache" <<'END'
#!/bin/sh
set -eu
mkdir -p "$CCACHE_DIR" "$CARGO_HOME"
echo "from the first job" >"$BUILDER_CACHE/mark"
case $CCACHE_DIR:$CARGO_HOME in "$BUILDER_CACHE"/*:"$BUILDER_CACHE"/*) echo "all are in it" ;; esac
echo "ccache: ${CCACHE_MAXSIZE:-}"
END
    has_line fills 'all are in it$' || fail "the cache is not where the variables say, or cannot be written to"
    has_line fills 'ccache: 5Mi$' || fail "ccache may fill the whole cache"
    for other in cache other; do
        performs "looks-$other" "$platform-$other" <<'END'
#!/bin/sh
echo "mark: $(cat "$BUILDER_CACHE/mark" 2>/dev/null)"
END
    done
    has_line looks-cache 'mark: from the first job$' || fail "the cache has not outlived its sandbox"
    has_line looks-other 'mark: $' || fail "the cache of a platform is also that of another"

    say "it can be emptied; a sandbox that is there keeps the one that it has"
    schedule holds "$platform-cache" <<'END'
#!/bin/sh
/bin/sleep 30
END
    begin two "$platform-cache"
    wait_for "the job runs" is_running holds
    holder=$sandbox
    (sandbox --empty-cache "$platform-cache") 2>"$directory/emptying.log"
    grep -q 'keep the old cache' "$directory/emptying.log" || fail "nobody says that a cache is in use"
    [ "$(count_caches "$platform-cache")" -eq 2 ] || fail "a cache has gone while a job uses it"
    kill -TERM "$holder"
    finish "$holder"
    builder-client unschedule holds
    performs looks-again "$platform-cache" <<'END'
#!/bin/sh
echo "mark: $(cat "$BUILDER_CACHE/mark" 2>/dev/null)"
head -c 9900000 /dev/urandom >"$BUILDER_CACHE/much"
END
    has_line looks-again 'mark: $' || fail "the cache was not emptied"
    [ "$(count_caches "$platform-cache")" -eq 1 ] || fail "the old cache is still there"

    say "a full one is replaced, and nothing is left of it"
    performs looks-last "$platform-cache" <<'END'
#!/bin/sh
echo "much: $(ls "$BUILDER_CACHE")"
END
    has_line looks-last 'much: $' || fail "a full cache was not replaced"
    [ "$(count_caches "$platform-cache")" -eq 1 ] || fail "the full cache is still there"

    BUILDER_CACHE=lots
    refused "BUILDER_CACHE is lots" sandbox one "$platform-cache"
    BUILDER_CACHE=10m
    refused "'not/a name'" sandbox one 'not/a name'
    unset BUILDER_CACHE
}
