// A second network namespace and the wire to it: what is behind a slow or lossy link lives there. Both end
// with the namespace that `enter` made, however it ends.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { wire } from './paths.mjs';
import { bounded, until } from './wait.mjs';

/** Ends of the first wire; the next has 10.77.1.x. */
const address = (n, end) => `10.77.${n}.${end}`;
let made = 0;

/** A namespace that lives as long as its holder, a process that sleeps. */
export class Far {
  async start() {
    this.holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
    this.path = `/proc/${this.holder.pid}/ns/net`;
    const here = readlinkSync('/proc/self/ns/net');
    await until('the far namespace is there', 5000, () => readlinkSync(this.path) !== here);
    const up = spawnSync('nsenter', [`--net=${this.path}`, 'ip', 'link', 'set', 'lo', 'up']);
    if (up.status !== 0) throw new Error(`nsenter: ${up.stderr}`);
    return this;
  }

  /** A command that runs another one there. */
  inside(program, args = []) {
    return ['nsenter', [`--net=${this.path}`, program, ...args]];
  }

  /** A file that runs `program` there, for those who can only be given a file. */
  script(program, folder) {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `far-${this.holder.pid}.sh`);
    const text = `#!/bin/sh\nexec nsenter --net=${this.path} ${program} "$@"\n`;
    writeFileSync(file, text, { mode: 0o755 });
    return file;
  }

  stop() {
    this.holder?.kill('SIGKILL');
  }
}

/** `starling-wire` between here (near) and a far namespace. Down is from near to far. */
export class Wire {
  waiting = [];

  /** `from` is another far namespace that has the near end, in the place of this one. */
  async start(far, { seed = 1, mtu = 1500, from = null } = {}) {
    const n = made++;
    [this.near, this.far] = [address(n, 1), address(n, 2)];
    const ends = ['--near', `${from?.path ?? '-'},${this.near}/30`, '--far', `${far.path},${this.far}/30`];
    const args = [...ends, '--name', `wire${n}`, '--seed', `${seed}`, '--mtu', `${mtu}`];
    this.process = spawn(wire(), args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process.on('exit', (code) => this.fail(`starling-wire ended (${code})`));
    this.process.on('error', (error) => this.fail(`starling-wire: ${error.message}`));
    this.process.stdin.on('error', () => {});
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      this.waiting.shift()?.answered(JSON.parse(line));
    });
    this.realtime = (await this.answer()).realtime;
    if (from) return this;
    // Whatever is here can be reached, not only this wire's end.
    const route = far.inside('ip', ['route', 'replace', 'default', 'via', this.near]);
    if (spawnSync(...route).status !== 0) throw new Error('no route through the wire');
    return this;
  }

  /** Changes a direction: `set('down', { rate_kbps: 600 })`. */
  set(direction, settings) {
    const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    return this.order([direction, ...words].join(' '));
  }

  /** Percentiles begin anew. */
  mark() {
    return this.order('mark');
  }

  /** Counters since the start, percentiles since the last mark. */
  stats() {
    return this.order('stats');
  }

  async order(line) {
    const answer = this.answer();
    this.process.stdin.write(`${line}\n`);
    const { error, ...rest } = await answer;
    if (error) throw new Error(`starling-wire: ${error}`);
    return rest;
  }

  answer() {
    if (this.ended) return Promise.reject(new Error(this.ended));
    const answer = new Promise((answered, failed) => this.waiting.push({ answered, failed }));
    return bounded('an answer of starling-wire', 5000, answer);
  }

  fail(why) {
    this.ended = why;
    for (const { failed } of this.waiting.splice(0)) failed(new Error(why));
  }

  /** Seconds of CPU it has used. */
  cpu() {
    const fields = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  stop() {
    this.process?.stdin.end();
    this.process?.kill('SIGTERM');
  }
}
