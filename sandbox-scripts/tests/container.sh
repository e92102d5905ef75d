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
    podman container exists "builder-$1" || [ -n "$(podman volume ls --quiet --filter "name=^$(volume)\$")" ]
}

# The volumes that were there before the test belong to someone else.
volume() {
    podman volume ls --quiet | grep -v -x -F -f "$directory/volumes" || echo none
}

kill_sandbox() {
    podman kill --signal KILL "builder-$1" >/dev/null
}

clean_up_more() {
    for container in one two; do podman rm --force --volumes "builder-$container"; done >/dev/null 2>&1
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
BUILDER_MEMORY=100m BUILDER_PROCESSES=40 BUILDER_TIMEOUT=4s
export BUILDER_MEMORY BUILDER_PROCESSES BUILDER_TIMEOUT
keeps_limits
