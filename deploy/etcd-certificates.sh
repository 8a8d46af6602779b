#!/usr/bin/env bash
# Makes an authority for an etcd of three, a certificate for its members and one for nodes. Keeps an authority that
# is there, and makes the two anew: etcd and nodes read theirs again when they next start.
#
#   deploy/etcd-certificates.sh DIR [NAMESPACE]
#
# DIR/member/, client/      ca.crt, tls.crt, tls.key: what the secrets starling-etcd-member and
#                           starling-etcd-client hold
# DIR/authority/            with the authority's key: stays with you
set -euo pipefail
[ $# -ge 1 ] || { sed -n '5p' "$0" | cut -c3- >&2; exit 2; }
dir=$1 namespace=${2:-starling}
umask 027
mkdir -p "$dir/authority" "$dir/member" "$dir/client"
ca=$dir/authority
# Ten years for the authority, two for what it signs.
days_ca=3650 days=730

key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1"
}

# sign DIR SUBJECT EXTENSIONS
sign() {
  key "$1/tls.key"
  openssl req -new -key "$1/tls.key" -subj "/CN=$2" -out "$1/request"
  openssl x509 -req -in "$1/request" -CA "$ca/ca.crt" -CAkey "$ca/ca.key" -CAcreateserial -days $days -sha256 \
    -extfile <(printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" "$3") \
    -out "$1/tls.crt" 2>/dev/null
  rm "$1/request"
  cp "$ca/ca.crt" "$1/ca.crt"
}

if [ ! -s "$ca/ca.key" ]; then
  key "$ca/ca.key"
  openssl req -x509 -new -key "$ca/ca.key" -subj "/CN=etcd of starling" -days $days_ca -sha256 \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$ca/ca.crt"
fi
names=DNS:localhost
for member in 0 1 2; do
  names+=",DNS:etcd-$member.etcd,DNS:etcd-$member.etcd.$namespace.svc"
done
# Members are each other's clients.
sign "$dir/member" etcd $'extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName='"$names"
sign "$dir/client" starling extendedKeyUsage=clientAuth
chmod 700 "$ca"
