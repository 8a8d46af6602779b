// The load generator's people, evenly over all nodes: eight who send, and everybody watches them.

import { Fleet } from '../../lib/fleet.mjs';
import { until } from '../../lib/wait.mjs';

export const ROOM = 'chaos-load';
const PUBLISHERS = 8;
/** Pictures come 15 times and sounds 10 times a second. */
const FROZEN = 650;

export class Members {
  constructor(cluster, count, logs) {
    Object.assign(this, { cluster, count, logs });
  }

  async start() {
    const publishers = Math.min(PUBLISHERS, this.count);
    const options = { room: ROOM, members: this.count, publishers, prefix: 'load' };
    this.fleet = new Fleet(this.cluster, options, this.logs);
    await this.fleet.ready;
    this.homes = new Map((await this.fleet.streams()).map(({ by, by_now }) => [by, by_now]));
    this.grown = new Map();
    return this;
  }

  async broken(dead) {
    const streams = await this.fleet.streams();
    const { members, in: here } = this.fleet.last;
    const out = here < members ? [`${members - here} of ${members} members are on no node`] : [];
    const away = streams.filter(({ by_now }) => dead.includes(by_now));
    const still = streams.filter((row) => this.age(row) > FROZEN);
    return [
      ...out,
      ...new Set(away.map(({ by, by_now }) => `${by} is on ${by_now}`)),
      ...still.map(({ by, of, source }) => `${by} has no ${source} of ${of}`),
    ];
  }

  /** For how long a stream has not grown, as far as we looked. */
  age({ by, of, source, received }) {
    const [key, now] = [`${by} ${of} ${source}`, performance.now()];
    if (this.grown.get(key)?.received !== received) this.grown.set(key, { received, at: now });
    return now - this.grown.get(key).at;
  }

  mark() {
    return this.fleet.mark();
  }

  async seen() {
    return (await this.fleet.streams()).map((row) => ({
      who: 'load',
      by: this.index(row.by_node),
      of: this.index(row.of_node),
      name: `${row.by} of ${row.of}/${row.source}`,
      gap: row.gap_ms,
      lost: row.lost,
      never: row.older + row.strange,
    }));
  }

  /** Who is not where they began, and where they are. */
  async away() {
    const places = new Map((await this.fleet.streams()).map(({ by, by_now }) => [by, by_now]));
    return [...places].filter(([by, at]) => at !== this.homes.get(by));
  }

  /** If somebody is elsewhere, all leave and come anew. */
  async home() {
    if (!this.fleet.over && !(await this.away()).length) return;
    await this.fleet.stop();
    await until('all have left', 20_000, async () => {
      for (const node of this.cluster.nodes.keys()) {
        const left = await this.cluster.api(node, 'GET', `/v1/rooms/${ROOM}/peers`)
          .then((peers) => peers.map(({ id }) => id), () => []);
        if (left.length) throw new Error(`${this.cluster.nodes[node].id} has ${left}`);
      }
      return true;
    });
    await this.start();
  }

  index(id) {
    return this.cluster.nodes.findIndex((node) => node.id === id);
  }

  sos() {
    for (const event of this.fleet.events.slice(-40)) console.log(`    ${JSON.stringify(event)}`);
  }

  async stop() {
    await this.fleet?.stop();
  }
}
