#!/usr/bin/env bash
# Installs what a target needs and this machine lacks: Debian packages, and for `clients` a Python
# environment under target/. What is there is
# left alone, so a second call costs milliseconds.
#
#   tests/setup.sh build      compilers' companions: protoc and its standard types (for etcd's client); ffmpeg
#   tests/setup.sh web        Node.js is only looked for: it comes from where its user likes
#   tests/setup.sh e2e        Chromium, ffmpeg, nftables, iproute2, coturn, and what the documentation uses
#   tests/setup.sh clients    GStreamer with webrtcbin, aiortc and an ffmpeg with the whip muxer
#   tests/setup.sh k8s        Python with venv, openssl, nftables, iproute2
#   tests/setup.sh plots      Python with venv
set -euo pipefail

missing=()
clients=
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
      # A test records with it.
      need ffmpeg ffmpeg
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
      need turnserver coturn
      need curl curl
      need jq jq
      need openssl openssl
      ;;
    clients)
      need cc gcc
      need python3 python3
      python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
      plugins=/usr/lib/$(uname -m)-linux-gnu/gstreamer-1.0
      need "$plugins/libgstwebrtc.so" gstreamer1.0-plugins-bad
      need "$plugins/libgstvpx.so" gstreamer1.0-plugins-good
      need "$plugins/libgstopus.so" gstreamer1.0-plugins-base
      need "$plugins/libgstnice.so" gstreamer1.0-nice
      /usr/bin/python3 -c 'import gi' 2>/dev/null || missing+=(python3-gi)
      need "/usr/lib/$(uname -m)-linux-gnu/girepository-1.0/GstWebRTC-1.0.typelib" \
        gir1.2-gst-plugins-bad-1.0
      clients=yes
      ;;
    k8s)
      need openssl openssl
      need /usr/sbin/nft nftables
      need ip iproute2
      need python3 python3
      python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
      ;;
    plots)
      need python3 python3
      python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
      ;;
    *)
      echo "setup: unknown part $part" >&2
      exit 2
      ;;
  esac
done

# venv: aiortc and ffmpeg, once for a version of the list.
python_clients() {
  [ -n "$clients" ] || return 0
  local root list
  root=$(cd "$(dirname "$0")/.." && pwd)
  list=$root/tests/e2e/clients/requirements.txt
  cmp -s "$list" "$root/target/clients/installed.txt" && return 0
  echo "setup: installing Python clients in target/clients"
  mkdir -p "$root/target/clients"
  python3 -m venv "$root/target/clients/venv"
  "$root/target/clients/venv/bin/pip" install -q --disable-pip-version-check -r "$list"
  cp "$list" "$root/target/clients/installed.txt"
}

if [ ${#missing[@]} -eq 0 ]; then
  python_clients
  exit 0
fi
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
python_clients
