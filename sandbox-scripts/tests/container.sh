#!/bin/sh
# One job, one container: with podman, for real.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scenarios.sh
. "$(dirname "$0")/scenarios.sh"
# shellcheck source=podman.sh
. "$(dirname "$0")/podman.sh"

platform="debian-test"

sandbox() {
    exec env BUILDER_REMOTE="unix:$directory/worker.sock" BUILDER_IMAGE=localhost/builder-test-worker \
        BUILDER_NETWORK=host BUILDER_RUN_DIR="$directory/run" "$scripts/container/builder-container" "$@"
}

sandbox_exists() {
    podman container exists "builder-$1" || [ -n "$(volumes)" ]
}

# The volumes of sandboxes: those that were there before the test belong to someone else, and some are meant to stay.
volumes() {
    {
        cat "$directory/volumes"
        podman volume ls --quiet | grep '^builder-cache-'
        podman ps --all --quiet --filter name=kept- | while read -r kept; do
            podman container inspect --format '{{range .Mounts}}{{println .Name}}{{end}}' "$kept"
        done
    } | grep . >"$directory/other-volumes"
    podman volume ls --quiet | grep -v -x -F -f "$directory/other-volumes"
}

count_caches() {
    podman volume ls --quiet | grep -c "^builder-cache-$1-[0-9]*\$"
}

kill_sandbox() {
    podman kill --signal KILL "builder-$1" >/dev/null
}

clean_up_more() {
    for container in $(podman ps --all --format '{{.Names}}' | grep -E '^((shell|kept)-)?builder-(one|two)(-[0-9]*)?$'); do
        podman rm --force --volumes "$container"
    done >/dev/null 2>&1
    podman volume ls --quiet | grep "^builder-cache-$platform" | xargs -r podman volume rm >/dev/null 2>&1
}

# With an engine that shows how it is called and what it is given.
builds_on_what_the_programs_need() {
    say "without a base, images rest on the release of this machine; that of the server can upload"
    cat >"$directory/engine" <<'END'
#!/bin/sh
printf '%s\n' "$@"
for word in "$@"; do context=$word; done
ls "$context"
END
    chmod +x "$directory/engine"
    # shellcheck source=/dev/null
    expected=$(. /etc/os-release && case $ID in
        debian) echo "debian:$VERSION_CODENAME-slim" ;;
        ubuntu) echo "ubuntu:$VERSION_ID" ;;
        *) echo debian:stable-slim ;;
    esac)
    show_build worker
    grep -q -x "BASE=$expected" "$directory/image.log" || fail "the base is not $expected"
    show_build worker own-base
    grep -q -x BASE=own-base "$directory/image.log" || fail "the base that was named is not used"
    show_build dashboard
    grep -q -x builder-dashboard "$directory/image.log" || fail "the image of the dashboard does not have it"
    show_build server
    for file in builder-server builder-upload ca-certificates.crt; do
        grep -q -x "$file" "$directory/image.log" || fail "the image of the server has no $file"
    done
}

show_build() {
    what=$1
    shift
    BUILDER_ENGINE=$directory/engine "$scripts/container/build-image" "$what" some-image "$@" >"$directory/image.log"
}

keeps_what_was_written_to_the_root() {
    say "a shell shows what a failed job has written to its root"
    BUILDER_WRITABLE=yes BUILDER_KEEP_FAILED=1
    export BUILDER_WRITABLE BUILDER_KEEP_FAILED
    performs rooted "$platform" <<'END'
#!/bin/sh
echo "in the root" >/var/lib/builder/mark
exit 4
END
    unset BUILDER_WRITABLE BUILDER_KEEP_FAILED
    [ "$(echo 'cat /var/lib/builder/mark' | in_kept)" = "in the root" ] || fail "the shell sees another root"
    if podman image exists shell-builder-one-1; then fail "an image of the shell is left"; fi
    (sandbox --forget one)
}

needs_a_place_for_the_cache() {
    say "an image whose user cannot write to /cache is refused, with the remedy"
    printf 'FROM localhost/builder-test-worker\nUSER root\nRUN chown root /cache\nUSER 10000\n' >"$directory/Containerfile"
    podman build --quiet --tag localhost/builder-test-closed -f "$directory/Containerfile" "$directory" \
        >>"$directory/build.log" 2>&1 || fail "there is no image"
    refused "make a directory /cache in the image.*that its user owns" env BUILDER_CACHE=1g \
        BUILDER_REMOTE="unix:$directory/worker.sock" BUILDER_IMAGE=localhost/builder-test-closed \
        BUILDER_RUN_DIR="$directory/run" "$scripts/container/builder-container" one "$platform-closed"
    [ "$(count_caches "$platform-closed")" -eq 0 ] || fail "the cache is left"
    podman rmi localhost/builder-test-closed >/dev/null
}

find_programs
builds_on_what_the_programs_need
use_podman
podman volume ls --quiet >"$directory/volumes"
BUILDER_BUILD_OPTIONS='--quiet' "$scripts/container/build-image" \
    worker localhost/builder-test-worker "$debian" >"$directory/build.log" 2>&1 || fail "there is no image"
start_server
runs_a_job
puts_jobs_back
survives_a_crash
refuses_a_name_in_use
refuses_bad_names
keeps_tmp_where_it_is_told
leaves_when_idle
keeps_what_failed
keeps_what_was_written_to_the_root
shares_a_cache
needs_a_place_for_the_cache
BUILDER_MEMORY=100m BUILDER_PROCESSES=40 BUILDER_TIMEOUT=4s
export BUILDER_MEMORY BUILDER_PROCESSES BUILDER_TIMEOUT
keeps_limits
