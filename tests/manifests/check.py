"""Checks k8s/ and deploy/ offline: composes only.

    check.py PROGRAM"""

import pathlib
import shutil
import subprocess
import sys

import yaml

import containers
import objects
import program
import render
import rules
from program import hold, Wrong

K8S = pathlib.Path("k8s")


def renderings():
    """Every overlay: {name: objects}."""
    return {path.parent.name: render.render(path.parent) for path in sorted(K8S.glob("overlays/*/kustomization.yaml"))}


def whole_has_all():
    used = yaml.safe_load((K8S / "overlays/whole/kustomization.yaml").read_text())["components"]
    there = {path.name for path in (K8S / "components").iterdir()}
    hold({pathlib.Path(one).name for one in used} == there, f"uses {used}, there are {there}")


def monitoring_has_all():
    """The alerts are those of deploy/, and so are the dashboards."""
    hold(rules.WRAPPED.read_text() == rules.wrapped(), "it is old: run tests/manifests/python.sh tests/manifests/rules.py")
    dashboards = K8S.parent / "deploy/grafana/dashboards"
    (made,) = yaml.safe_load((dashboards / "kustomization.yaml").read_text())["configMapGenerator"]
    there = {path.name for path in dashboards.glob("*.json")}
    hold(set(made["files"]) == there, f"has {made['files']}, there are {there}")
    # What `kubectl apply` writes beside an object may not be longer (metadata.annotations).
    size = sum(path.stat().st_size for path in dashboards.glob("*.json"))
    hold(size < 250_000, f"{size} bytes of dashboards are too many for one object")


def as_kubectl(name, ours):
    output = subprocess.run(["kubectl", "kustomize", str(K8S / "overlays" / name)], check=True, capture_output=True, text=True)
    theirs, ours = by_name(yaml.safe_load_all(output.stdout)), by_name(ours)
    hold(theirs.keys() == ours.keys(), f"kubectl renders {theirs.keys() ^ ours.keys()} besides")
    for key, one in theirs.items():
        hold(one == ours[key], f"{key}: kubectl renders\n{yaml.safe_dump(one)}\nrender.py\n{yaml.safe_dump(ours[key])}")


def by_name(found):
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def main():
    checks = [(check.__name__.replace("_", " "), check) for check in [*containers.CHECKS, program.probes, program.watched, whole_has_all, monitoring_has_all]]
    kubectl = shutil.which("kubectl")
    for name, found in renderings().items():
        for check in objects.CHECKS:
            checks.append((f"{name}: {check.__name__}", lambda check=check, found=found: check(found)))
        if kubectl:
            checks.append((f"{name}: as kubectl renders it", lambda name=name, found=found: as_kubectl(name, found)))
    failed = 0
    for name, check in checks:
        try:
            check()
        except Exception as wrong:  # a manifest that a check cannot even read
            failed += 1
            print(f"FAILED {name}: {wrong!r}" if not isinstance(wrong, Wrong) else f"FAILED {name}: {wrong}")
    if not kubectl:
        print("no kubectl here: rendered by tests/manifests/render.py alone")
    print(f"manifests: {len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
