#!/usr/bin/env bash
# Python with what the checks need, in an environment under target/ that is made once.
#
#   tests/manifests/python.sh SCRIPT [ARGUMENT...]
set -euo pipefail
here=$(dirname "$0")
venv=${CARGO_TARGET_DIR:-$here/../../target}/manifests-venv
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi
exec "$venv/bin/python" -B "$@"
