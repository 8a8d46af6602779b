// Clusters to test on: `starling dev`, or three `starling node` processes with a real etcd.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { etcd, starling } from './paths.mjs';
import { Child } from './processes.mjs';
import { until } from './wait.mjs';

export const MEDIA = { first: 17000, last: 17999 };
export const LINKS = { first: 7443, last: 7450 };
const secret = () => randomBytes(32).toString('base64');
const ADMIN = secret();
export const SECRETS = {
  STARLING_ADMIN_TOKEN: ADMIN,
  STARLING_TOKEN_SECRET: secret(),
  STARLING_CLUSTER_SECRET: secret(),
};
const LOG = process.env.STARLING_E2E_LOG ?? 'info,dtls=error,webrtc_dtls=error';

/** What both kinds can do. */
class Cluster {
  constructor(nodes, logs, host = '127.0.0.1', port = 4443) {
    this.logs = logs;
    this.host = host;
    this.port = port;
    this.children = [];
    this.nodes = Array.from({ length: nodes }, (_, n) => ({
      id: `node-${n + 1}`,
      url: `http://localhost:${port + n}`,
    }));
  }

  async api(node, method, path, body) {
    const answer = await fetch(`${this.nodes[node].url}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text;
  }

  /** Waits until each node sees all others and has a link to each. */
  async whole(within = 20_000) {
    for (let n = 0; n < this.nodes.length; n++) {
      await until(`${this.nodes[n].id} sees the cluster`, within, async () => {
        this.alive();
        const seen = await this.api(n, 'GET', '/v1/nodes');
        const good = seen.filter((node) => node.here || node.linked);
        return good.length === this.nodes.length;
      });
    }
  }

  /** Fails with what it wrote if a process ended by itself. */
  alive() {
    for (const child of this.children) {
      if (!child.alive) throw new Error(`${child.name} ended (${child.how}):\n${child.tail(5)}`);
    }
  }

  /** The page's URL for a peer on a node. */
  async page(node, room, peer, query) {
    const params = new URLSearchParams({ room, peer, here: '1', ...query });
    const token = await this.token(room, peer);
    if (token) params.set('token', token);
    return `${this.nodes[node].url}/?${params}`;
  }
}

/** Several nodes in one process; `more` are options of `starling dev`. */
export class DevCluster extends Cluster {
  constructor(nodes, logs, host, port, more = []) {
    super(nodes, logs, host, port);
    this.more = more;
  }

  async start() {
    const args = ['dev', '--nodes', `${this.nodes.length}`, '--port', `${this.port}`, '--log', LOG];
    args.push('--host', this.host, '--rtc-port', `${MEDIA.first}`, '--workers', '1', ...this.more);
    const env = { STARLING_ADMIN_TOKEN: ADMIN };
    this.children = [new Child('starling-dev', starling(), args, { env, logs: this.logs })];
    await this.whole();
  }

  /** Clients need none. */
  async token() {
    return null;
  }

  async stop() {
    await Promise.all(this.children.map((child) => child.end()));
  }
}

/** One process per node, and etcd. `settings` go to every node. */
export class ProcessCluster extends Cluster {
  constructor(nodes, logs, settings = {}) {
    super(nodes, logs);
    this.settings = settings;
  }

  async start() {
    this.folder = mkdtempSync(join(tmpdir(), 'starling-e2e-'));
    const certs = join(this.folder, 'link');
    const ids = this.nodes.map((node) => node.id);
    execFileSync(starling(), ['certs', 'issue', '--out', certs, ...ids], { stdio: 'pipe' });
    await this.startEtcd();
    for (let n = 0; n < this.nodes.length; n++) this.startNode(n);
    await this.whole();
  }

  async startEtcd() {
    const [client, peer] = ['http://127.0.0.1:2379', 'http://127.0.0.1:2380'];
    mkdirSync(join(this.folder, 'etcd'), { recursive: true });
    this.etcd = new Child('etcd', etcd(), [
      '--name', 'e2e', '--data-dir', join(this.folder, 'etcd'), '--log-level', 'error',
      '--unsafe-no-fsync', '--listen-client-urls', 'http://0.0.0.0:2379', '--advertise-client-urls', client,
      '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer,
      '--initial-cluster', `e2e=${peer}`,
    ], { logs: this.logs });
    await until('etcd serves', 15_000, async () => {
      const answer = await fetch(`${client}/health`, { signal: AbortSignal.timeout(1000) });
      return (await answer.json()).health === 'true';
    });
  }

  /** Where a node is reached, and where it reaches etcd. */
  addresses(n) {
    const { url } = this.nodes[n];
    return {
      LISTEN: `127.0.0.1:${4443 + n},[::1]:${4443 + n}`,
      ADMIN_LISTEN: 'listen',
      API_URL: url,
      RTC_LISTEN: '127.0.0.1',
      ANNOUNCE: '127.0.0.1',
      RTC_PORT: `${MEDIA.first + 16 * n}`,
      LINK_LISTEN: `127.0.0.1:${7443 + n}`,
      LINK_ANNOUNCE: `127.0.0.1:${7443 + n}`,
      ETCD: 'http://127.0.0.1:2379',
    };
  }

  /** What runs as a node. */
  command() {
    return [starling(), ['node']];
  }

  startNode(n) {
    const { id } = this.nodes[n];
    const link = join(this.folder, 'link');
    const settings = {
      ID: id,
      WORKERS: '1',
      LINK_CA: join(link, 'ca.pem'),
      LINK_CERT: join(link, `${id}.pem`),
      LINK_KEY: join(link, `${id}.key`),
      SESSIONS_PER_SECOND: '0',
      DRAIN_DEADLINE: '5s',
      LOG,
      ...this.addresses(n),
      ...this.settings,
    };
    const named = Object.entries(settings).map(([key, value]) => [`STARLING_${key}`, value]);
    const env = { ...Object.fromEntries(named), ...SECRETS };
    this.children[n] = new Child(id, ...this.command(n), { env, logs: this.logs });
  }

  /** What else makes tokens has to know. */
  get secrets() {
    return SECRETS;
  }

  async token(room, peer) {
    const alive = this.children.findIndex((child) => child.alive);
    return (await this.api(alive, 'POST', '/v1/tokens', { room, peer })).token;
  }

  async stop() {
    await Promise.all(this.children.map((child) => child.end()));
    await this.etcd?.end();
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
  }
}
