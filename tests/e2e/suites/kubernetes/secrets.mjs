// The secrets that k8s/README.md tells to make, made in the same way, and the certificate that an authority of the
// public's would give.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, starling } from '../../lib/paths.mjs';

const NAMES = 'DNS:starling.example.org,DNS:*.starling.example.org';

/** A folder for each secret, by its name; and `authority`, what clients and nodes trust. */
export function secrets(folder, nodes) {
  const own = join(folder, 'starling');
  const etcd = join(folder, 'etcd');
  const env = { ...process.env, STARLING: starling() };
  const quiet = { env, stdio: ['ignore', 'pipe', 'pipe'] };
  execFileSync(join(root, 'deploy', 'secrets.sh'), [own, ...nodes], quiet);
  execFileSync(join(root, 'deploy', 'etcd-certificates.sh'), [etcd, 'starling'], quiet);
  const plain = join(folder, 'plain');
  mkdirSync(plain);
  for (const name of ['cluster-secret', 'token-secret', 'admin-token', 'webhook-secret']) {
    writeFileSync(join(plain, name), readFileSync(join(own, name)));
  }
  const { tls, authority } = certificate(join(folder, 'public'));
  return {
    authority,
    admin: readFileSync(join(plain, 'admin-token'), 'utf8'),
    token: readFileSync(join(plain, 'token-secret'), 'utf8'),
    all: {
      'starling-secrets': plain,
      'starling-link': join(own, 'link'),
      'starling-tls': tls,
      'starling-etcd-client': join(etcd, 'client'),
      'starling-etcd-member': join(etcd, 'member'),
    },
  };
}

function certificate(folder) {
  const tls = join(folder, 'tls');
  mkdirSync(tls, { recursive: true });
  const at = (name) => join(folder, name);
  const openssl = (...words) => execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const key = (file) => openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file);
  key(at('ca.key'));
  openssl('req', '-x509', '-new', '-key', at('ca.key'), '-subj', '/CN=the public', '-days', '2', '-out', at('ca.crt'),
    '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign');
  key(join(tls, 'tls.key'));
  openssl('req', '-new', '-key', join(tls, 'tls.key'), '-subj', '/CN=starling.example.org', '-out', at('request'));
  writeFileSync(at('extensions'), `subjectAltName=${NAMES}\nextendedKeyUsage=serverAuth\n`);
  openssl('x509', '-req', '-in', at('request'), '-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial',
    '-days', '2', '-extfile', at('extensions'), '-out', join(tls, 'tls.crt'));
  return { tls, authority: at('ca.crt') };
}
