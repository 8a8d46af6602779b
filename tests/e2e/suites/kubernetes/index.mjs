// The pods of an overlay as local processes: their exact commands, environment, secrets, probes and hooks, with an etcd
// of three, under people who are in one room the whole time and strangers who come twice a second.
//
// K8S_OVERLAY (whole): a folder of k8s/overlays that has an etcd of three.  K8S=short: without what takes minutes.
// K8S_SCENES=grow,shrink: these scenes alone.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fleet } from '../../lib/fleet.mjs';
import { etcd, load, reports, root, starling } from '../../lib/paths.mjs';
import { percentile } from '../../lib/report.mjs';
import { sleep } from '../../lib/wait.mjs';
import { Far } from '../../lib/wire.mjs';
import { Kubernetes } from './cluster.mjs';
import { tie } from './network.mjs';
import { FLEET, long, short } from './scenario.mjs';
import { secrets } from './secrets.mjs';

export const SHORT = process.env.K8S === 'short';
export const MINUTES = SHORT ? 3 : 12;

/** As an ingress would publish it: the service that sends new connections to nodes that are ready. */
const ENTRY = 'https://api.starling.example.org';
/** Where clients are: outside of the cluster. */
const OUTSIDE = '203.0.113.10';
/** Everybody hears both who send, in picture and sound, but nobody hears oneself. */
const STREAMS = 2 * (FLEET.publishers * (FLEET.members - 1));
const GUEST_EVERY = 500;
/** The longest interval of anything, in ms, while something planned is done. */
const LATE = 1_000;
/** The longest guest: a join that is sent on twice, and its 3 s. */
const LAST_GUESTS = 5_000;

export async function kubernetes({ report }) {
  const overlay = process.env.K8S_OVERLAY ?? 'whole';
  const logs = join(reports, 'logs', 'kubernetes');
  rmSync(logs, { recursive: true, force: true });
  const folder = mkdtempSync(join(tmpdir(), 'starling-k8s-'));
  const stage = await Stage.set(overlay, folder, logs, report);
  try {
    await stage.play(picked(SHORT ? short : long));
  } finally {
    await stage.strike();
    rmSync(folder, { recursive: true, force: true });
  }
}

function picked(scenes) {
  const names = process.env.K8S_SCENES?.split(',') ?? Object.keys(scenes);
  return Object.fromEntries(names.map((name) => [name, scenes[name]]));
}

class Stage {
  guests = 0;
  /** Guests who came during faults, as spans of their numbers. */
  rough = [];

  static async set(overlay, folder, logs, report) {
    const stage = new Stage();
    const python = join(root, 'tests', 'manifests', 'python.sh');
    const words = [join(root, 'tests', 'manifests', 'render.py'), join(root, 'k8s', 'overlays', overlay)];
    const objects = JSON.parse(execFileSync(python, words, { cwd: root, encoding: 'utf8' }));
    mkdirSync(join(folder, 'secrets'));
    const made = secrets(join(folder, 'secrets'), ['starling-0', 'starling-1', 'starling-2']);
    stage.cluster = new Kubernetes(objects, {
      programs: { starling: starling(), 'quay.io/coreos/etcd': etcd() },
      secrets: made.all, authority: made.authority, folder, logs,
    });
    return Object.assign(stage, { folder, logs, report, secrets: made });
  }

