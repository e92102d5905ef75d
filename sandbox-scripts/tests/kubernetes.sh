#!/bin/sh
# Server, workers and dashboard from the files for Kubernetes, with 'podman kube play', for real.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=podman.sh
. "$(dirname "$0")/podman.sh"

files="$scripts/kubernetes"
worker_pod="builder-worker-debian-12-pod"

clean_up_more() {
    for file in dashboard worker server-pod; do
        podman kube down --force "$directory/$file.yaml" || podman play kube --down "$directory/$file.yaml"
    done >"$directory/down.log" 2>&1
    podman volume rm --force builder-data >/dev/null 2>&1
}

build_images() {
    for what in server worker dashboard; do
        BUILDER_BUILD_OPTIONS='--quiet' "$scripts/container/build-image" "$what" "localhost/builder-test-$what" \
            "$debian" >"$directory/build.log" 2>&1 || fail "there is no image for the $what"
    done
}

can_upload() {
    say "the image of the server has what uploads take"
    podman run --rm --network host localhost/builder-test-server \
        sh -c 'builder-upload --version && test -s /etc/ssl/certs/ca-certificates.crt' >"$directory/upload.log" ||
        fail "it has not"
}

# The files as they are, but for the images, and for ports of this test on the network of this machine.
adapt_files() {
    for file in server-pod worker dashboard; do
        sed -e 's,image: builder-dashboard:.*,image: localhost/builder-test-dashboard:latest,; /Probe/d' \
            -e 's,0\.0\.0\.0:8080,127.0.0.1:21238,; s,builder-viewers:1236,127.0.0.1:21236,' \
            -e 's,- 127\.0\.0\.1:1235,&\n        - --viewer-listen\n        - 127.0.0.1:21236,' \
            -e 's,image: builder-server:.*,image: localhost/builder-test-server:latest,' \
            -e 's,image: builder-worker:.*,image: localhost/builder-test-worker:latest,' \
            -e 's,0\.0\.0\.0:1234,127.0.0.1:21234,; s,builder:1234,127.0.0.1:21234,' \
            -e 's,127\.0\.0\.1:1235,127.0.0.1:21235,' "$files/$file.yaml" >"$directory/$file.yaml"
    done
}

client() {
    podman exec builder-server builder-client "$@"
}

answers() {
    client info >/dev/null
}

play() {
    podman kube play --network host - <"$directory/$1.yaml" >"$directory/play.log" 2>&1 || fail "$1.yaml does not play"
}

# The two files for the server differ only where podman cannot follow.
has_one_server() {
    say "the pod runs what the StatefulSet runs"
    for file in server server-pod; do
        sed -n '/^ *- name: server/,/ value:/s/^ *//p' "$files/$file.yaml" >"$directory/$file.parts"
    done
    diff "$directory/server.parts" "$directory/server-pod.parts" || fail "server.yaml and server-pod.yaml differ"
}

schedule_inside() {
    podman exec -i builder-server sh -c 'cat >/var/lib/builder/job.sh'
    client schedule "$1" debian-12 /var/lib/builder/job.sh --period never
}

is_done() {
    podman exec builder-server sh -c "ls /var/lib/builder/$1/*/full" >/dev/null
}

runs_here() {
    client info | awk -v job="$1" '/^Schedule/ { exit } $1 == job { print $NF }' | grep .
}

runs_anew() {
    [ "$(runs_here patient)" != "$1" ] && runs_here patient >/dev/null
}

runs_jobs() {
    say "two workers run five jobs: the cluster starts them again after each"
    for number in 1 2 3 4 5; do
        schedule_inside "job-$number" <<'END'
#!/bin/sh
id -u
mkdir bin && echo done >bin/it
END
    done
    for number in 1 2 3 4 5; do wait_for "job $number is done" is_done "job-$number"; done
    podman exec builder-server sh -c 'builder-inspect /var/lib/builder/job-5/*/full' |
        grep -q '^result *exited 0$' || fail "the result is not that of the job"
}

puts_jobs_back() {
    say "SIGKILL of a worker, and of the server: the job runs again"
    schedule_inside patient <<'END'
#!/bin/sh
sleep 20
END
    for victim in "$(worker_of patient)" builder-server; do
        before=$(runs_here patient)
        # Not with 'podman kill', after which podman starts nothing again.
        kill -9 "$(podman container inspect --format '{{.State.Pid}}' "$victim")"
        wait_for "the job runs again" runs_anew "$before"
    done
    client unschedule patient
}

shows_pages() {
    say "the dashboard shows the jobs, and how many workers the platform should have"
    play dashboard
    wait_for "there are pages" has_page api/overview '"job-5"'
    has_page robots.txt Disallow || fail "what probes ask for is not there"
    wait_for "it knows the platform" has_page api/queue/debian-12 '"wanted": *0'
}

has_page() {
    curl --silent --fail "http://127.0.0.1:21238/$1" | grep -q -e "$2"
}

# As the page says; here the cluster is podman.
replaces_idle_workers() {
    say "SIGHUP has the cluster start idle workers anew"
    for container in $(podman ps --format '{{.Names}}' | grep "^$worker_pod"); do
        before=$(restarts "$container")
        # Podman may say that it failed: the container can be gone before the command in it is over.
        podman exec "$container" sh -c 'kill -HUP 1' || true
        wait_for "it starts anew" has_restarted "$container" "$before"
    done
}

restarts() {
    podman container inspect --format '{{.RestartCount}}' "$1"
}

has_restarted() {
    [ "$(restarts "$1")" -gt "$2" ]
}

# The containers of the workers, one of which runs the job.
worker_of() {
    wait_for "the job runs" runs_here "$1" >/dev/null
    for container in $(podman ps --format '{{.Names}}' | grep "^$worker_pod"); do
        if podman top "$container" args | grep -q 'sleep 20'; then echo "$container"; fi
    done
}

need catatonit curl
find_programs
use_podman
has_one_server
build_images
can_upload
adapt_files
play server-pod
wait_for "the server answers" answers
play worker
runs_jobs
shows_pages
replaces_idle_workers
puts_jobs_back
