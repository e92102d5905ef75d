"""Checks manifests: those of Kubernetes against the schemas of its releases, where no unknown field is allowed, and those of
KEDA against the types that are made of its custom resource definitions. manifests.sh says with which packages.

Usage: manifests.py VERSIONS FILE...
"""

import sys

import kubernetes_validate
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledJob


def complaint(document, version):
    """What a release of Kubernetes has against an object, or nothing."""
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{version}: {'.'.join(str(part) for part in error.path)}: {error.message}"
    return None


def lost(given, kept, path="it"):
    """What is in an object, and not in what a type has made of it: fields that it does not know."""
    if isinstance(given, dict):
        for key, value in given.items():
            if key not in kept:
                yield f"{path}.{key}"
            else:
                yield from lost(value, kept[key], f"{path}.{key}")
    elif isinstance(given, list):
        for number, (one, other) in enumerate(zip(given, kept)):
            yield from lost(one, other, f"{path}.{number}")
    elif given != kept:
        yield f"{path}, which is {given!r} and was taken for {kept!r}"


def complaints_of_keda(document, versions):
    """The Job in a ScaledJob is one of Kubernetes; the rest is for KEDA."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": document["metadata"]}
    job["spec"] = document["spec"]["jobTargetRef"]
    yield from (complaint(job, version) for version in versions)
    template = {"template": {"spec": {"containers": [{"name": "any"}]}}}
    rest = {**document, "spec": {**document["spec"], "jobTargetRef": template}}
    try:
        kept = ScaledJob.model_validate(rest).model_dump(by_alias=True, exclude_unset=True, mode="json")
    except ValueError as error:
        yield f"KEDA: {error}"
        return
    yield from (f"KEDA: unknown: {path}" for path in lost(rest, kept))


def complaints(document, versions):
    if document["apiVersion"].startswith("keda.sh/"):
        yield from complaints_of_keda(document, versions)
    else:
        yield from (complaint(document, version) for version in versions)


def main(versions, files):
    found = 0
    for file in files:
        with open(file, encoding="utf-8") as text:
            documents = list(yaml.safe_load_all(text))
        for document in documents:
            name = f"{file}: {document['kind']} {document['metadata']['name']}"
            ours = [words for words in complaints(document, versions) if words]
            found += len(ours)
            print(f"{name}: {'right' if not ours else ''}", *ours, sep="\n    " if ours else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(","), sys.argv[2:]))
