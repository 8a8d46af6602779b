// The terminals of one reader: a shell that keeps what a page exports and where it went, and others in which
// something goes on running. Each is a process group of its own, ended by its id.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../lib/wait.mjs';

/** A command of a page that takes longer hangs: the slowest, a drain that is waited for, takes 5 s. */
const WITHIN = 60_000;
/** Printed after each block. */
const DONE = '__block_is_done__';

export class Shell {
  constructor({ cwd, env, logs }) {
    mkdirSync(logs, { recursive: true });
    this.logs = logs;
    this.env = env;
    this.cwd = cwd;
    this.count = 0;
    this.staying = [];
    /** Who is in rooms for this reader. */
    this.guests = [];
    this.bash = spawn('bash', ['--noprofile', '--norc'], {
      cwd, env, stdio: ['pipe', 'pipe', 'inherit'], detached: true,
    });
    this.said = '';
    this.bash.stdout.on('data', (text) => { this.said += text; });
    this.bash.on('exit', () => { this.over = true; });
    // What fails is remembered, and the rest of the block runs as it would for a reader.
    this.bash.stdin.write("trap 'FAILED=\"${FAILED:-$BASH_COMMAND: $?}\"' ERR\nset -o pipefail\n");
  }

  /** Runs a block; answers what it wrote, and the command that failed or null. */
  async run(text) {
    const name = join(this.logs, `block-${++this.count}`);
    writeFileSync(`${name}.sh`, text);
    this.said = '';
    this.bash.stdin.write(`FAILED=\n. '${name}.sh' </dev/null >'${name}.out' 2>&1\n`
      + `export -p >'${this.logs}/exports'; pwd >'${this.logs}/pwd'; echo "${DONE} $FAILED"\n`);
    const end = performance.now() + WITHIN;
    while (!this.said.includes(`${DONE} `) || !this.said.endsWith('\n')) {
      if (this.over) return { output: output(name), failed: 'it ended the shell' };
      if (performance.now() > end) return { output: output(name), failed: `not over within ${WITHIN / 1000} s` };
      await sleep(20);
    }
    const failed = this.said.slice(this.said.indexOf(DONE) + DONE.length).trim();
    return { output: output(name), failed: failed || null };
  }

  /** Runs a block in a terminal of its own, which is left open; answers when it has said `until`. */
  async leave(text, until) {
    const name = join(this.logs, `block-${++this.count}`);
    const before = this.count > 1 ? `. '${this.logs}/exports'\ncd "$(cat '${this.logs}/pwd')"\n` : '';
    writeFileSync(`${name}.sh`, `${before}set -e\n${text}`);
    const script = `exec bash '${name}.sh' >'${name}.out' 2>&1`;
    const child = spawn('bash', ['--noprofile', '--norc', '-c', script], {
      // Some end when nobody can type any more.
      cwd: this.cwd, env: this.env, stdio: ['pipe', 'ignore', 'ignore'], detached: true,
    });
    const terminal = { child, over: new Promise((done) => child.on('exit', (code) => done(code ?? 1))) };
    terminal.over.then(() => { terminal.ended = true; });
    this.staying.push(terminal);
    const end = performance.now() + WITHIN;
    for (;;) {
      const said = output(name);
      if (said.includes(until)) return { output: said, failed: null };
      if (terminal.ended) return { output: said, failed: 'it ended by itself' };
      if (performance.now() > end) return { output: said, failed: `never said ${until}` };
      await sleep(20);
    }
  }

  /** Ctrl-C in all terminals but the first. */
  async stop() {
    for (const people of this.guests.splice(0)) await people.stop();
    for (const { child, over } of this.staying.splice(0).reverse()) await ended(child, over);
  }

  async end() {
    await this.stop();
    const over = new Promise((done) => (this.over ? done() : this.bash.on('exit', done)));
    await ended(this.bash, over);
  }
}

async function ended(child, over) {
  const kill = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
  };
  kill('SIGTERM');
  const late = setTimeout(() => kill('SIGKILL'), 3000);
  await over;
  clearTimeout(late);
  kill('SIGKILL');
  // Until the kernel has closed what it listened on: the next page takes the same ports.
  await sleep(100);
}

function output(name) {
  try {
    return readFileSync(`${name}.out`, 'utf8');
  } catch {
    return '';
  }
}
