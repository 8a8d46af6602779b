// Everybody in the play: people in Chromium, and the load generator's members in a room of their own.

import { sleep, until } from '../../lib/wait.mjs';
import { Members, ROOM as LOAD_ROOM } from './members.mjs';
import { People, ROOM } from './people.mjs';

/** Nothing was broken for so long: it is whole again. */
const STEADY = 1500;
/** Between two looks. */
const LOOK = 200;

export class Cast {
  groups = [];

  constructor(cluster, members, logs) {
    this.cluster = cluster;
    this.people = new People(cluster);
    this.groups = [this.people];
    if (members > 0) this.groups.push(new Members(cluster, members, logs));
  }

  async start() {
    for (const group of this.groups) await group.start();
    await this.whole();
    return this;
  }

  /** Each room, and the nodes it is on while everybody is at home. */
  get rooms() {
    const ids = this.cluster.nodes.map(({ id }) => id);
    const people = new Set(this.people.people.map(({ home }) => ids[home]));
    const all = [[ROOM, [...people]]];
    return this.groups.length > 1 ? [...all, [LOAD_ROOM, ids]] : all;
  }

  async broken(dead = []) {
    const ids = dead.map((node) => this.cluster.nodes[node].id);
    return (await Promise.all(this.groups.map((group) => group.broken(ids)))).flat();
  }

  /**
   * Looks until nothing has been broken for a while, and `atLeast` ms since `from`; answers when all was seen whole
   * again, in ms since `from`.
   */
  async whole({ dead = [], from = performance.now(), atLeast = 0, within = 30_000 } = {}) {
    let [since, why] = [0, []];
    for (;;) {
      const broken = await this.broken(dead);
      const at = performance.now() - from;
      if (broken.length) [since, why] = [null, broken];
      else since ??= at;
      if (since !== null && at >= atLeast && at - since >= STEADY) return since;
      if (at > Math.max(within, atLeast)) {
        throw new Error(`not whole after ${Math.round(at)} ms: ${why.slice(0, 5).join('; ')} (${why.length})`);
      }
      await sleep(LOOK);
    }
  }

  async mark() {
    for (const group of this.groups) await group.mark();
  }

  async seen() {
    const rows = [];
    for (const group of this.groups) rows.push(...(await group.seen()));
    return rows;
  }

  /** Everybody is where they belong. */
  async home() {
    for (const group of this.groups) await group.home();
    await until('everybody is at home', 10_000, async () => {
      const away = (await Promise.all(this.groups.map((group) => group.away()))).flat();
      if (away.length) throw new Error(`not ${away}`);
      return true;
    });
    await this.whole();
  }

  async sos(name) {
    for (const group of this.groups) await group.sos(name);
  }

  async stop() {
    for (const group of this.groups.reverse()) await group.stop();
  }
}
