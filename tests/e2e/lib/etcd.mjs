// Three members of an etcd, each at an address of its own, with a port for every node: what a node says to
// etcd can be cut by that port, and nobody else's.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { etcd } from './paths.mjs';
import { Child } from './processes.mjs';
import { until } from './wait.mjs';

const MEMBERS = 3;
const [OURS, PEERS, FIRST] = [2379, 2380, 2400];
const address = (member) => `127.0.2.${member + 1}`;

/** The port at which node `n` asks each member. */
export const portOf = (n) => FIRST + n;

export class EtcdTrio {
  members = [];

  constructor(folder, logs, nodes) {
    this.folder = folder;
    this.logs = logs;
    this.nodes = nodes;
  }

  /** What node `n` is told. */
  endpoints(n) {
    const all = Array.from({ length: MEMBERS }, (_, member) => `http://${address(member)}:${portOf(n)}`);
    return all.join(',');
  }

  /** Starts those that do not run, and waits until they serve. */
  async start() {
    for (let member = 0; member < MEMBERS; member++) if (!this.members[member]?.alive) this.run(member);
    await until('etcd serves', 20_000, async () => (await this.leader()) !== null);
    return this;
  }

  run(member) {
    const url = (of, port) => `http://${address(of)}:${port}`;
    const ports = [OURS, ...Array.from({ length: this.nodes }, (_, n) => portOf(n))];
    const all = Array.from({ length: MEMBERS }, (_, of) => `e${of}=${url(of, PEERS)}`).join(',');
    const data = join(this.folder, `etcd-${member}`);
    mkdirSync(data, { recursive: true });
    this.members[member] = new Child(`etcd-${member}`, etcd(), [
      '--name', `e${member}`, '--data-dir', data, '--log-level', 'error', '--unsafe-no-fsync',
      '--listen-client-urls', ports.map((port) => url(member, port)).join(','),
      '--advertise-client-urls', url(member, OURS),
      '--listen-peer-urls', url(member, PEERS), '--initial-advertise-peer-urls', url(member, PEERS),
      '--initial-cluster', all, '--initial-cluster-state', 'new',
    ], { logs: this.logs });
  }

  /** Which member leads, as it says itself; null: none. */
  async leader() {
    for (const [member, child] of this.members.entries()) {
      if (!child.alive) continue;
      const answer = await fetch(`http://${address(member)}:${OURS}/v3/maintenance/status`, {
        method: 'POST', body: '{}', signal: AbortSignal.timeout(1000),
      }).then((response) => response.json(), () => null);
      if (answer?.leader && answer.leader !== '0' && answer.leader === answer.header.member_id) return member;
    }
    return null;
  }

  kill(member) {
    return this.members[member].kill();
  }

  async end() {
    await Promise.all(this.members.map((child) => child.end()));
  }
}
