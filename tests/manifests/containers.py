"""Checks deploy/: what Docker, compose and systemd run."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from objects import INSTALLED_AT
from program import accepted, hold, PROGRAM, seconds, takes, VARIABLES

DEPLOY = pathlib.Path("deploy")


def compose():
    """As docker compose itself reads it, once as it stands and once for an address of the machine."""
    for host in (None, "192.0.2.7"):
        env = os.environ | ({"STARLING_HOST": host} if host else {})
        command = ["docker-compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--format", "json"]
        command[0] = str(pathlib.Path(sys.executable).with_name(command[0]))
        read = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
        hold("warning" not in read.stderr, read.stderr)
        composed(json.loads(read.stdout), host or "127.0.0.1")


def composed(file, host):
    services = file["services"]
    nodes = {name: one for name, one in services.items() if name.startswith("node-")}
    hold(len(nodes) == 3, "three nodes")
    taken = set()
    for name, one in nodes.items():
        env = one["environment"]
        hold(env["STARLING_ID"] == name, f"{name} calls itself {env['STARLING_ID']}")
        for key in ("LISTEN", "LINK_LISTEN", "ADMIN_LISTEN"):
            address = (key, env[f"STARLING_{key}"])
            hold(address not in taken, f"{address} twice")
            taken.add(address)
        media = range(int(env["STARLING_RTC_PORT"]), int(env["STARLING_RTC_PORT"]) + int(env["STARLING_WORKERS"]))
        hold(not taken & set(media), f"{name}: media ports of another")
        taken |= set(media)
        hold(env["STARLING_SERVER"] == f"http://{env['STARLING_ADMIN_LISTEN']}", f"{name}: its health is asked elsewhere")
        hold(env["STARLING_ADMIN_LISTEN"].startswith("127.0.0.1:"), f"{name}: anybody reaches its REST API")
        hold(env["STARLING_ETCD"] == "http://127.0.0.1:2379", "etcd listens elsewhere")
        test = one["healthcheck"]["test"]
        hold(test[:2] == ["CMD", INSTALLED_AT] and takes(test[2:], {"STARLING_SERVER": "http://127.0.0.1:1"}), f"{test}")
        grace = compound(one["stop_grace_period"])
        hold(seconds(env["STARLING_DRAIN_DEADLINE"]) + 10 <= grace, f"{name} is killed while it drains")
        hold(all(server.startswith(f"turn:{host}:3478?") for server in env["STARLING_ICE_SERVERS"].split(",")), "another TURN")
        accepted(env, ["node"])
    for name, one in services.items():
        hold(":" in one["image"] and not one["image"].endswith(":latest"), f"{name}: an image without a version")
        hold("healthcheck" in one, f"{name} has no health check")
        if name != "etcd":
            hold(one["read_only"] and one["cap_drop"] == ["ALL"] and one.get("user") != "0:0", f"{name} is not hardened")
        for volume in one.get("volumes", []):
            own = volume["type"] == "bind" and DEPLOY.resolve() in pathlib.Path(volume["source"]).parents
            hold(own or volume["source"] in file["volumes"], f"{name}: {volume}")
    relayed = [word.partition("=")[2] for word in services["turn"]["command"] if word.startswith("--allowed-peer-ip")]
    hold(relayed == [host], f"the TURN server relays to {relayed}")
    scraped = yaml.safe_load(file["configs"]["prometheus"]["content"])["scrape_configs"][0]["static_configs"][0]["targets"]
    hold(set(scraped) == {one["environment"]["STARLING_ADMIN_LISTEN"] for one in nodes.values()}, f"scrapes {scraped}")
    for name in ("datasources", "dashboards"):
        yaml.safe_load(file["configs"][name]["content"])


def compound(text):
    """1m10s, as docker compose writes it."""
    return sum(seconds(part) for part in re.findall(r"\d+(?:ms|s|m|h)", text))


def sbom():
    """The list of what is in the program is CycloneDX, the same each time, and true by what else cargo says."""
    made = [subprocess.run([sys.executable, DEPLOY / "sbom.py"], check=True, capture_output=True, text=True).stdout for _ in range(2)]
    hold(made[0] == made[1], "two lists of the same sources differ")
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(made[0])
    hold(wrong is None, f"{wrong}")
    parts = json.loads(made[0])["components"]
    listed = {(one["name"], one["version"]) for one in parts if one["purl"].startswith("pkg:cargo/")}
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    linked = reached(metadata, "starling-node")
    hold(listed <= linked, f"{listed - linked} are not linked in")
    # metadata has the features of all of the workspace, and all systems; what nodes need on this one is far more.
    hold({"tokio", "rustls", "quinn", "ractor", "starling-media"} <= {name for name, _ in listed}, "what nodes need is not listed")
    hold(not {"etcd-bin-vendored", "tempfile"} & {name for name, _ in listed}, "what tests need is listed")
    bare = [one["name"] for one in parts if not one.get("licenses")]
    hold(not bare, f"without a licence: {bare}")
    unsure = [one["name"] for one in parts if not one.get("hashes") and one["purl"].startswith("pkg:cargo/")]
    hold(all(name.startswith("starling-") or name in patched() for name in unsure), f"without a checksum: {unsure}")
    pages = {one["name"] for one in parts if one["purl"].startswith("pkg:npm/")}
    hold("mediasoup-client" in pages and "esbuild" not in pages, f"pages are made of {sorted(pages)}")


def patched():
    """Crates that are a folder of ours."""
    return re.findall(r"^(\S+) = \{ path = ", pathlib.Path("Cargo.toml").read_text(), re.M)


def reached(metadata, name):
    """{(name, version)} of all that a package needs to run, on any system and with any feature."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [id for id, package in packages.items() if package["name"] == name]
    found = set()
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting += [dep["pkg"] for dep in nodes[at]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    return {(packages[id]["name"], packages[id]["version"]) for id in found}


def dockerfile():
    lines = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text()).splitlines()
    stages, last = set(), None
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            image, _, stage = rest.partition(" AS ")
            hold(":" in image and not image.endswith(":latest"), f"{image} has no version")
            stages.add(stage)
            last = image
        if word == "COPY":
            parts = rest.split()
            if parts[0].startswith("--from="):
                hold(parts[0].removeprefix("--from=") in stages, f"{line}: no such stage")
            else:
                for source in parts[:-1]:
                    hold(pathlib.Path(source).exists(), f"{line}: {source} is not there")
        if word == "HEALTHCHECK":
            test = json.loads(rest.partition("CMD ")[2])
            hold(test[0] == INSTALLED_AT and takes(test[1:], {"STARLING_SERVER": "http://127.0.0.1:1"}), f"{test}")
        if word == "ENTRYPOINT":
            hold(rest == f'["{INSTALLED_AT}"]', line)
    hold(last.endswith(":nonroot"), f"{last} runs as root")
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text()
    members = re.search(r"^members = \[(.*)\]", pathlib.Path("Cargo.toml").read_text(), re.M)[1]
    for member in re.findall(r'"([a-z]+)"', members):
        hold(f"!{member}\n" in ignored, f"{member} is a member of the workspace and not in the context")


