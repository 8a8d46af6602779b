// Three regions, each a network namespace with two nodes, and a wire between each two of them. etcd is in the
// first. What crosses from one region to another is counted there, as UDP between nodes.

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { reports } from '../../lib/paths.mjs';
import { SpreadCluster } from '../../lib/spread.mjs';
import { Far, Wire } from '../../lib/wire.mjs';

export const REGIONS = ['east', 'mid', 'west'];
export const PER_REGION = 2;
/** From one region to another, one way. */
const DELAY = { delay_ms: 40 };
const address = (region) => `10.78.${region}.1`;
/** Each pair of regions. */
export const BOUNDARIES = [0, 1, 2].flatMap((from) => [0, 1, 2].filter((to) => to !== from).map((to) => [from, to]));

export class RegionLab {
  logs = join(reports, 'logs', 'regions');
  wires = [];

  async start() {
    mkdirSync(this.logs, { recursive: true });
    this.fars = [null, await new Far().start(), await new Far().start()];
    const [, one, two] = this.fars;
    for (const [seed, [far, from]] of [[one], [two], [two, one]].entries()) {
      this.wires.push(await new Wire().start(far, { seed: seed + 1, from }));
    }
    for (const wire of this.wires) await wire.set('both', DELAY);
    for (const region of [0, 1, 2]) this.ip(region, 'addr', 'add', `${address(region)}/32`, 'dev', 'lo');
    const [a, b, c] = this.wires;
    this.ip(0, 'route', 'add', address(1), 'via', a.far, 'src', address(0));
    this.ip(0, 'route', 'add', address(2), 'via', b.far, 'src', address(0));
    this.ip(1, 'route', 'add', address(0), 'via', a.near, 'src', address(1));
    this.ip(1, 'route', 'add', address(2), 'via', c.far, 'src', address(1));
    this.ip(2, 'route', 'add', address(0), 'via', b.near, 'src', address(2));
    this.ip(2, 'route', 'add', address(1), 'via', c.near, 'src', address(2));
    for (const [from, to] of BOUNDARIES) this.count(from, to);
    const places = REGIONS.flatMap((region, n) => Array.from({ length: PER_REGION }, () => ({
      far: this.fars[n], http: address(n), link: address(n), etcd: address(0), region,
    })));
    this.cluster = new SpreadCluster(places, this.logs);
    await this.cluster.start();
    return this;
  }

  /** URLs of a region's nodes. */
  urls(region) {
    const nodes = this.cluster.nodes.slice(region * PER_REGION, (region + 1) * PER_REGION);
    return nodes.map(({ url }) => url).join(',');
  }

  /** Bytes of IP that nodes of a region have sent to those of another one so far. */
  crossed(from, to) {
    const listed = this.run(from, 'nft', ['list', 'table', 'inet', `to_${to}`]);
    return Number(/bytes (\d+)/.exec(listed.stdout)[1]);
  }

  count(from, to) {
    const input = `add table inet to_${to}
      add chain inet to_${to} out { type filter hook output priority 0; }
      add rule inet to_${to} out ip daddr ${address(to)} meta l4proto udp counter\n`;
    const done = this.run(from, 'nft', ['-f', '-'], input.replace(/^\s+/gm, ''));
    if (done.status !== 0) throw new Error(`nft: ${done.stderr}`);
  }

  ip(region, ...words) {
    const done = this.run(region, 'ip', words);
    if (done.status !== 0) throw new Error(`ip ${words.join(' ')}: ${done.stderr}`);
  }

  run(region, program, words, input) {
    const command = this.fars[region]?.inside(program, words) ?? [program, words];
    return spawnSync(...command, { encoding: 'utf8', input });
  }

  /** Bytes of media packets that nodes of a region have put on links to those of another, and how many. */
  async carried(from, to) {
    const ids = this.cluster.nodes.slice(to * PER_REGION, (to + 1) * PER_REGION).map(({ id }) => id);
    const sums = { bytes: 0, packets: 0 };
    for (let n = from * PER_REGION; n < (from + 1) * PER_REGION; n++) {
      const text = await this.cluster.api(n, 'GET', '/metrics');
      for (const line of text.split('\n')) {
        const found = /^starling_link_(bytes|packets)_sent_total\{node="([^"]+)"\} (\d+)/.exec(line);
        if (found && ids.includes(found[2])) sums[found[1]] += Number(found[3]);
      }
    }
    return sums;
  }

  /** Producers that nodes of a region pull from another one: `[producer, node]` for each pull. */
  async pulls(room, from, to) {
    const theirs = this.cluster.nodes.slice(from * PER_REGION, (from + 1) * PER_REGION).map(({ id }) => id);
    const found = [];
    for (let n = to * PER_REGION; n < (to + 1) * PER_REGION; n++) {
      const { id } = this.cluster.nodes[n];
      const { routers } = await this.cluster.api(n, 'GET', `/v1/nodes/${id}/routers/${room}`);
      for (const router of routers) {
        for (const { producerId, from: { node } } of router.pulled ?? []) {
          if (theirs.includes(node)) found.push([producerId, id]);
        }
      }
    }
    return found;
  }

  async stop() {
    await this.cluster?.stop();
    for (const wire of this.wires) wire.stop();
    for (const far of this.fars ?? []) far?.stop();
  }
}
