#!/usr/bin/env bash
# Installs what a target needs and this machine lacks: Debian packages, nothing else. What is there is
# left alone, so a second call costs milliseconds.
#
#   tests/setup.sh build      compilers' companions: protoc and its standard types (for etcd's client)
#   tests/setup.sh web        Node.js is only looked for: it comes from where its user likes
#   tests/setup.sh e2e        Chromium, ffmpeg, nftables, iproute2
#   tests/setup.sh k8s        Python with venv
#   tests/setup.sh plots      the same
set -euo pipefail

missing=()
# need COMMAND-OR-FILE PACKAGE
need() {
  command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] || missing+=("$2")
}

for part in "$@"; do
  case $part in
    build)
      if ! command -v cargo >/dev/null; then
        echo "setup: no Rust toolchain; install one with rustup (https://rustup.rs), 1.90 or newer" >&2
        exit 1
      fi
      need cc gcc
      need make make
      need protoc protobuf-compiler
      need /usr/include/google/protobuf/empty.proto libprotobuf-dev
      ;;
    web)
      if ! command -v npm >/dev/null; then
        echo "setup: no npm; install Node.js 20 or newer" >&2
        exit 1
      fi
      ;;
    e2e)
      need chromium chromium
      need ffmpeg ffmpeg
      need /usr/sbin/nft nftables
      need ip iproute2
      ;;
    k8s|plots)
      need python3 python3
      python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
      ;;
    *)
      echo "setup: unknown part $part" >&2
      exit 2
      ;;
  esac
done

[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
  as_root="sudo"
  command -v sudo >/dev/null || {
    echo "setup: as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  }
else
  as_root=""
fi
if ! command -v apt-get >/dev/null; then
  echo "setup: install these, under the names they have on your system: ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# A stale package list fails on files that are gone; a fresh one costs seconds.
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
