// One pod on its machine: its namespaces, its container, its probes, and its end, each when the manifest says so.
// Tells whoever owns it when something about it has changed.

import { spawn } from 'node:child_process';
import { chownSync, chmodSync, copyFileSync, linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from '../../lib/processes.mjs';
import { sleep } from '../../lib/wait.mjs';
import { Far } from '../../lib/wire.mjs';
import { backOff, told, untold } from './decide.mjs';
import { tie } from './network.mjs';

const CONTAINER = join(dirname(fileURLToPath(import.meta.url)), 'container.sh');
/** After the hook a container has at least so long before it is killed, in ms (kuberuntime's minimum). */
const LEAST_GRACE = 2_000;

export class Pod {
  ready = false;
  readySince = null;
  going = false;
  restarts = 0;
  /** What ended it, and how long each part took. */
  end = null;
  /** Of each time its container was killed for not answering. */
  hung = [];

  /** `surroundings`: programs, secrets, claims, hosts, authority, folder, logs and `changed`. */
  constructor(spec, surroundings) {
    Object.assign(this, spec);
    this.around = surroundings;
    this.folder = join(surroundings.folder, `${spec.name}-${spec.podIP}`);
  }

  async start() {
    this.far = await new Far().start();
    tie(this.far, this.podIP);
    mkdirSync(join(this.folder, 'root'), { recursive: true });
    const lines = this.mounts.map((mount) => [this.source(mount), mount.path, mount.readOnly ? 'ro' : 'rw'].join('\t'));
    writeFileSync(join(this.folder, 'mounts'), lines.map((line) => `${line}\n`).join(''));
    writeFileSync(join(this.folder, 'env'), Object.entries(this.env).map(([key, value]) => `${key}=${value}\0`).join(''));
    // The same files for all: what is written to them is seen by all.
    for (const name of ['hosts', 'authority']) linkSync(this.around[name], join(this.folder, name));
    this.run();
  }

  /** The folder that a mount shows. */
  source({ secret, claim, empty, mode }) {
    const { user, files } = this.identity;
    if (secret) {
      const folder = join(this.folder, 'secrets', secret);
      mkdirSync(folder, { recursive: true });
      const from = this.around.secrets[secret];
      if (!from) throw new Error(`${this.name}: there is no secret ${secret}`);
      for (const name of readdirSync(from)) {
        copyFileSync(join(from, name), join(folder, name));
        chownSync(join(folder, name), 0, files);
        chmodSync(join(folder, name), mode);
      }
      return folder;
    }
    const folder = claim ? join(this.around.folder, 'claims', `${claim}-${this.name}`) : join(this.folder, empty);
    mkdirSync(folder, { recursive: true });
    chownSync(folder, user, files);
    chmodSync(folder, 0o2770);
    return folder;
  }

  run() {
    const { user, group, files, dropped, readOnly, noMore } = this.identity;
    if (!dropped.includes('ALL') || !readOnly || !noMore || !user) throw new Error(`${this.name} is not hardened`);
    const program = this.around.programs[this.image.split(':')[0]];
    const words = [join(this.folder, 'root'), user, group, files, this.name, program, '--', ...this.command].map(String);
    const inside = this.far.inside('unshare', ['--mount', '--uts', '--propagation', 'private', CONTAINER, ...words]);
    this.child = new Child(this.name, ...inside, { logs: this.around.logs });
    this.began = performance.now();
    const { child } = this;
    child.ended.then((how) => this.ended(child, how));
    this.probed = this.probe(child);
  }

  /** A container that ends is started again, whatever it said, unless its pod is going. */
  async ended(child, how) {
    if (child !== this.child) return;
    this.say(false);
    if (this.going) return;
    this.restarts += 1;
    this.last = { how, tail: child.tail(3) };
    await sleep(backOff(this.restarts));
    if (!this.going && child === this.child) this.run();
  }

  /** Startup first, then liveness and readiness side by side. */
  async probe(child) {
    const { startup, liveness, readiness } = this.probes;
    const on = () => child === this.child && child.alive;
    if (startup) {
      const good = await this.ask(startup, () => on() && !this.going, (verdict) => verdict !== null);
      if (good === false) return this.restart(child, startup, 'startup');
      if (good === null) return undefined;
      this.startedIn = performance.now() - this.began;
    }
    const ready = this.ask(readiness, on, (verdict) => {
      this.say(verdict === true);
      return false;
    });
    const alive = liveness && this.ask(liveness, () => on() && !this.going, (verdict) => verdict === false);
    const dead = (await alive) === false;
    if (dead && on() && !this.going) await this.restart(child, liveness, 'liveness');
    return ready;
  }

  /** Asks every period until `enough(verdict)`; null if the container is gone before. */
  async ask(probe, on, enough) {
    let state = untold;
    await sleep(probe.delay * 1000);
    for (let due = performance.now(); on(); due += probe.period * 1000) {
      await sleep(Math.max(0, due - performance.now()));
      if (!on()) break;
      state = told(state, await this.answers(probe), probe);
      if (enough(state.verdict)) return state.verdict;
    }
    return null;
  }

  async answers({ path, port, timeout }) {
    try {
      const asked = fetch(`http://${this.podIP}:${port}${path}`, {
        signal: AbortSignal.timeout(timeout * 1000), redirect: 'manual',
      });
      const { status } = await asked;
      return status >= 200 && status < 400;
    } catch {
      return false;
    }
  }

  say(ready) {
    if (ready === this.ready) return;
    this.ready = ready;
    this.readySince = ready ? performance.now() : null;
    this.around.changed();
  }

  async restart(child, probe, which) {
    const began = performance.now();
    this.hung.push({ which, at: began });
    // `ended` starts it anew.
    await this.finish(child, (probe.grace ?? this.grace) * 1000);
  }

  /** Deletes it: hook, SIGTERM, and SIGKILL when the grace period is over. */
  async delete() {
    this.going = true;
    const [began, at] = [performance.now(), Date.now()];
    this.around.changed();
    const { child } = this;
    this.end = { ...(child.alive ? await this.finish(child, this.grace * 1000) : { how: child.how }) };
    this.end.ms = performance.now() - began;
    this.end.within = [at, Date.now()];
    this.far.stop();
  }

  async finish(child, grace) {
    const began = performance.now();
    const end = { hook: null, killed: false };
    if (this.preStop) {
      end.hook = await this.execute(this.preStop, grace);
      end.hookMs = performance.now() - began;
    }
    child.signal('SIGTERM');
    const left = Math.max(LEAST_GRACE, grace - (performance.now() - began));
    const timer = setTimeout(() => {
      end.killed = true;
      child.signal('SIGKILL');
    }, left);
    end.how = await child.ended;
    clearTimeout(timer);
    return end;
  }

  /** Runs a command in the container, as the kubelet would; the code it ends with, or 'late'. */
  execute(command, within) {
    const { user, group, files } = this.identity;
    const pid = this.child.process.pid;
    const as = ['--reuid', user, '--regid', group, '--groups', files, '--no-new-privs', '--bounding-set=-all',
      '--inh-caps=-all', '--ambient-caps=-all'].map(String);
    const words = ['--target', `${pid}`, '--mount', '--uts', '--net', '--root', '--wd', '/.container/setpriv', ...as, '--', ...command];
    const log = join(this.around.logs, `${this.name}.hook.log`);
    return new Promise((done) => {
      const { env } = this;
      const process = spawn('/usr/bin/nsenter', words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      const timer = setTimeout(() => {
        process.kill('SIGKILL');
        done('late');
      }, within);
      let said = '';
      for (const stream of [process.stdout, process.stderr]) stream.on('data', (data) => { said += data; });
      process.on('error', (error) => done(error.message));
      process.on('exit', (code, signal) => {
        clearTimeout(timer);
        writeFileSync(log, said, { flag: 'a' });
        done(code ?? signal);
      });
    });
  }
}
