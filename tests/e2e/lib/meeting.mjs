// People of the load generator who meet in a room (`starling-load meet`), in one of the namespaces.

import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { load } from './paths.mjs';
import { bounded } from './wait.mjs';

export class Meeting {
  rows = [];

  /** `options` are those of `meet`; `far` is where they are, if not here. Resolves when all have joined. */
  async start(cluster, { far = null, ...options }) {
    const words = Object.entries(options).flatMap(([key, value]) => [`--${key}`, `${value}`]);
    const command = far ? far.inside(load(), ['meet', ...words]) : [load(), ['meet', ...words]];
    const log = openSync(join(cluster.logs, `meet-${options.prefix}.log`), 'w');
    const env = { ...process.env, ...cluster.secrets };
    this.process = spawn(...command, { stdio: ['pipe', 'pipe', log], env });
    this.process.stdin.on('error', () => {});
    await bounded(`${options.prefix} meet`, 60_000, new Promise((ready, failed) => {
      this.process.on('error', failed);
      this.process.on('exit', (code) => failed(new Error(`${options.prefix}: meet ended (${code})`)));
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        const row = JSON.parse(line);
        if (!('ready' in row)) return void this.rows.push(row);
        this.joinedMs = row.joined_ms;
        ready();
      });
    }));
    return this;
  }

  /** Which layers they want from now on, each in turn. */
  prefer(layers) {
    this.process.stdin.write(`prefer ${layers.join(',')}\n`);
  }

  get last() {
    return this.rows.at(-1);
  }

  /** Rows told from `from` to `to`, in ms since 1970. */
  between(from, to) {
    return this.rows.filter((row) => row.wall_ms >= from && row.wall_ms <= to);
  }

  stop() {
    this.process?.stdin.end();
    this.process?.kill('SIGTERM');
  }
}
