"""Checks deploy/prometheus and deploy/grafana, and what a node answers at /metrics, with the parsers that
Prometheus' own projects use. Names of figures are checked beside the code (node/src/metrics/used.rs).

    check.py PROGRAM"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import promql_parser
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

DEPLOY = pathlib.Path("deploy")
OPEN = "application/openmetrics-text; version=1.0.0"
DURATION = re.compile(r"^\d+[smhd]$")
SEVERITIES = {"info", "warning", "critical"}


def hold(fact, message):
    if not fact:
        sys.exit(f"tests/watch: {message}")


def parse(expression, where):
    # Grafana puts these in before it asks.
    bare = expression.replace("$__rate_interval", "1m")
    try:
        promql_parser.parse(bare)
    except ValueError as error:
        hold(False, f"{where}: {error}: {expression}")


def rules():
    groups = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    for rule in found:
        name = rule["alert"]
        parse(rule["expr"], name)
        hold(DURATION.match(str(rule["for"])), f"{name}: for {rule['for']}")
        hold(rule["labels"]["severity"] in SEVERITIES, f"{name}: severity")
    names = [rule["alert"] for rule in found]
    hold(len(set(names)) == len(names), "an alert is there twice")
    return len(found)


def dashboards():
    found = 0
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                parse(target["expr"], f"{path.name}, {panel['title']}")
                found += 1
    return found


def free_ports(count):
    """So many ports in a row that nobody has."""
    for first in range(24_443, 30_000, 16):
        try:
            for port in range(first, first + count):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    sys.exit("tests/watch: no free ports")


def ask(url, accept):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def figures(program):
    """What a node of two answers, in both formats."""
    port = free_ports(2)
    with tempfile.TemporaryFile() as log:
        command = [program, "dev", "--nodes", "2", "--port", str(port)]
        node = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://localhost:{port}/metrics"
            end = time.monotonic() + 30
            while True:
                hold(time.monotonic() < end and node.poll() is None, "no second node within 30 s")
                try:
                    _, text = ask(url, "*/*")
                    if "starling_link_rtt_seconds{" in text:
                        break
                except OSError:
                    pass
                time.sleep(0.1)
            kind, opened = ask(url, OPEN)
            hold(kind.startswith("application/openmetrics-text; version=1.0.0"), f"Content-Type {kind}")
            families = {family.name: family for family in open_metrics(opened)}
            plain = {family.name for family in prometheus(text)}
            # The reader of the older format names counters without _total, too.
            hold(set(families) == plain, f"formats differ: {set(families) ^ plain}")
            hold(families["starling_link_rtt_seconds"].unit == "seconds", "a link's round trip has no unit")
            return len(families)
        finally:
            node.terminate()
            node.wait(10)


def main():
    alerts, panels, families = rules(), dashboards(), figures(sys.argv[1])
    print(f"tests/watch: {alerts} alerts, {panels} expressions of dashboards, {families} figures of a node")


main()
