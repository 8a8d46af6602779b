// One node with a network behind it: Starling and those who send live here, those who receive behind a wire.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DevCluster } from './cluster.mjs';
import { chromium, reports } from './paths.mjs';
import { sleep } from './wait.mjs';
import { Far, Wire } from './wire.mjs';

export class Lab {
  others = [];

  constructor(name, { seed = 1 } = {}) {
    this.logs = join(reports, 'logs', name);
    this.seed = seed;
  }

  async start() {
    mkdirSync(this.logs, { recursive: true });
    this.far = await new Far().start();
    this.wire = await new Wire().start(this.far, { seed: this.seed });
    this.cluster = new DevCluster(1, this.logs, this.wire.near);
    await this.cluster.start();
    return this;
  }

  /** The page for somebody here. */
  near(room, peer, query) {
    return this.cluster.page(0, room, peer, query);
  }

  /** The page for somebody behind a wire, who only looks and listens if nothing else is said. */
  async behind(room, peer, query = { audio: '0', video: '0' }) {
    const url = await this.near(room, peer, query);
    return url.replace('//localhost:', `//${this.wire.near}:`);
  }

  /** Reads what the node thinks it can send to a peer, in kb/s, again and again into `series`. */
  async estimates(series, room, peer) {
    const path = `/v1/rooms/${room}/peers/${peer}`;
    const { transports } = await this.cluster.api(0, 'GET', path);
    const urls = transports.map(({ id }) => `${path}/transports/${id}/stats`);
    series.every('estimate', 100, async () => {
      const all = await Promise.all(urls.map((url) => this.cluster.api(0, 'GET', url)));
      // The other transport sends nothing.
      const [stats] = all.flat().sort((one, other) => other.bytesSent - one.bytesSent);
      return {
        kbps: (stats.availableOutgoingBitrate ?? 0) / 1000,
        rtx: stats.rtxBytesSent,
        probation: stats.probationBytesSent,
      };
    });
  }

  /** One more namespace with a wire of its own; both end with this lab. */
  async another() {
    const far = await new Far().start();
    this.others.push(far);
    const wire = await new Wire().start(far, { seed: this.seed + 100 * this.others.length });
    this.others.push(wire);
    return { far, wire };
  }

  /** What a browser behind a wire is started with. */
  farBrowser(far = this.far) {
    const origin = `http://${this.wire.near}:4443`;
    return {
      executable: far.script(chromium, this.logs),
      flags: [`--unsafely-treat-insecure-origin-as-secure=${origin}`],
    };
  }

  async stop() {
    await this.cluster?.stop();
    for (const other of this.others) other.stop();
    this.wire?.stop();
    this.far?.stop();
  }
}

/** Reads several things again and again, each into a list of rows with the time in ms since the start. */
export class Series {
  began = performance.now();
  rows = {};
  over = false;
  readers = [];

  /** Reads `read()` every `every` ms as `name`. What fails is left out. */
  every(name, every, read) {
    const rows = (this.rows[name] = []);
    this.readers.push((async () => {
      for (let due = performance.now(); !this.over; due += every) {
        await sleep(Math.max(0, due - performance.now()));
        due = Math.max(due, performance.now() - every);
        const at = performance.now() - this.began;
        const row = await read().catch(() => null);
        if (row) rows.push({ at, ...row });
      }
    })());
  }

  now() {
    return performance.now() - this.began;
  }

  async end() {
    this.over = true;
    await Promise.all(this.readers);
  }

  /** Rows of `name` from `from` to `to`. */
  between(name, from, to) {
    return this.rows[name].filter(({ at }) => at >= from && at < to);
  }

  write(name, more) {
    const file = join(reports, `${name}.series.json`);
    rmSync(file, { force: true });
    writeFileSync(file, JSON.stringify({ ...more, ...this.rows }));
    return file;
  }
}

/** How much `of(row)` grew from the row before `from` to the last one before `to`, and in how many ms. */
export function grown(rows, from, to, of) {
  const inside = rows.filter(({ at }) => at >= from && at <= to);
  const [first, last] = [inside[0], inside.at(-1)];
  if (!first || last === first) return { amount: 0, ms: 0 };
  return { amount: of(last) - of(first), ms: last.at - first.at };
}
