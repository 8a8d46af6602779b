// The load generator's people: publishers with known layers here, a receiver behind the wire.

import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { load } from './paths.mjs';
import { bounded } from './wait.mjs';

class Load {
  constructor(name, command, args, logs) {
    const log = openSync(join(logs, `${name}.log`), 'w');
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', log] });
    this.ready = bounded(name, 30_000, new Promise((ready, failed) => {
      this.process.on('error', failed);
      this.process.on('exit', (code) => failed(new Error(`${name} ended (${code})`)));
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        const row = JSON.parse(line);
        if (row.ready) ready(this);
        else this.row?.(row);
      });
    }));
    this.ready.catch(() => {});
  }

  stop() {
    this.process.kill('SIGTERM');
  }
}

const words = (options) =>
  Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);

/** Publishers in a room: `{ publishers, ladder, fps, temporal, audio, seconds }`. */
export function publish(lab, room, options) {
  const url = lab.cluster.nodes[0].url.replace('localhost', '127.0.0.1');
  const args = ['publish', ...words({ url, room, seconds: 600, ...options })];
  return new Load('publish', load(), args, lab.logs).ready;
}

/** A receiver behind the wire whose rows go to `rows` with the time since the series began. */
export async function watch(lab, room, series, options = {}) {
  const url = `http://${lab.wire.near}:4443`;
  const args = ['watch', ...words({ url, room, seconds: 600, ...options })];
  const watcher = new Load('watch', ...lab.far.inside(load(), args), lab.logs);
  const rows = (series.rows.received = []);
  watcher.row = (row) => rows.push({ ...row, at: series.now() });
  return watcher.ready;
}
