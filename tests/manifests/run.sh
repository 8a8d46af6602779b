#!/usr/bin/env bash
# Checks deploy/ and k8s/ without a cluster, a container engine or, once installed, a network.
#
#   tests/manifests/run.sh PROGRAM    the starling whose settings the manifests must fit
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
exec tests/manifests/python.sh tests/manifests/check.py "$program"
