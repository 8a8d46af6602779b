// coturn, and a network in which nothing else is a way to the nodes.

import { spawnSync } from 'node:child_process';
import { createConnection } from 'node:net';
import { Child } from './processes.mjs';
import { until } from './wait.mjs';

const PORT = 3478;
/** Ports of its relays. */
const RELAYS = { first: 18000, last: 18099 };

/** A TURN server that lets in who has credentials made of `secret` (coturn's REST scheme). */
export class Turn {
  url = `turn:127.0.0.1:${PORT}?transport=udp`;

  constructor(secret) {
    this.secret = secret;
  }

  async start(logs) {
    const settings = {
      'listening-ip': '127.0.0.1', 'listening-port': PORT, 'relay-ip': '127.0.0.1',
      'min-port': RELAYS.first, 'max-port': RELAYS.last, realm: 'starling.test',
      'static-auth-secret': this.secret, 'log-file': 'stdout', pidfile: `${logs}/turnserver.pid`,
    };
    const flags = ['use-auth-secret', 'fingerprint', 'allow-loopback-peers', 'no-cli', 'no-tls', 'no-dtls', 'simple-log'];
    const args = [...Object.entries(settings).map(([key, value]) => `--${key}=${value}`), ...flags.map((flag) => `--${flag}`)];
    this.process = new Child('turnserver', 'turnserver', ['-n', ...args], { logs });
    await until('coturn listens', 10_000, () => {
      if (!this.process.alive) throw new Error(this.process.tail(5));
      return reached(PORT);
    });
  }

  stop() {
    return this.process?.end();
  }
}

function reached(port) {
  return new Promise((done) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.on('connect', () => { socket.destroy(); done(true); }).on('error', () => done(false));
  });
}

/** Lets nothing but the relays' datagrams through to and from the nodes' media ports. */
export function relaysOnly(media) {
  const [ports, relays] = [media, RELAYS].map(({ first, last }) => `${first}-${last}`);
  nft(`add table inet starling_relay
add chain inet starling_relay out { type filter hook output priority 0; }
add rule inet starling_relay out udp dport ${ports} udp sport != ${relays} counter drop
add rule inet starling_relay out udp sport ${ports} udp dport != ${relays} counter drop
add rule inet starling_relay out tcp dport ${ports} counter drop`);
}

/** Lets all through again; says how many packets were not. */
export function everyWay() {
  const listed = spawnSync('nft', ['list', 'table', 'inet', 'starling_relay'], { encoding: 'utf8' });
  nft('delete table inet starling_relay');
  return [...(listed.stdout ?? '').matchAll(/packets (\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
}

function nft(script) {
  const done = spawnSync('nft', ['-f', '-'], { input: script, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`nft: ${done.stderr}`);
}
