#!/usr/bin/env bash
# Draws what the bandwidth suite measured: target/reports/*.series.json to docs/img/*.png.
set -euo pipefail
cd "$(dirname "$0")/../../.."
venv=${CARGO_TARGET_DIR:-target}/plots-venv
if ! "$venv/bin/python" -c 'import matplotlib' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/e2e/plots/requirements.txt
fi
exec "$venv/bin/python" -B tests/e2e/plots/plot.py target/reports docs/img
