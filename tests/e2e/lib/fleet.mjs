// The load generator's people who stay: `starling-load fleet`, steered by words and heard as rows.

import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SECRETS } from './cluster.mjs';
import { load } from './paths.mjs';
import { bounded } from './wait.mjs';

export class Fleet {
  /** All that members told: lost, back, moved, refused. */
  events = [];
  rows = [];
  waiting = new Map();

  constructor(cluster, options, logs) {
    const nodes = cluster.nodes.map(({ url }) => url).join(',');
    const words = Object.entries({ nodes, ...options }).flatMap(([key, value]) => [`--${key}`, `${value}`]);
    const log = openSync(join(logs, 'fleet.log'), 'w');
    this.process = spawn(load(), ['fleet', ...words], {
      stdio: ['pipe', 'pipe', log],
      env: { ...process.env, ...SECRETS },
    });
    this.process.on('exit', (code) => this.ended(new Error(`the fleet ended (${code})`)));
    this.process.on('error', (error) => this.ended(error));
    this.process.stdin.on('error', () => {});
    createInterface({ input: this.process.stdout }).on('line', (line) => this.hear(JSON.parse(line)));
  }

  /** Waits until all are in and hear each other. */
  async start() {
    await this.answer('ready', 60_000);
    return this;
  }

  hear(row) {
    if (row.event) this.events.push(row);
    else if (row.stream) this.rows.push(row.stream);
    else for (const word of ['ready', 'marked', 'report']) if (row[word]) this.waiting.get(word)?.resolve(row[word]);
  }

  ended(error) {
    this.over = error;
    for (const { reject } of this.waiting.values()) reject(error);
  }

  answer(word, within) {
    if (this.over) return Promise.reject(this.over);
    const answer = new Promise((resolve, reject) => this.waiting.set(word, { resolve, reject }));
    return bounded(`the fleet's ${word}`, within, answer).finally(() => this.waiting.delete(word));
  }

  /** What `streams` tells begins now. */
  mark() {
    const answer = this.answer('marked', 10_000);
    this.process.stdin.write('mark\n');
    return answer;
  }

  /** A row for each stream that each member hears; `last` has how many members there are, and how many are in. */
  async streams() {
    this.rows = [];
    const answer = this.answer('report', 10_000);
    this.process.stdin.write('report\n');
    this.last = await answer;
    return this.rows;
  }

  stop() {
    this.process.stdin.end();
    this.process.kill('SIGTERM');
  }
}