  async play(scenes) {
    const { cluster } = this;
    cluster.open();
    this.outside = await new Far().start();
    tie(this.outside, OUTSIDE);
    await cluster.scale('etcd', 3);
    const [first] = await cluster.scale('starling', 1);
    this.report.put('first_ready_ms', first.readySince - first.began);
    this.fleet = await new Fleet(this.clients(), FLEET, this.logs).start();
    this.door = setInterval(() => {
      this.guests += 1;
      this.fleet.process.stdin.write('guest\n');
    }, GUEST_EVERY);
    for (const [name, scene] of Object.entries(scenes)) {
      const began = performance.now();
      await scene(this);
      console.log(`  ${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    }
    await this.guestsLeave();
    cluster.changed();
    this.report.check('policy_refused_by_mistake', cluster.refused, (n) => n === 0, '0');
    this.judgeEnds();
  }

  /** What the fleet has to know of the cluster: where to go, and how to be there. */
  clients() {
    const script = join(this.folder, 'outside.sh');
    const hosts = this.cluster.hosts;
    writeFileSync(script, `#!/bin/sh
exec nsenter --net=${this.outside.path} unshare --mount --propagation private sh -c '
mount --bind ${hosts} /etc/hosts && exec ${load()} "$@"' sh "$@"
`, { mode: 0o755 });
    return {
      nodes: [{ url: ENTRY }],
      program: script,
      secrets: { STARLING_TOKEN_SECRET: this.secrets.token, SSL_CERT_FILE: this.secrets.authority },
    };
  }

  /** As an operator on a machine of the cluster. */
  async api(pod, method, path, body) {
    const answer = await fetch(`http://${this.cluster.pod(pod).podIP}:9400${path}`, {
      method,
      headers: { authorization: `Bearer ${this.secrets.admin}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text || 'null');
  }

  /**
   * What people saw while `go` went on. Planned things (`planned`): nobody loses a node, and no picture is late; after
   * others everybody is back.
   */
  async during(name, go, { planned = true, settle = 3_000 } = {}) {
    const { fleet, report } = this;
    await fleet.mark();
    const from = fleet.events.length;
    const began = performance.now();
    const first = this.guests;
    const result = await go();
    report.put(`${name}_ms`, performance.now() - began);
    await sleep(settle);
    const rows = await fleet.streams();
    const members = fleet.events.slice(from).filter(({ peer }) => !peer.includes('-guest-'));
    const count = (event) => members.filter((one) => one.event === event).length;
    report.put(`${name}_moved`, count('moved'));
    const longest = Math.max(0, ...rows.map(({ gap_ms }) => gap_ms));
    report.check(`${name}_streams`, rows.length, (n) => n === STREAMS, `${STREAMS}`);
    report.check(`${name}_members_out`, FLEET.members - fleet.last.in, (n) => n === 0, '0');
    report.check(`${name}_gone`, count('gone'), (n) => n === 0, '0');
    report.put(`${name}_packets_lost`, rows.reduce((sum, { packets_lost }) => sum + packets_lost, 0));
    if (planned) {
      for (const event of ['lost', 'refused']) {
        const good = report.check(`${name}_${event}`, count(event), (n) => n === 0, '0');
        if (!good) console.log(members.filter((one) => one.event === event).map(({ peer, why }) => `    ${event} ${peer}: ${why}`).join('\n'));
      }
      report.check(`${name}_interval_max_ms`, longest, (ms) => ms <= LATE, `<= ${LATE}`);
    } else {
      this.rough.push([first, this.guests]);
      report.put(`${name}_interval_max_ms`, longest);
      report.put(`${name}_lost`, count('lost'));
      report.check(`${name}_back`, count('back'), (n) => n === count('lost'), 'as many as lost');
    }
    return result;
  }

  async guestsLeave() {
    clearInterval(this.door);
    await sleep(LAST_GUESTS);
    const { report } = this;
    const joined = this.fleet.events.filter(({ event, peer }) => event === 'joined' && peer.includes('-guest-'));
    const numbers = new Set(joined.map(({ peer }) => Number(peer.split('-').at(-1))));
    const failed = Array.from({ length: this.guests }, (_, n) => n).filter((n) => !numbers.has(n));
    const rough = failed.filter((n) => this.rough.some(([from, to]) => n >= from && n <= to));
    report.put('guests', this.guests);
    report.put('guests_join_p99_ms', percentile(joined.map(({ ms }) => ms), 99));
    // A service goes on sending to what hangs until a probe has told it.
    report.put('joins_failed_in_faults', rough.length);
    report.check('joins_failed', failed.length - rough.length, (n) => n === 0, '0');
  }

  /** Each pod that was to go went by itself: its hook ended well, it took no clients meanwhile, and nobody killed it. */
  judgeEnds() {
    const { report, cluster } = this;
    const ends = cluster.ended.filter(({ set, end }) => set === 'starling' && !end.forced);
    report.put('pods_ended', ends.length);
    report.check('pods_killed', ends.filter(({ end }) => end.killed).length, (n) => n === 0, '0');
    report.check('pods_hook_failed', ends.filter(({ end }) => end.hook !== 0).length, (n) => n === 0, '0');
    report.check('pods_exit_failed', ends.filter(({ end }) => end.how !== 0).length, (n) => n === 0, '0');
    report.check('guests_of_pods_that_went', ends.flatMap((pod) => this.lateGuests(pod)).length, (n) => n === 0, '0');
    report.put('pods_end_max_ms', Math.max(0, ...ends.map(({ end }) => end.ms)));
    const unasked = [...cluster.pods, ...ends].filter(({ restarts, mayRestart = 0 }) => restarts > mayRestart);
    report.check('restarts_unasked', unasked.length, (n) => n === 0, '0');
    for (const { name, last } of unasked) console.log(`    ${name} ended (${last.how}): ${last.tail}`);
  }

  /** Who came to a pod that was going, a second or more after the service had left it out. */
  lateGuests({ name, end: { within: [from, to] } }) {
    return this.fleet.events.filter(({ event, peer, node, at }) =>
      event === 'joined' && peer.includes('-guest-') && node === name && at > from + 1_000 && at < to);
  }

  async strike() {
    clearInterval(this.door);
    await this.fleet?.stop();
    await this.cluster.stop();
    this.outside?.stop();
  }
}
