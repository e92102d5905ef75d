#!/bin/sh
# The files for Kubernetes are what Kubernetes and KEDA understand: they are checked against the schemas of both, which come
# from a registry of packages. Nothing of them is run here; 'kubernetes' runs what podman can run.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The oldest release that the files are for, and a recent one.
versions=1.31,1.37
requirements=$here/manifests-requirements.txt
tools=${BUILDER_MANIFEST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/builder-manifests}

# They stay where they are until the list changes.
fetch_tools() {
    mkdir -p "$(dirname "$tools")"
    if cmp -s "$requirements" "$tools/list"; then return; fi
    rm -rf "$tools" "$tools.new"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --no-compile \
        --target "$tools.new" --requirement "$requirements" >"$directory/pip.log" 2>&1 || fail "pip cannot fetch the tools"
    # Nine in ten bytes are schemas of other releases.
    find "$tools.new/kubernetes_validate/kubernetes-json-schema" -mindepth 1 -maxdepth 1 \
        ! -name 'v1.31.*' ! -name 'v1.37.*' -exec rm -r {} +
    cp "$requirements" "$tools.new/list"
    mv "$tools.new" "$tools"
}

check() {
    PYTHONPATH=$tools PYTHONDONTWRITEBYTECODE=1 python3 "$here/manifests.py" "$versions" "$@"
}

are_right() {
    say "every object is one of Kubernetes $versions, or one of KEDA"
    check "$scripts"/kubernetes/*.yaml >"$directory/check.log" 2>&1 || fail "not all of them are"
    for object in 'StatefulSet builder' 'Deployment builder-dashboard' 'ScaledJob builder-worker-debian-12' 'Pod builder'; do
        grep -q "$object: right" "$directory/check.log" || fail "$object was not checked"
    done
}

# mistaken FILE EXPRESSION TEXT: with this change the file is found to be wrong, and why.
mistaken() {
    sed "$2" "$scripts/kubernetes/$1.yaml" >"$directory/mistaken.yaml"
    if cmp -s "$scripts/kubernetes/$1.yaml" "$directory/mistaken.yaml"; then fail "$2 changes nothing in $1.yaml"; fi
    refused "$3" check "$directory/mistaken.yaml"
}

finds_mistakes() {
    say "mistakes are found: in objects of Kubernetes, in those of KEDA, and in the Job inside"
    mistaken dashboard 's/readOnlyRootFilesystem/readOnlyRootFileSystem/' "readOnlyRootFileSystem"
    mistaken dashboard 's/port: 8080$/port: [8080]/' "8080"
    mistaken worker-keda 's/restartPolicy: Never/restartPolicy: [Never]/' "restartPolicy"
    mistaken worker-keda 's/backoffLimit/backOffLimit/' "backOffLimit"
    mistaken worker-keda 's/pollingInterval/pollInterval/' "KEDA: unknown: it.spec.pollInterval"
    mistaken worker-keda 's/maxReplicaCount: 20/maxReplicaCount: many/' "maxReplicaCount"
}

# What KEDA is told of is what the dashboard says, and what it starts is what worker.yaml starts.
fit_together() {
    say "workers of KEDA are those of worker.yaml, and ask the dashboard for what it has"
    for file in worker worker-keda; do
        sed -n '/^ *automountServiceAccountToken/,$s/^ *//p' "$scripts/kubernetes/$file.yaml" >"$directory/$file.parts"
        [ -s "$directory/$file.parts" ] || fail "$file.yaml has no workers"
    done
    diff "$directory/worker.parts" "$directory/worker-keda.parts" || fail "worker.yaml and worker-keda.yaml differ"
    field=$(sed -n 's/^ *valueLocation: //p' "$scripts/kubernetes/worker-keda.yaml")
    grep -q "^\.Li ${field}[ ,]*" "$tree/bin/man/builder-dashboard.8" || fail "no page promises the field '$field'"
}

need python3
python3 -m pip --version >/dev/null 2>&1 || skip "pip is not installed"
fit_together
fetch_tools
are_right
finds_mistakes
