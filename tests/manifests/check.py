"""Checks k8s/ and deploy/ offline: Kubernetes' schemas, what the schemas cannot see (references between
objects, ports, settings), and that the program takes every setting it is given.

    check.py PROGRAM"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import kubernetes_validate
import yaml

import render

PROGRAM = sys.argv[1]
K8S = pathlib.Path("k8s")
DEPLOY = pathlib.Path("deploy")
# The oldest that still gets fixes, and the newest whose schemas are in the wheel.
VERSIONS = ["1.34", "1.37"]
# Of operators that bring their own schemas.
FOREIGN = {"ServiceMonitor"}
INSTALLED_AT = "/usr/local/bin/starling"
QUANTITY = re.compile(r"^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?$")
REFERENCE = re.compile(r"\$\(([A-Z_]+)\)")


class Wrong(Exception):
    """What a check says when it does not hold."""


def hold(fact, message):
    if not fact:
        raise Wrong(message)


# --- rendering -------------------------------------------------------------------------------------------


def renderings():
    """Every overlay, and one with every component on top: {name: objects}."""
    found = {path.parent.name: render.render(path.parent) for path in sorted(K8S.glob("overlays/*/kustomization.yaml"))}
    with everything() as folder:
        found["hostport with components"] = render.render(folder)
    return found


@contextlib.contextmanager
def everything():
    """A kustomization of hostport and all components, beside the sources because paths are relative."""
    with tempfile.TemporaryDirectory(dir=K8S, prefix=".check-") as folder:
        components = [f"../components/{path.name}" for path in sorted((K8S / "components").iterdir())]
        text = yaml.safe_dump({"resources": ["../overlays/hostport"], "components": components, "namespace": "starling"})
        (pathlib.Path(folder) / "kustomization.yaml").write_text(text)
        yield pathlib.Path(folder)


def same_as_kubectl(name, objects):
    def by_name(objects):
        return {(one["kind"], one["metadata"]["name"]): one for one in objects}

    with contextlib.ExitStack() as stack:
        folder = K8S / "overlays" / name
        if " " in name:
            folder = stack.enter_context(everything())
        output = subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True)
    theirs, ours = by_name(yaml.safe_load_all(output.stdout)), by_name(objects)
    hold(theirs.keys() == ours.keys(), f"kubectl renders {theirs.keys() ^ ours.keys()} besides")
    for key, one in theirs.items():
        hold(one == ours[key], f"{key}: kubectl renders\n{yaml.safe_dump(one)}\nrender.py\n{yaml.safe_dump(ours[key])}")


# --- Kubernetes ------------------------------------------------------------------------------------------


def schemas(objects):
    for one in objects:
        if one["kind"] in FOREIGN:
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                raise Wrong(f"{one['kind']} {one['metadata']['name']} ({version}): {error.message}") from error


def of(objects, *kinds):
    return [one for one in objects if one["kind"] in kinds]


def workloads(objects):
    return of(objects, "StatefulSet", "Deployment")


def the_node(objects):
    (found,) = of(objects, "StatefulSet")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return found, container


def selectors(objects):
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in workloads(objects)]

    def meets(selector):
        return any(selector.items() <= labels.items() for labels in pods)

    for one in workloads(objects):
        labels = one["spec"]["template"]["metadata"]["labels"]
        hold(one["spec"]["selector"]["matchLabels"].items() <= labels.items(), f"{one['kind']} does not select its pods")
    for one in of(objects, "Service"):
        hold(meets(one["spec"]["selector"]), f"Service {one['metadata']['name']} selects no pod")
    for one in of(objects, "PodDisruptionBudget"):
        hold(meets(one["spec"]["selector"]["matchLabels"]), "the disruption budget guards no pod")
    for one in of(objects, "NetworkPolicy"):
        hold(meets(one["spec"]["podSelector"]["matchLabels"]), "a network policy guards no pod")
    for one in of(objects, "ServiceMonitor"):
        labels = one["spec"]["selector"]["matchLabels"]
        services = [s for s in of(objects, "Service") if labels.items() <= s["metadata"]["labels"].items()]
        hold(len(services) == 1, f"the ServiceMonitor selects {len(services)} services, so nodes are scraped as often")
        ports = {port["name"] for port in services[0]["spec"]["ports"]}
        hold(all(end["port"] in ports for end in one["spec"]["endpoints"]), "the ServiceMonitor's port is none")
    names = {one["metadata"]["name"] for one in of(objects, "StatefulSet", "Deployment")}
    for one in of(objects, "HorizontalPodAutoscaler"):
        hold(one["spec"]["scaleTargetRef"]["name"] in names, "the autoscaler scales nothing")
    for one in of(objects, "StatefulSet"):
        services = {s["metadata"]["name"]: s for s in of(objects, "Service")}
        headless = services.get(one["spec"]["serviceName"])
        hold(headless and headless["spec"].get("clusterIP") == "None", "serviceName names no headless service")
        hold(headless["spec"].get("publishNotReadyAddresses"), "draining nodes would lose their names")
        pod = one["spec"]["template"]["spec"]
        accounts = {a["metadata"]["name"] for a in of(objects, "ServiceAccount")}
        classes = {c["metadata"]["name"] for c in of(objects, "PriorityClass")}
        hold(pod["serviceAccountName"] in accounts, "no such service account")
        hold(pod["priorityClassName"] in classes, "no such priority class")


def ports(objects):
    for one in workloads(objects):
        for container in one["spec"]["template"]["spec"]["containers"]:
            own = container["ports"]
            hold(len({port["name"] for port in own}) == len(own), "two ports of one name")
            hold(len({(port["containerPort"], port["protocol"]) for port in own}) == len(own), "a port twice")
            for port in own:
                hold(0 < port["containerPort"] < 65536 and len(port["name"]) <= 15, f"{port}")
                hold(port.get("hostPort", port["containerPort"]) == port["containerPort"], f"{port}: announced as the other")
            known = {(port["name"], port["protocol"]) for port in own}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe in container:
                    hold((container[probe]["httpGet"]["port"], "TCP") in known, f"{probe}: no such port")
    for service in of(objects, "Service"):
        (pods,) = [
            one for one in workloads(objects)
            if service["spec"]["selector"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        (container,) = pods["spec"]["template"]["spec"]["containers"]
        known = {(port["name"], port["protocol"]) for port in container["ports"]}
        for port in service["spec"]["ports"]:
            hold((port["targetPort"], port["protocol"]) in known, f"{service['metadata']['name']}: {port} leads nowhere")
    for policy in of(objects, "NetworkPolicy"):
        selector = policy["spec"]["podSelector"]["matchLabels"]
        (pods,) = [o for o in workloads(objects) if selector.items() <= o["spec"]["template"]["metadata"]["labels"].items()]
        (container,) = pods["spec"]["template"]["spec"]["containers"]
        opened = set()
        for rule in policy["spec"]["ingress"]:
            for port in rule["ports"]:
                last = port.get("endPort", port["port"])
                span = range(port["port"], last + 1) if isinstance(port["port"], int) else [port["port"]]
                opened |= {(number, port["protocol"]) for number in span}
        for port in container["ports"]:
            either = {(port["name"], port["protocol"]), (port["containerPort"], port["protocol"])}
            hold(either & opened, f"{policy['metadata']['name']}: port {port['name']} is shut")


def volumes(objects):
    for one in workloads(objects):
        pod = one["spec"]["template"]["spec"]
        names = {volume["name"] for volume in pod.get("volumes", [])}
        for container in pod["containers"]:
            mounts = container.get("volumeMounts", [])
            hold({mount["name"] for mount in mounts} == names, f"mounted {mounts}, there are {names}")
            hold(len({mount["mountPath"] for mount in mounts}) == len(mounts), "two volumes at one place")
            paths = tuple(mount["mountPath"] + "/" for mount in mounts)
            for entry in container.get("env", []):
                value = entry.get("value", "")
                hold(not value.startswith("/") or value.startswith(paths), f"{entry}: no volume has it")


def hardened(objects):
    for one in workloads(objects):
        pod = one["spec"]["template"]["spec"]
        context = pod["securityContext"]
        hold(context["runAsNonRoot"] and context["runAsUser"] > 0, "runs as root")
        hold(context["seccompProfile"] == {"type": "RuntimeDefault"}, "no seccomp profile")
        hold(pod["automountServiceAccountToken"] is False, "has a token it needs not")
        for container in pod["containers"]:
            inner = container["securityContext"]
            hold(inner["allowPrivilegeEscalation"] is False, "may become more")
            hold(inner["readOnlyRootFilesystem"] is True, "may write its image")
            hold(inner["capabilities"] == {"drop": ["ALL"]}, "has capabilities")
            hold(":" in container["image"] and not container["image"].endswith(":latest"), "an image without a version")
            for amounts in container["resources"].values():
                for amount in amounts.values():
                    hold(QUANTITY.match(str(amount)), f"{amount} is no quantity")


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def drains(objects):
    one, container = the_node(objects)
    grace = one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    deadline = seconds(command[command.index("--deadline") + 1])
    own = seconds(values(container)["STARLING_DRAIN_DEADLINE"])
    hold(max(deadline, own) + 20 <= grace <= 600, f"drains for {deadline} and {own} s, has {grace} s")
    hold(command[0] == INSTALLED_AT and "--wait" in command, f"{command}")
    hold(takes(command[1:], {"STARLING_ID": "starling-0", "STARLING_SERVER": "http://127.0.0.1:1"}), f"{command}")


# --- settings --------------------------------------------------------------------------------------------


def values(container):
    """The environment as the kubelet makes it: a reference reaches what stands above it."""
    known = {}
    for entry in container.get("env", []):
        if "value" in entry:
            for name in REFERENCE.findall(entry["value"]):
                hold(name in known, f"{entry['name']} refers to {name}, which does not stand above it")
            known[entry["name"]] = REFERENCE.sub(lambda found: known[found[1]], entry["value"])
        else:
            field = entry["valueFrom"]["fieldRef"]["fieldPath"]
            known[entry["name"]] = {"metadata.name": "starling-0"}.get(field, "192.0.2.10")
    return known


def settings(objects):
    _, container = the_node(objects)
    env = values(container)
    hold(container["args"] == ["node"], f"{container['args']}")
    numbers = {}
    for port in container["ports"]:
        numbers.setdefault(port["name"].rstrip("-0123456789"), []).append(port["containerPort"])
    workers = int(env["STARLING_WORKERS"])
    first = int(env["STARLING_RTC_PORT"])
    # Over TCP the same numbers, where a port has to be named to be reached.
    for media in (numbers["media"], numbers.get("media-tcp", numbers["media"])):
        hold(media == list(range(first, first + workers)), f"{workers} workers on {media}")
    hold(str(workers) == container["resources"]["limits"]["cpu"], f"{workers} workers, {container['resources']}")
    for name, key in [("http", "LISTEN"), ("admin", "ADMIN_LISTEN"), ("link", "LINK_LISTEN"), ("link", "LINK_ANNOUNCE")]:
        hold(numbers[name] == [int(env[f"STARLING_{key}"].rsplit(":")[-1])], f"{name} is {numbers[name]}, {key} another")
    scheme = "https" if "STARLING_TLS_CERT" in env else "http"
    hold(env["STARLING_API_URL"].startswith(f"{scheme}://"), f"{env['STARLING_API_URL']} is served as {scheme}")
    accepted(env, ["node"])


def accepted(env, command):
    """The program finds one mistake in these settings: the one put there to keep it from starting."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        for key, path in env.items():
            if path.startswith("/etc/starling/"):
                file = place / path.removeprefix("/etc/starling/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(os.urandom(32).hex())
        env = {key: value.replace("/etc/starling", folder) for key, value in env.items()}
        unknown = [key for key in env if key.startswith("STARLING_") and key not in VARIABLES]
        hold(not unknown, f"the program does not know {unknown}")
        env |= {"STARLING_LOG_FORMAT": "on-purpose", "PATH": os.environ["PATH"]}
        command = [word.replace("/etc/starling", folder) for word in command]
        output = subprocess.run([PROGRAM, *command], env=env, capture_output=True, text=True, timeout=30)
        told = output.stderr.strip().splitlines()
        hold(output.returncode == 2, f"ended with {output.returncode}: {told}")
        hold(len(told) == 1 and "log_format" in told[0], "\n".join(told))


def variables():
    known = set()
    for words in (["node"], ["nodes", "drain"]):
        output = subprocess.run([PROGRAM, *words, "--help"], check=True, capture_output=True, text=True)
        known |= set(re.findall(r"\[env: (STARLING_[A-Z_]+)", output.stdout))
    secrets = {name.removesuffix("_FILE") for name in known if name.endswith("_FILE")}
    return known | secrets | {"STARLING_CONFIG"}


def takes(words, env):
    """Whether the command line is one: it goes on to ask a server that is not there."""
    env = env | {"PATH": os.environ["PATH"], "STARLING_TOKEN": "x"}
    output = subprocess.run([PROGRAM, *words], env=env, capture_output=True, text=True, timeout=30)
    return output.returncode == 5


# --- deploy/ ---------------------------------------------------------------------------------------------


def compose():
    text = (DEPLOY / "compose.yaml").read_text()
    text = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
    file = yaml.safe_load(text)
    nodes = {name: one for name, one in file["services"].items() if name != "etcd"}
    hold(len(nodes) == 3, "three nodes")
    taken = set()
    for name, one in nodes.items():
        env = one["environment"]
        hold(env["STARLING_ID"] == name, f"{name} calls itself {env['STARLING_ID']}")
        for key in ("LISTEN", "LINK_LISTEN"):
            address = (key, env[f"STARLING_{key}"])
            hold(address not in taken, f"{address} twice")
            taken.add(address)
        media = range(int(env["STARLING_RTC_PORT"]), int(env["STARLING_RTC_PORT"]) + int(env["STARLING_WORKERS"]))
        hold(not taken & set(media), f"{name}: media ports of another")
        taken |= set(media)
        hold(env["STARLING_SERVER"].endswith(env["STARLING_LISTEN"]), f"{name}: its health is asked elsewhere")
        hold(env["STARLING_ETCD"] == "http://127.0.0.1:2379", "etcd listens elsewhere")
        test = one["healthcheck"]["test"]
        hold(test[:2] == ["CMD", INSTALLED_AT] and takes(test[2:], {"STARLING_SERVER": "http://127.0.0.1:1"}), f"{test}")
        hold(one["read_only"] and one["cap_drop"] == ["ALL"] and one["user"] != "0:0", f"{name} is not hardened")
        grace = seconds(one["stop_grace_period"])
        hold(seconds(env["STARLING_DRAIN_DEADLINE"]) + 10 <= grace, f"{name} is killed while it drains")
        hold(all(other in file["services"] for other in one["depends_on"]), f"{one['depends_on']}")
        for volume in one["volumes"]:
            source = volume.split(":")[0]
            hold(source.startswith("./") or source in file["volumes"], f"{volume}")
        accepted(env, ["node"])


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
        wanted |= {f"link/{node}.{end}" for node in ("n-1", "n-2") for end in ("pem", "key")}
        hold(made == wanted, f"made {sorted(made)}")
        hold(len((pathlib.Path(folder) / "s/token-secret").read_text()) == 64, "a short secret")


# --- the program -----------------------------------------------------------------------------------------


def probes():
    """What probes and the scraper ask is served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = f"http://127.0.0.1:{port}"
    command = [PROGRAM, "dev", "--port", str(port), "--host", "127.0.0.1", "--workers", "1", "--admin-token", "a" * 8 + os.urandom(16).hex()]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as node:
        try:
            for path in ("/livez", "/readyz", "/metrics"):
                body = asked(server + path)
                hold(path != "/metrics" or "starling_stress" in body, "no starling_stress to scale by")
        finally:
            node.terminate()
            node.wait(timeout=20)


def asked(url):
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise Wrong(f"{url}: {error}") from error
        except OSError:
            pass
        time.sleep(0.1)
    raise Wrong(f"{url} was not answered with 200 in 10 s")


VARIABLES = variables()


def main():
    rendered = renderings()
    checks = [("the Dockerfile", dockerfile), ("compose.yaml", compose), ("starling.service", unit)]
    checks += [("starling.toml", example), ("secrets.sh", secrets), ("probes", probes)]
    kubectl = shutil.which("kubectl")
    for name, objects in rendered.items():
        for check in (schemas, selectors, ports, volumes, hardened, drains, settings):
            checks.append((f"{name}: {check.__name__}", lambda check=check, objects=objects: check(objects)))
        if kubectl:
            checks.append((f"{name}: as kubectl renders it", lambda name=name, objects=objects: same_as_kubectl(name, objects)))
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
