#!/usr/bin/env bash
# Asks a node whatever its own description allows, and much that it does not: nothing may be answered with an
# error of the server, nor with a status or a body that the description does not have.
#
#   tests/api/run.sh PROGRAM [CASES]    about so many requests (default 2,000)
set -euo pipefail
program=$(realpath "$1")
cases=${2:-2000}
cd "$(dirname "$0")/../.."
venv=${CARGO_TARGET_DIR:-target}/api-venv
if ! cmp -s tests/api/requirements.txt "$venv/installed.txt"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/api/requirements.txt
  cp tests/api/requirements.txt "$venv/installed.txt"
fi
exec "$venv/bin/python" -B tests/api/fuzz.py "$program" "$cases"
