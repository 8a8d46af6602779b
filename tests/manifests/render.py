"""Renders the kustomizations of k8s/ where there is no kubectl: the part of kustomize that they use
(resources, components, namespace, images, patches by JSON 6902 and by strategic merge, config maps of files), and no
more.
Where kubectl is there, check.py holds this equal to it.

    render.py FOLDER    prints the objects as JSON"""

import copy
import json
import pathlib
import sys

import yaml

KNOWN = {"apiVersion", "kind", "namespace", "resources", "components", "images", "patches", "configMapGenerator", "generatorOptions"}
CLUSTER_WIDE = {"Namespace", "PriorityClass"}
# By what strategic merge tells the entries of a list apart.
KEYS = {
    "containers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}


def render(folder):
    """All objects of a kustomization."""
    return _render(pathlib.Path(folder), [])


def _render(folder, objects):
    text = (folder / "kustomization.yaml").read_text()
    kustomization = yaml.safe_load(text)
    unknown = set(kustomization) - KNOWN
    if unknown:
        raise ValueError(f"{folder}: render.py does not know {sorted(unknown)}")
    for entry in kustomization.get("resources", []):
        path = folder / entry
        if path.is_dir():
            objects = objects + _render(path, [])
        else:
            objects = objects + [one for one in yaml.safe_load_all(path.read_text()) if one]
    for entry in kustomization.get("configMapGenerator", []):
        objects = objects + [_config_map(folder, entry, kustomization.get("generatorOptions", {}))]
    for entry in kustomization.get("components", []):
        objects = _render(folder / entry, objects)
    for patch in kustomization.get("patches", []):
        objects = _patched(folder, patch, objects)
    for image in kustomization.get("images", []):
        _set_image(image, objects)
    if "namespace" in kustomization:
        for one in objects:
            if one["kind"] not in CLUSTER_WIDE:
                one["metadata"]["namespace"] = kustomization["namespace"]
    return objects


def _config_map(folder, entry, options):
    if not options.get("disableNameSuffixHash"):
        raise ValueError(f"{folder}: render.py does not know names with a hash")
    data = {name: (folder / name).read_text() for name in entry["files"]}
    metadata = {"name": entry["name"], "labels": options["labels"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _patched(folder, patch, objects):
    text = patch["patch"] if "patch" in patch else (folder / patch["path"]).read_text()
    change = yaml.safe_load(text)
    if isinstance(change, list):
        kind, name = patch["target"]["kind"], patch["target"]["name"]
    else:
        kind, name = change["kind"], change["metadata"]["name"]
    found = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    if len(found) != 1:
        raise ValueError(f"{folder}: a patch for {kind} {name} meets {len(found)} objects")
    merged = copy.deepcopy(found[0])
    if isinstance(change, list):
        for operation in change:
            _operate(merged, operation)
    else:
        merged = _merge(merged, change, "")
    return [merged if one is found[0] else one for one in objects]


def _operate(target, operation):
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    for part in way:
        target = target[int(part)] if isinstance(target, list) else target[part]
    if isinstance(target, list):
        last = len(target) if last == "-" else int(last)
    match operation["op"]:
        case "add" if isinstance(target, list):
            target.insert(last, operation["value"])
        case "add":
            target[last] = operation["value"]
        case "replace":
            target[last]  # must be there
            target[last] = operation["value"]
        case "remove":
            del target[last]
        case other:
            raise ValueError(f"render.py does not know the operation {other}")


def _merge(base, change, name):
    if isinstance(base, dict) and isinstance(change, dict):
        merged = dict(base)
        for key, value in change.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = _merge(base[key], value, key) if key in base else value
        return merged
    if isinstance(base, list) and isinstance(change, list) and name in KEYS:
        return _merge_lists(base, change, KEYS[name])
    return change


def _merge_lists(base, change, key):
    known = {entry[key]: entry for entry in base}
    first = []
    touched = set()
    for entry in change:
        touched.add(entry[key])
        if entry.get("$patch") == "delete":
            continue
        old = known.get(entry[key])
        first.append(_merge(old, entry, "") if old else entry)
    return first + [entry for entry in base if entry[key] not in touched]


def _set_image(image, objects):
    for one in objects:
        pod = one.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            if container["image"].split(":")[0] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"


if __name__ == "__main__":
    json.dump(render(sys.argv[1]), sys.stdout)
