"""Checks Kubernetes' objects: by its schemas, and for what schemas cannot see, which is what objects say of each
other, of ports and of the program's settings."""

import re

import kubernetes_validate

from program import accepted, hold, seconds, takes, Wrong

# Those that still get fixes, and one more: kubernetes_validate brings their schemas.
VERSIONS = ["1.34", "1.35", "1.36", "1.37"]
# Of operators that bring their own schemas.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}
INSTALLED_AT = "/usr/local/bin/starling"
QUANTITY = re.compile(r"^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?$")
REFERENCE = re.compile(r"\$\(([A-Z_]+)\)")
# Kubernetes itself labels each pod of a StatefulSet with its name.
POD_NAME = "statefulset.kubernetes.io/pod-name"
# What the downward API fills in.
FIELDS = {
    "metadata.name": "starling-0",
    "status.hostIP": "192.0.2.10",
    "status.podIP": "192.0.2.11",
    "metadata.labels['topology.kubernetes.io/region']": "eu-1",
    "metadata.labels['topology.kubernetes.io/zone']": "eu-1a",
}


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
    (found,) = [one for one in of(objects, "StatefulSet") if one["metadata"]["name"] == "starling"]
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return found, container


def selected(objects, selector):
    """The one workload whose pods a selector means, or one pod of."""
    labels = {key: value for key, value in selector.items() if key != POD_NAME}
    found = [one for one in workloads(objects) if labels.items() <= one["spec"]["template"]["metadata"]["labels"].items()]
    hold(len(found) == 1, f"{selector} means {len(found)} workloads")
    if POD_NAME in selector:
        name, _, ordinal = selector[POD_NAME].rpartition("-")
        hold(name == found[0]["metadata"]["name"], f"{selector[POD_NAME]} is no pod of {found[0]['metadata']['name']}")
        hold(int(ordinal) < found[0]["spec"]["replicas"], f"{selector[POD_NAME]} is not among the replicas")
    return found[0]


def selectors(objects):
    for one in workloads(objects):
        labels = one["spec"]["template"]["metadata"]["labels"]
        hold(one["spec"]["selector"]["matchLabels"].items() <= labels.items(), f"{one['kind']} does not select its pods")
    for one in of(objects, "Service"):
        selected(objects, one["spec"]["selector"])
    for one in of(objects, "PodDisruptionBudget"):
        selected(objects, one["spec"]["selector"]["matchLabels"])
    for one in of(objects, "NetworkPolicy"):
        selected(objects, one["spec"]["podSelector"]["matchLabels"])
    for one in of(objects, "ServiceMonitor"):
        labels = one["spec"]["selector"]["matchLabels"]
        services = [s for s in of(objects, "Service") if labels.items() <= s["metadata"]["labels"].items()]
        hold(len(services) == 1, f"the ServiceMonitor selects {len(services)} services, so nodes are scraped as often")
        ports = {port["name"] for port in services[0]["spec"]["ports"]}
        hold(all(end["port"] in ports for end in one["spec"]["endpoints"]), "the ServiceMonitor's port is none")
    names = {one["metadata"]["name"] for one in workloads(objects)}
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


def one_namespace(objects):
    names = {one["metadata"].get("namespace") for one in objects if one["kind"] not in ("Namespace", "PriorityClass")}
    made = {one["metadata"]["name"] for one in of(objects, "Namespace")}
    hold(names == made and len(made) == 1, f"objects are in {names}, namespaces made are {made}")
    keys = [(one["kind"], one["metadata"]["name"]) for one in objects]
    hold(len(set(keys)) == len(keys), "an object twice")


