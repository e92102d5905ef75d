# Sourced by the tests of sandboxes: what every sandbox has to do.
# A test says how with three functions:
#   sandbox NAME PLATFORM   becomes the script that runs one sandbox (it ends with exec)
#   sandbox_exists NAME     whether anything of it is left
#   kill_sandbox NAME       ends what is inside with SIGKILL
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
