#!/usr/bin/env bash
# Checks what operators watch: alerts, dashboards, and the figures of a real node, with Prometheus' own parsers.
#
#   tests/watch/run.sh PROGRAM
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
venv=${CARGO_TARGET_DIR:-target}/watch-venv
if ! cmp -s tests/watch/requirements.txt "$venv/installed.txt"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/watch/requirements.txt
  cp tests/watch/requirements.txt "$venv/installed.txt"
fi
node deploy/grafana/make.mjs --check
exec "$venv/bin/python" -B tests/watch/check.py "$program"
