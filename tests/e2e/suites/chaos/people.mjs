// Three people in Chromium, on three of the nodes: two who send, and one who only watches.

import { join } from 'node:path';
import { Browser, CAMERA } from '../../lib/browser.mjs';
import { reports } from '../../lib/paths.mjs';
import { until } from '../../lib/wait.mjs';

export const ROOM = 'chaos';
const CAST = [
  { name: 'ada', home: 0, sends: true },
  { name: 'ben', home: 1, sends: true },
  { name: 'cleo', home: 2, sends: false },
];
/** Frames come every 83 ms; who has seen none for so long sees a frozen picture. */
const FROZEN = 650;

export class People {
  browser = new Browser();
  people = [];

  constructor(cluster) {
    this.cluster = cluster;
  }

  async start() {
    for (const cast of CAST) this.people.push(await this.come(cast));
    return this;
  }

  async come(cast) {
    const person = await this.browser.person(cast.name, { width: 480, height: 320 });
    Object.assign(person, cast);
    const query = cast.sends ? { ...CAMERA, name: '' } : { audio: '0', video: '0' };
    person.url = await this.cluster.page(cast.home, ROOM, cast.name, query);
    await person.open(person.url);
    return person;
  }

  /** One more, who only watches; answers when they see everybody, and everybody knows them. */
  async guest(home) {
    const guest = await this.come({ name: 'eve', home, sends: false });
    const senders = this.people.filter(({ sends }) => sends).map(({ name }) => `${name}/video`);
    await until('everybody sees the guest, who sees everybody', 20_000, async () => {
      const { gaps } = await guest.gaps(await guest.ask((frozen) => performance.now() - frozen, FROZEN));
      if (!senders.every((stream) => gaps[stream] < FROZEN)) throw new Error(JSON.stringify(gaps));
      for (const person of this.people) {
        const { peers } = await person.stats();
        if (!peers.some(({ peerId }) => peerId === guest.name)) throw new Error(`${person.name} does not`);
      }
      return true;
    });
    return guest;
  }

  get streams() {
    const senders = this.people.filter((person) => person.sends);
    return this.people.flatMap((by) => senders.filter((of) => of !== by).map((of) => ({ by, of })));
  }

  /** What is not as it should be, in sentences; `dead` are nodes on which nobody can be. */
  async broken(dead) {
    const wrong = await Promise.all(this.people.map(async (person) => {
      const { node, peers, gaps } = await person.ask(async (frozen) => {
        const { starling } = window;
        const { node, peers } = await starling.stats();
        const now = performance.now();
        return { node, peers, gaps: starling.gaps(now - frozen, now).gaps };
      }, FROZEN);
      if (!node || dead.includes(node)) return [`${person.name} is on ${node}`];
      const others = this.people.filter((other) => other !== person);
      const unknown = others.filter(({ name }) => !peers.some(({ peerId }) => peerId === name));
      const still = others.filter(({ name, sends }) => sends && !(gaps[`${name}/video`] < FROZEN));
      return [
        ...unknown.map(({ name }) => `${person.name} does not know ${name}`),
        ...still.map(({ name }) => `${person.name} does not see ${name}`),
      ];
    }));
    return wrong.flat();
  }

  async mark() {
    for (const person of this.people) {
      person.from = await person.resetGaps();
      person.before = lost(await person.stats());
    }
  }

  /** What was seen of each stream since the mark. */
  async seen() {
    const rows = [];
    for (const by of this.people) {
      const [{ gaps, stallMs }, after] = [await by.gaps(by.from), lost(await by.stats())];
      this.stall = Math.max(this.stall ?? 0, stallMs);
      for (const { of } of this.streams.filter((stream) => stream.by === by)) {
        const count = (counts) => counts.get(of.name) ?? 0;
        rows.push({
          who: 'browser',
          by: by.home,
          of: of.home,
          name: `${by.name} of ${of.name}`,
          gap: gaps[`${of.name}/video`] ?? null,
          lost: count(after) - count(by.before),
        });
      }
    }
    return rows;
  }

  /** Who is not where they began. */
  async away() {
    const nodes = await Promise.all(this.people.map((person) => person.stats()));
    return this.people.filter(({ home }, n) => nodes[n].node !== this.cluster.nodes[home].id);
  }

  /** Whoever is elsewhere comes back. */
  async home() {
    for (const person of await this.away()) {
      await person.leave();
      await person.open(person.url);
    }
  }

  /** What everybody saw, for whoever looks into it. */
  async sos(name) {
    for (const person of this.people) {
      const events = await person.events().catch(() => []);
      console.log(`    ${person.name}: ${JSON.stringify(events.slice(-14))}`);
      const path = join(reports, `chaos-${name}-${person.name}.png`);
      await person.page.screenshot({ path }).catch(() => {});
    }
  }

  stop() {
    return this.browser.stop();
  }
}

/** Packets of each sender that never came. */
function lost({ consumers }) {
  const counts = new Map();
  for (const { peerId, packetsLost } of consumers) counts.set(peerId, (counts.get(peerId) ?? 0) + packetsLost);
  return counts;
}
