// coturn over UDP, TCP and TLS, and a network in which nothing else is a way to the nodes.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { nft } from './namespace.mjs';
import { Child } from './processes.mjs';
import { until } from './wait.mjs';

const HOST = '127.0.0.1';
const [PORT, TLS_PORT] = [3478, 5349];
/** Ports of its relays. */
const RELAYS = { first: 18000, last: 18099 };
/** How a client reaches it: what the firewall knows the way by, and its URI. */
const WAYS = {
  udp: [`udp dport ${PORT}`, `turn:${HOST}:${PORT}?transport=udp`],
  tcp: [`tcp dport ${PORT}`, `turn:${HOST}:${PORT}?transport=tcp`],
  tls: [`tcp dport ${TLS_PORT}`, `turns:${HOST}:${TLS_PORT}?transport=tcp`],
};

/** A TURN server that lets in who has credentials made of `secret` (coturn's REST scheme), and relays to nodes only. */
export class Turn {
  urls = Object.values(WAYS).map(([, url]) => url).join(',');

  constructor(secret) {
    this.secret = secret;
  }

  async start(logs) {
    const { cert, key } = this.certificate(logs);
    const settings = {
      'listening-ip': HOST, 'listening-port': PORT, 'tls-listening-port': TLS_PORT, cert, pkey: key, 'relay-ip': HOST,
      'min-port': RELAYS.first, 'max-port': RELAYS.last, realm: 'starling.test',
      'denied-peer-ip': '0.0.0.0-255.255.255.255', 'allowed-peer-ip': HOST,
      'static-auth-secret': this.secret, 'log-file': 'stdout', pidfile: `${logs}/turnserver.pid`,
    };
    const flags = ['use-auth-secret', 'fingerprint', 'allow-loopback-peers', 'no-cli', 'no-dtls', 'simple-log'];
    const args = [...Object.entries(settings).map(([key, value]) => `--${key}=${value}`), ...flags.map((flag) => `--${flag}`)];
    this.process = new Child('turnserver', 'turnserver', ['-n', ...args], { logs });
    await until('coturn listens', 10_000, async () => {
      if (!this.process.alive) throw new Error(this.process.tail(5));
      return (await reached(PORT)) && reached(TLS_PORT);
    });
  }

  /** One that nobody's authority has signed; `flag` makes a Chromium take this very key. */
  certificate(logs) {
    const [cert, key] = [join(logs, 'turn.pem'), join(logs, 'turn.key')];
    const openssl = (...words) => execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=turn', '-addext', `subjectAltName=IP:${HOST}`, '-keyout', key, '-out', cert);
    const spki = execFileSync('openssl', ['pkey', '-in', key, '-pubout', '-outform', 'DER']);
    this.flag = `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`;
    return { cert, key };
  }

  stop() {
    return this.process?.end();
  }
}

function reached(port) {
  return new Promise((done) => {
    const socket = createConnection({ port, host: HOST });
    socket.on('connect', () => { socket.destroy(); done(true); }).on('error', () => done(false));
  });
}

/** Lets nothing but the relays' datagrams through to and from the nodes' media ports, and to the server one way only. */
export function relaysOnly(media, way) {
  const [ports, relays] = [media, RELAYS].map(({ first, last }) => `${first}-${last}`);
  const others = Object.entries(WAYS).filter(([name]) => name !== way).map(([, [rule]]) => rule);
  nft(`add table inet starling_relay
    add chain inet starling_relay out { type filter hook output priority 0; }
    add rule inet starling_relay out udp dport ${ports} udp sport != ${relays} counter drop
    add rule inet starling_relay out udp sport ${ports} udp dport != ${relays} counter drop
    add rule inet starling_relay out tcp dport ${ports} counter drop
    ${others.map((rule) => `add rule inet starling_relay out ${rule} counter drop`).join('\n')}`);
}

/** Lets all through again; says how many packets were not. */
export function everyWay() {
  const listed = spawnSync('nft', ['list', 'table', 'inet', 'starling_relay'], { encoding: 'utf8' });
  nft('delete table inet starling_relay');
  return [...(listed.stdout ?? '').matchAll(/packets (\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
}
