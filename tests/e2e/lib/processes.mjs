// Child processes: each with a log file, each ended by its own id.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const running = new Set();

export class Child {
  constructor(name, program, args, { env = {}, logs, cwd }) {
    mkdirSync(logs, { recursive: true });
    this.name = name;
    this.log = join(logs, `${name}.log`);
    const file = openSync(this.log, 'a');
    this.process = spawn(program, args, {
      stdio: ['ignore', file, file],
      cwd,
      env: { ...process.env, ...env },
    });
    closeSync(file);
    this.ended = new Promise((done) => {
      this.process.on('exit', (code, signal) => done(signal ?? code));
      this.process.on('error', (error) => done(error.message));
    });
    this.ended.then((how) => {
      this.how = how;
      running.delete(this);
    });
    running.add(this);
  }

  get alive() {
    return running.has(this);
  }

  signal(name) {
    if (this.alive) this.process.kill(name);
  }

  /** Asks it to end, and ends it after `grace` ms. */
  async end(grace = 2000) {
    if (!this.alive) return;
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), grace);
    await this.ended;
    clearTimeout(timer);
  }

  async kill() {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** The end of what it wrote. */
  tail(lines = 15) {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}

/** Ends all that is left. */
export async function endAll() {
  await Promise.all([...running].map((child) => child.end()));
}