def unit():
    text = (DEPLOY / "starling.service").read_text()
    command = re.search(r"^ExecStart=(.*)$", text, re.M)[1].split()
    hold(command == [INSTALLED_AT, "node", "--config", "/etc/starling/starling.toml"], f"{command}")
    for name in re.findall(r"^Environment=(STARLING_[A-Z_]+)=", text, re.M):
        hold(name in VARIABLES, f"the program does not know {name}")
    hold(re.search(r"^Type=notify$", text, re.M) and re.search(r"^WatchdogSec=30$", text, re.M), "nobody watches it")
    hold(int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)[1]) > 150, "killed while it drains")
    if shutil.which("systemd-analyze"):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "starling.service"
            path.write_text(text.replace(INSTALLED_AT, PROGRAM))
            told = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True)
            own = [line for line in told.stderr.splitlines() if "starling.service" in line]
            hold(not own, "\n".join(own))


def example():
    """The example file is taken, with its paths led to files that are there."""
    text = (DEPLOY / "starling.toml").read_text()
    with tempfile.TemporaryDirectory() as folder:
        for path in re.findall(r'"/etc/starling/([^"]+)"', text):
            file = pathlib.Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(os.urandom(32).hex())
        config = pathlib.Path(folder) / "starling.toml"
        config.write_text(text.replace("/etc/starling", folder))
        accepted({}, ["node", "--config", str(config)])


def secrets():
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"STARLING": PROGRAM}
        for _ in range(2):  # the second call keeps what is there
            subprocess.run([DEPLOY / "secrets.sh", f"{folder}/s", "n-1", "n-2"], check=True, env=env, capture_output=True)
        made = {str(path.relative_to(f"{folder}/s")) for path in pathlib.Path(f"{folder}/s").rglob("*") if path.is_file()}
        wanted = {"cluster-secret", "token-secret", "admin-token", "authority/ca.key", "authority/ca.pem", "link/ca.pem"}
        wanted |= {"webhook-secret", "turn-secret", "turnserver.conf", "grafana-password"}
        wanted |= {f"link/{node}.{end}" for node in ("n-1", "n-2") for end in ("pem", "key")}
        hold(made == wanted, f"made {sorted(made)}")
        hold(len((pathlib.Path(folder) / "s/token-secret").read_text()) == 64, "a short secret")


def etcd_certificates():
    """One authority signs both; members are servers under all names they have, and keys are nobody else's to read."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):  # the second call keeps the authority
            subprocess.run([DEPLOY / "etcd-certificates.sh", f"{folder}/e", "ns"], check=True, capture_output=True)
        place = pathlib.Path(folder) / "e"
        for name in ("member", "client"):
            made = {path.name: path for path in (place / name).iterdir()}
            hold(made.keys() == {"ca.crt", "tls.crt", "tls.key"}, f"{name} has {sorted(made)}")
            hold(made["tls.key"].stat().st_mode & 0o007 == 0, f"{name}: anybody may read the key")
            openssl("verify", "-CAfile", place / "authority/ca.crt", made["tls.crt"])
        text = openssl("x509", "-in", place / "member/tls.crt", "-noout", "-ext", "subjectAltName,extendedKeyUsage")
        names = set(re.findall(r"DNS:([a-z0-9.-]+)", text))
        wanted = {f"etcd-{member}.etcd{end}" for member in range(3) for end in ("", ".ns.svc")}
        hold(wanted < names, f"a certificate for {names}")
        hold("Server Authentication" in text and "Client Authentication" in text, text)


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


CHECKS = [dockerfile, compose, sbom, unit, example, secrets, etcd_certificates]
