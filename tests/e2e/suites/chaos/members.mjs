// The load generator's people, evenly over all nodes: eight who send, and everybody watches them.

import { Fleet } from '../../lib/fleet.mjs';

export const ROOM = 'chaos-load';
const PUBLISHERS = 8;
/** Pictures come 15 times and sounds 10 times a second. */
const FROZEN = 650;

export class Members {
  constructor(cluster, count, logs) {
    this.cluster = cluster;
    const options = { room: ROOM, members: count, publishers: Math.min(PUBLISHERS, count), prefix: 'load' };
    this.fleet = new Fleet(cluster, options, logs);
  }

  async start() {
    await this.fleet.start();
    return this;
  }

  async broken(dead) {
    const streams = await this.fleet.streams();
    const { members, in: here } = this.fleet.last;
    const out = here < members ? [`${members - here} of ${members} members are on no node`] : [];
    const away = streams.filter(({ by_now }) => dead.includes(by_now));
    const still = streams.filter(({ age_ms }) => age_ms > FROZEN);
    return [
      ...out,
      ...new Set(away.map(({ by, by_now }) => `${by} is on ${by_now}`)),
      ...still.map(({ by, of, source, age_ms }) => `${by} has no ${source} of ${of} for ${Math.round(age_ms)} ms`),
    ];
  }

  mark() {
    return this.fleet.mark();
  }

  async seen() {
    const index = (id) => this.cluster.nodes.findIndex((node) => node.id === id);
    return (await this.fleet.streams()).map((row) => ({
      who: 'load',
      by: index(row.by_node),
      of: index(row.of_node),
      name: `${row.by} of ${row.of}/${row.source}`,
      gap: row.gap_ms,
      lost: row.lost,
      never: row.duplicates + row.older + row.strange,
    }));
  }

  async home() {
    await this.fleet.home();
  }

  sos() {
    for (const event of this.fleet.events.slice(-40)) console.log(`    ${JSON.stringify(event)}`);
  }

  stop() {
    this.fleet.stop();
  }
}
