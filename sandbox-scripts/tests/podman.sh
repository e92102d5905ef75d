# Sourced by the tests that run containers: podman as it works without systemd, and a small Debian as image.
# Sourced after lib.sh.
# shellcheck shell=sh
# shellcheck disable=SC2154

use_podman() {
    need podman runc debootstrap
    [ "$(id -u)" -eq 0 ] || skip "it makes an image with debootstrap, which takes root"
    cat >"$directory/containers.conf" <<'END'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
END
    CONTAINERS_CONF=$directory/containers.conf
    export CONTAINERS_CONF
    make_debian
    podman run --rm --network host "$debian" true 2>"$directory/podman.log" ||
        skip "podman does not run containers here: $(tail -n 1 "$directory/podman.log")"
}

# An image of a small Debian, made once.
debian=localhost/builder-test-debian

make_debian() {
    if podman image exists "$debian"; then return; fi
    say "making a small Debian, which takes a minute"
    # With systemd, for the packages; those who run single programs are not disturbed by it.
    debootstrap --variant=minbase --include=systemd "$(debian_release)" "$directory/debian" >"$directory/debootstrap.log" 2>&1 ||
        fail "debootstrap has failed"
    rm -rf "$directory/debian/var/cache/apt/archives"
    tar -C "$directory/debian" -c --exclude ./dev --exclude './var/lib/apt/lists/*' . |
        podman import --quiet - "$debian" >/dev/null
    rm -rf "$directory/debian"
}

# The release of this machine, because the programs need its C library.
debian_release() {
    sed -n 's/^VERSION_CODENAME=//p' /etc/os-release
}
