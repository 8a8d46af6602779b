#!/usr/bin/env python3
"""What is inside of the program, as a CycloneDX 1.6 list: the crates that are linked in, and the packages that the
embedded pages are made of. Only from what lock files say, so that the same sources give the same list.

    deploy/sbom.py    in the checkout, with cargo on the PATH; prints the list
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

PROGRAM = "starling-node"
# As the image is built.
FEATURES = "otel"


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def target():
    return re.search(r"^host: (.*)$", output("rustc", "-vV"), re.M)[1]


def crates():
    """What cargo links into the program: {(name, version): component}, and {(name, version): what it needs}."""
    words = ["cargo", "tree", "--locked", "-p", PROGRAM, "--features", FEATURES]
    words += ["-e", "normal", "--target", target(), "--prefix", "depth"]
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text())
    sums = {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}
    made, needs, above = {}, {}, []
    for line in output(*words, "--format", "|{p}|{l}|{r}").splitlines():
        depth, package, licence, repository = re.match(r"(\d+)\|([^|]*)\|([^|]*)\|(\S*)", line).groups()
        name, version = re.match(r"(\S+) v(\S+)", package).groups()
        key = (name, version)
        made[key] = component("cargo", name, version, licence, sums[key], repository)
        needs.setdefault(key, set())
        del above[int(depth):]
        if above:
            needs[above[-1]].add(key)
        above.append(key)
    return made, needs


def component(kind, name, version, licence, sha256=None, repository=None):
    purl = f"pkg:{kind}/{name.replace('@', '%40')}@{version}"
    one = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence:
        # Old manifests write `/` for OR.
        one["licenses"] = [{"expression": licence.replace("/", " OR ")}]
    if sha256:
        one["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    if repository:
        one["externalReferences"] = [{"type": "vcs", "url": repository}]
    return one


def web():
    """What pages are bundled of: dependencies that are not only for making or testing them."""
    lock = json.loads(pathlib.Path("node/web/package-lock.json").read_text())
    there = [(path, package) for path, package in lock["packages"].items() if path.startswith("node_modules/")]
    return [
        component("npm", path.split("node_modules/")[-1], package["version"], package.get("license"))
        for path, package in there if not package.get("dev") and not package.get("link")
    ]


def bom():
    made, needs = crates()
    (root,) = [key for key in made if key[0] == PROGRAM]
    program = {**made.pop(root), "type": "application", "name": "starling"}
    refs = {key: one["bom-ref"] for key, one in made.items()} | {root: program["bom-ref"]}
    depends = [{"ref": refs[key], "dependsOn": sorted(refs[to] for to in needs[key])} for key in needs]
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": program},
        "components": sorted([*made.values(), *web()], key=lambda one: one["bom-ref"]),
        "dependencies": sorted(depends, key=lambda one: one["ref"]),
    }
    # Named by what it says: the same list has the same number.
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{number}", **content}


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    json.dump(bom(), sys.stdout, indent=1)
    print()
