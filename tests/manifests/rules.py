"""The alert rules as the Prometheus operator reads them: what deploy/prometheus/rules.yaml has, wrapped.

    rules.py    writes k8s/components/monitoring/prometheusrule.yaml"""

import pathlib

import yaml

RULES = pathlib.Path("deploy/prometheus/rules.yaml")
WRAPPED = pathlib.Path("k8s/components/monitoring/prometheusrule.yaml")
HEAD = "# Made of deploy/prometheus/rules.yaml by tests/manifests/rules.py.\n"


def wrapped():
    one = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "starling", "labels": {"app.kubernetes.io/name": "starling"}},
        "spec": yaml.safe_load(RULES.read_text()),
    }
    return HEAD + yaml.safe_dump(one, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    WRAPPED.write_text(wrapped())
