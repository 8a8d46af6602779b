#!/usr/bin/env bash
# Draws what the suites bandwidth and chaos measured: target/reports/*.series.json to docs/img/*.png.
set -euo pipefail
cd "$(dirname "$0")/../../.."
venv=${CARGO_TARGET_DIR:-target}/plots-venv
if ! "$venv/bin/python" -c 'import matplotlib' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/e2e/plots/requirements.txt
fi
for script in plot chaos; do
  "$venv/bin/python" -B "tests/e2e/plots/$script.py" target/reports docs/img
done
