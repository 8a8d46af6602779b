#!/usr/bin/env bash
# Checks deploy/ and k8s/ without a cluster, a container engine or, once installed, a network.
#
#   tests/manifests/run.sh PROGRAM    the starling whose settings the manifests must fit
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
venv=${CARGO_TARGET_DIR:-target}/manifests-venv
if ! "$venv/bin/python" -c 'import kubernetes_validate' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/manifests/requirements.txt
fi
exec "$venv/bin/python" -B tests/manifests/check.py "$program"
