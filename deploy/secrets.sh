#!/usr/bin/env bash
# Makes what the nodes of a cluster share, and a link certificate for each. Keeps what is there already.
#
#   deploy/secrets.sh DIR NODE...
#
# DIR/cluster-secret, token-secret, admin-token   the same on all nodes
# DIR/webhook-secret                              the same, shared with receivers of webhooks
# DIR/turn-secret, turnserver.conf                shared with a TURN server, and what coturn is told
# DIR/grafana-password                            for deploy/compose.yaml
# DIR/link/ca.pem, NODE.pem, NODE.key             each node needs ca.pem and its own two
# DIR/authority/                                  with the authority's key: stays with you
#
# STARLING names the program if it is not on the PATH (or: STARLING="docker run --rm -v ... starling").
set -euo pipefail
[ $# -ge 2 ] || { sed -n '4p' "$0" | cut -c3- >&2; exit 2; }
dir=$1
shift
umask 027
mkdir -p "$dir/link" "$dir/authority"
for name in cluster-secret token-secret admin-token webhook-secret turn-secret grafana-password; do
  [ -s "$dir/$name" ] || head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$dir/$name"
done
cat >"$dir/turnserver.conf" <<END
# Made of turn-secret: names and passwords are what nodes tell their clients (STARLING_ICE_SECRET_FILE).
use-auth-secret
static-auth-secret=$(cat "$dir/turn-secret")
realm=starling
fingerprint
no-cli
no-tls
no-dtls
no-multicast-peers
log-file=stdout
simple-log
pidfile=/var/tmp/turnserver.pid
END
missing=()
for node in "$@"; do
  [ -s "$dir/link/$node.pem" ] || missing+=("$node")
done
if [ ${#missing[@]} -gt 0 ]; then
  ${STARLING:-starling} pki issue --out "$dir/authority" "${missing[@]}"
  for node in "${missing[@]}"; do
    mv "$dir/authority/$node.pem" "$dir/authority/$node.key" "$dir/link/"
  done
  cp "$dir/authority/ca.pem" "$dir/link/"
fi
# The images run as 65532; only root can give files away, and others get a hint.
if [ "$(id -u)" = 0 ]; then
  chgrp -R 65532 "$dir"
  chmod -R u=rwX,g=rX,o= "$dir"
  chmod 700 "$dir/authority"
else
  echo "for the container image: sudo chgrp -R 65532 $dir && sudo chmod -R g=rX $dir" >&2
fi
