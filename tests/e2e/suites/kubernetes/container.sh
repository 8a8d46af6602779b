#!/usr/bin/env bash
# Becomes a container, in a mount and a host-name namespace of its own: an image's files, read-only, and what the pod
# mounts; nobody's rights, as the manifest says.
#
#   container.sh ROOT USER GROUP FILES NAME PROGRAM -- COMMAND...
#
# ROOT is an empty folder; beside it stand `mounts` (lines of: source, place, ro or rw), `hosts`, `authority` (what the
# image trusts) and `env` (NAME=VALUE, each ended by a zero). PROGRAM is what the image has in /usr/local/bin.
set -euo pipefail
root=$1 user=$2 group=$3 files=$4 name=$5 program=$6
shift 7
beside=$(dirname "$root")
mount -t tmpfs -o size=1m,mode=755 image "$root"
mkdir -p "$root"/{usr/local/bin,etc/ssl/certs,proc,dev,tmp,.container}
for folder in /lib /lib64 /usr/lib /usr/lib64; do
  if [ -L "$folder" ]; then
    ln -s "$(readlink "$folder")" "$root$folder"
  elif [ -d "$folder" ]; then
    mkdir -p "$root$folder"
    mount --bind -o ro "$folder" "$root$folder"
  fi
done
# show FILE PLACE: a file of this machine as one of the image's
show() {
  touch "$root$2"
  mount --bind "$1" "$root$2"
}
show "$program" "/usr/local/bin/$(basename "${1:-$program}")"
show "$(command -v setpriv)" /.container/setpriv
show "$beside/hosts" /etc/hosts
show "$beside/authority" /etc/ssl/certs/ca-certificates.crt
echo 'hosts: files' >"$root/etc/nsswitch.conf"
echo 'nonroot:x:65532:65532::/home/nonroot:/sbin/nologin' >"$root/etc/passwd"
for device in null zero full random urandom; do
  show "/dev/$device" "/dev/$device"
done
mount -t proc proc "$root/proc"
while IFS=$'\t' read -r source place how; do
  mkdir -p "$root$place"
  mount --bind "$source" "$root$place"
  [ "$how" = rw ] || mount -o remount,bind,ro "$root$place"
done <"$beside/mounts"
mount -o remount,ro "$root"
hostname "$name"
mapfile -d '' -t env <"$beside/env"
exec env -i "${env[@]}" /usr/sbin/chroot "$root" /.container/setpriv --reuid "$user" --regid "$group" \
  --groups "$files" --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all -- "$@"
