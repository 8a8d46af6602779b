// The load generator's people who stay: `starling-load fleet`, steered by words and heard as rows.

import { spawn } from 'node:child_process';
import { appendFileSync, openSync } from 'node:fs';
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
    this.diary = join(logs, 'fleet.events.log');
    const log = openSync(join(logs, 'fleet.log'), 'a');
    this.process = spawn(cluster.program ?? load(), ['fleet', ...words], {
      stdio: ['pipe', 'pipe', log],
      // `starling dev` has secrets of its own, and wants no tokens.
      env: { ...process.env, ...(cluster.secrets ?? SECRETS) },
    });
    this.process.on('exit', (code) => this.ended(new Error(`the fleet ended (${code})`)));
    this.process.on('error', (error) => this.ended(error));
    this.process.stdin.on('error', () => {});
    createInterface({ input: this.process.stdout }).on('line', (line) => this.hear(JSON.parse(line)));
    /** All are in and hear each other. */
    this.ready = this.answer('ready', 60_000);
    this.ready.catch(() => {});
  }

  /** Waits until all are in. */
  async start() {
    await this.ready;
    return this;
  }

  hear(row) {
    if (row.event) this.note(row);
    else if (row.stream) this.rows.push(row.stream);
    else for (const word of ['ready', 'marked', 'report']) if (row[word]) this.waiting.get(word)?.resolve(row[word]);
  }

  note(event) {
    this.events.push(event);
    appendFileSync(this.diary, `${JSON.stringify(event)}\n`);
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
  streams() {
    // One at a time: rows do not say whose question they answer.
    const asked = (this.asking ?? Promise.resolve()).then(() => this.ask());
    this.asking = asked.catch(() => {});
    return asked;
  }

  async ask() {
    this.rows = [];
    const answer = this.answer('report', 10_000);
    this.process.stdin.write('report\n');
    this.last = await answer;
    return this.rows;
  }

  /** All leave. */
  async stop() {
    const gone = new Promise((done) => this.process.on('exit', done));
    if (this.process.exitCode !== null || !this.process.stdin.writable) return;
    this.process.stdin.end('quit\n');
    await bounded('the end of the fleet', 5000, gone).catch(() => this.process.kill('SIGKILL'));
  }
}