def spread(objects):
    """Members of one set never share a machine, and a budget and a spread over zones guard each set."""
    for one in of(objects, "StatefulSet"):
        labels = one["spec"]["template"]["metadata"]["labels"]
        pod = one["spec"]["template"]["spec"]
        guards = [
            budget for budget in of(objects, "PodDisruptionBudget")
            if budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
        ]
        hold(len(guards) == 1 and guards[0]["spec"]["maxUnavailable"] == 1, f"{len(guards)} budgets")
        hold(guards[0]["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow", "a broken pod would keep a machine")
        zones = [s for s in pod["topologySpreadConstraints"] if s["topologyKey"] == "topology.kubernetes.io/zone"]
        hold(zones and zones[0]["labelSelector"]["matchLabels"].items() <= labels.items(), "not spread over zones")


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
        known = named(selected(objects, service["spec"]["selector"]))
        for port in service["spec"]["ports"]:
            hold((port["targetPort"], port["protocol"]) in known, f"{service['metadata']['name']}: {port} leads nowhere")


def named(workload):
    """{(port's name, protocol): number}"""
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return {(port["name"], port["protocol"]): port["containerPort"] for port in container["ports"]}


def opened(rules, known):
    found = set()
    for rule in rules:
        for port in rule["ports"]:
            first = known.get((port["port"], port["protocol"]), port["port"])
            hold(isinstance(first, int), f"{port}: no such port")
            found |= {(number, port["protocol"]) for number in range(first, port.get("endPort", first) + 1)}
    return found


def policies(objects):
    """Every port that a pod has is open to somebody, no other one is, and what nodes have to reach they may."""
    guarded = {}
    for policy in of(objects, "NetworkPolicy"):
        pods = selected(objects, policy["spec"]["podSelector"]["matchLabels"])
        guarded[pods["metadata"]["name"]] = policy
        known = named(pods)
        own = {(number, protocol) for (_, protocol), number in known.items()}
        inward = opened(policy["spec"]["ingress"], known)
        # dev has one worker, and the base's rule for four.
        more = {(number, protocol) for number in range(7000, 7004) for protocol in ("TCP", "UDP")}
        hold(own <= inward <= own | more, f"{policy['metadata']['name']}: {own ^ inward}")
    for one in workloads(objects):
        hold(one["metadata"]["name"] in guarded, f"{one['metadata']['name']} has no network policy")
    _, container = the_node(objects)
    env = values(container)
    policy = guarded["starling"]
    outward = opened(policy["spec"]["egress"], named(the_node(objects)[0]))
    etcd = {(int(url.rsplit(":", 1)[1]), "TCP") for url in env["STARLING_ETCD"].split(",")}
    api = {(int(env["STARLING_API_URL"].rsplit(":", 1)[1]), "TCP")}
    link = {(int(env["STARLING_LINK_ANNOUNCE"].rsplit(":", 1)[1]), "UDP")}
    names = {(53, "UDP"), (53, "TCP")}
    webhooks = {(443, "TCP")}
    hold(outward == etcd | api | link | names | webhooks, f"nodes may reach {sorted(outward)}")


def volumes(objects):
    for one in workloads(objects):
        pod = one["spec"]["template"]["spec"]
        claims = [claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])]
        names = {volume["name"] for volume in pod.get("volumes", [])} | set(claims)
        for container in pod["containers"]:
            mounts = container.get("volumeMounts", [])
            hold({mount["name"] for mount in mounts} == names, f"mounted {mounts}, there are {names}")
            hold(len({mount["mountPath"] for mount in mounts}) == len(mounts), "two volumes at one place")
            paths = tuple(mount["mountPath"] + "/" for mount in mounts)
            told = [entry.get("value", "") for entry in container.get("env", [])]
            told += [word.partition("=")[2] for word in container.get("command", [])]
            for value in told:
                hold(not value.startswith("/") or f"{value}/".startswith(paths), f"{value}: no volume has it")


def documented(objects):
    """Each secret that a pod needs is one that k8s/README.md says how to make."""
    text = open("k8s/README.md").read()
    for one in workloads(objects):
        for volume in one["spec"]["template"]["spec"].get("volumes", []):
            name = volume.get("secret", {}).get("secretName")
            hold(name is None or f"`{name}`" in text or f" {name} " in text, f"{name} is not in k8s/README.md")


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


def drains(objects):
    one, container = the_node(objects)
    grace = one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    deadline = seconds(command[command.index("--deadline") + 1])
    own = seconds(values(container)["STARLING_DRAIN_DEADLINE"])
    hold(max(deadline, own) + 20 <= grace <= 600, f"drains for {deadline} and {own} s, has {grace} s")
    hold(command[0] == INSTALLED_AT and "--wait" in command, f"{command}")
    hold(takes(command[1:], {"STARLING_ID": "starling-0", "STARLING_SERVER": "http://127.0.0.1:1"}), f"{command}")


def values(container):
    """The environment as the kubelet makes it: a reference reaches what stands above it."""
    known = {}
    for entry in container.get("env", []):
        if "value" in entry:
            for name in REFERENCE.findall(entry["value"]):
                hold(name in known, f"{entry['name']} refers to {name}, which does not stand above it")
            known[entry["name"]] = REFERENCE.sub(lambda found: known[found[1]], entry["value"])
        else:
            known[entry["name"]] = FIELDS[entry["valueFrom"]["fieldRef"]["fieldPath"]]
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
    # Over TCP the same numbers.
    for media in (numbers["media"], numbers["media-tcp"]):
        hold(media == list(range(first, first + workers)), f"{workers} workers on {media}")
    hold(str(workers) == container["resources"]["limits"]["cpu"], f"{workers} workers, {container['resources']}")
    for name, key in [("http", "LISTEN"), ("admin", "ADMIN_LISTEN"), ("link", "LINK_LISTEN"), ("link", "LINK_ANNOUNCE")]:
        hold(numbers[name] == [int(env[f"STARLING_{key}"].rsplit(":")[-1])], f"{name} is {numbers[name]}, {key} another")
    scheme = "https" if "STARLING_TLS_CERT" in env else "http"
    hold(env["STARLING_API_URL"].startswith(f"{scheme}://"), f"{env['STARLING_API_URL']} is served as {scheme}")
    accepted(env, ["node"])


CHECKS = [schemas, selectors, one_namespace, spread, ports, policies, volumes, documented, hardened, drains, settings]
