// Three people on one node, two who watch them on another, and a link between the nodes that loses, delays,
// reorders, is narrow, or takes no full packets: what is left after repair, how late it comes, what was shed,
// and when all is well again. LINK_FAULTS=loss_5pct,… picks; LINK_SECONDS=20 is for how long each lasts.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Meeting } from '../../lib/meeting.mjs';
import { reports } from '../../lib/paths.mjs';
import { percentile } from '../../lib/report.mjs';
import { SpreadCluster } from '../../lib/spread.mjs';
import { sleep, until } from '../../lib/wait.mjs';
import { Far, Wire } from '../../lib/wire.mjs';
import { FAULTS, NONE, SECONDS } from './faults.mjs';
import { keyFrames, rosters } from './messages.mjs';
import { recovery } from './recovery.mjs';

const ROOM = 'links';
const SENDERS = 3;
const VIEWERS = 2;
const LADDER = [100, 300, 900];
const FPS = 25;

export async function links({ report }) {
  const names = (process.env.LINK_FAULTS ?? FAULTS.map(({ name }) => name).join(',')).split(',');
  const lab = new LinkLab();
  try {
    await lab.start();
    await sleep(2000);
    const calm = await lab.during(5, async () => {});
    say(report, 'none', calm, calm);
    for (const fault of FAULTS.filter(({ name }) => names.includes(name))) {
      console.log(`  links: ${fault.name}`);
      await lab.wire.set('both', fault.is);
      const found = await lab.during(SECONDS, () => messages(lab));
      const healed = Date.now();
      await lab.wire.set('both', NONE);
      await sleep(5000);
      const well = recovery(lab.viewers.between(healed - 500, Date.now()), healed, calm.audio.p99);
      say(report, fault.name, found, calm);
      report.check(`${fault.name}_recovered_ms`, well.flows, (ms) => ms <= 1000, '<= 1000');
      report.put(`${fault.name}_layers_back_ms`, well.layers);
      // Whatever a fault left behind is not the next one's.
      await until('all layers are back', 60_000, () => lab.best());
    }
  } finally {
    await lab.stop();
  }
}

async function messages(lab) {
  const consumers = await lab.cameras();
  return { roster: await rosters(lab.cluster, ROOM), key: await keyFrames(lab, ROOM, consumers) };
}

/** One fault's figures; `calm` is what there was without. */
function say(report, name, found, calm) {
  for (const kind of ['audio', 'video']) {
    const { packets, missing, p50, p99, n, shed } = found[kind];
    report.put(`${name}_${kind}_left_pct_n${packets + missing}`, (100 * missing) / (packets + missing));
    report.put(`${name}_${kind}_added_ms_p50_n${n}`, p50 - calm[kind].p50);
    report.put(`${name}_${kind}_added_ms_p99_n${n}`, p99 - calm[kind].p50);
    report.put(`${name}_${kind}_shed`, shed);
  }
  report.put(`${name}_control_shed`, found.controlShed);
  report.put(`${name}_link_lost_pct`, found.lostPct);
  report.put(`${name}_freezes_per_minute_n${found.seconds * SENDERS * VIEWERS}s`, found.freezesPerMinute);
  report.put(`${name}_layers_mean`, found.layers);
  if (found.other?.roster) {
    const { roster, key } = found.other;
    report.put(`${name}_roster_ms_max_n${roster.length}`, Math.max(...roster));
    report.put(`${name}_key_frame_asked_ms_max_n${key.length}`, Math.max(...key));
  }
  if (found.audio.shed > 0 && found.video.shed === 0) {
    report.fail(`${name}: audio was shed (${found.audio.shed}) and no video`);
  }
}

class LinkLab {
  logs = join(reports, 'logs', 'links');

  async start() {
    mkdirSync(this.logs, { recursive: true });
    this.far = await new Far().start();
    // One wire has only the link between the nodes, the other one all else: etcd, REST.
    this.wire = await new Wire().start(this.far);
    this.rest = await new Wire().start(this.far, { seed: 2 });
    await this.wire.set('both', NONE);
    const { wire, rest } = this;
    const places = [
      { http: rest.near, link: wire.near, etcd: rest.near },
      { far: this.far, http: rest.far, link: wire.far, etcd: rest.near },
    ];
    this.cluster = new SpreadCluster(places, this.logs);
    await this.cluster.start();
    const urls = this.cluster.nodes.map(({ url }) => url);
    const camera = { ladder: LADDER.join(','), fps: FPS };
    const people = { room: ROOM, ...camera, 'every-ms': 50 };
    this.senders = await new Meeting().start(this.cluster,
      { ...people, url: urls[0], prefix: 'sender', people: SENDERS });
    this.viewers = await new Meeting().start(this.cluster,
      { ...people, far: this.far, url: urls[1], prefix: 'viewer', people: VIEWERS, cameras: 0, voices: 0,
        delays: 1 });
    await until('all layers come', 30_000, () => this.best());
  }

  /** Whether each viewer gets the best layer of each sender now. */
  best() {
    const [before, now] = [this.viewers.rows.at(-20), this.viewers.last];
    if (!before || now.got.length < 2 * SENDERS) return false;
    const video = now.got.filter(({ kind }) => kind === 'video');
    return video.every((one) => {
      const then = before.got.find(({ of, kind }) => of === one.of && kind === 'video');
      const grown = one.by_layer.map((bytes, n) => bytes - (then?.by_layer[n] ?? 0));
      return grown[2] > 0 && grown[0] === 0 && grown[1] === 0;
    });
  }

  /** Consumers of cameras of the first viewer, with whose they are. */
  async cameras() {
    const look = (n, peer) => this.cluster.api(n, 'GET', `/v1/rooms/${ROOM}/peers/${peer}`);
    const { consumers } = await look(1, 'viewer-0');
    const found = [];
    for (let n = 0; n < SENDERS; n++) {
      const peerId = `sender-${n}`;
      const { producers } = await look(0, peerId);
      const camera = producers.find(({ kind }) => kind === 'video');
      const consumer = consumers.find(({ producerId }) => producerId === camera.id);
      found.push({ id: consumer.id, peerId });
    }
    return found;
  }

  /** What came within `seconds`, while `other()` does something else. */
  async during(seconds, other) {
    const from = { at: Date.now(), ...(await this.counters()) };
    const [other_] = await Promise.all([other(), sleep(seconds * 1000)]);
    const to = { at: Date.now(), ...(await this.counters()) };
    const rows = this.viewers.between(from.at, to.at);
    const [first, last] = [rows[0], rows.at(-1)];
    const grown = (kind, what) => sum(last, kind, what) - sum(first, kind, what);
    const found = { seconds, other: other_ };
    for (const kind of ['audio', 'video']) {
      const delays = rows.flatMap((row) => row[`${kind}_ms`]);
      found[kind] = {
        packets: grown(kind, 'packets'), missing: Math.max(0, grown(kind, 'missing')), n: delays.length,
        p50: percentile(delays, 50), p99: percentile(delays, 99), shed: to.shed[kind] - from.shed[kind],
      };
    }
    found.controlShed = to.shed.control - from.shed.control;
    found.lostPct = (100 * (to.lost - from.lost)) / (to.datagrams - from.datagrams);
    found.freezesPerMinute = grown('video', 'freezes') / ((seconds * SENDERS * VIEWERS) / 60);
    const layers = [0, 1, 2].map((n) => byLayer(last, n) - byLayer(first, n));
    const kbps = layers.map((bytes) => (8 * bytes) / (last.wall_ms - first.wall_ms));
    // Streams at each layer, told by their bytes.
    const streams = kbps.map((rate, n) => rate / LADDER[n]);
    const all = streams.reduce((a, b) => a + b, 0);
    found.layers = streams.reduce((a, share, n) => a + share * n, 0) / all;
    return found;
  }

  /** What the senders' node counts of its link. */
  async counters() {
    const text = await this.cluster.api(0, 'GET', '/metrics');
    const read = (name, more = '') => {
      const line = text.split('\n').find((it) => it.startsWith(name) && it.includes(more));
      return Number(line?.split(' ').at(-1) ?? 0);
    };
    const shed = (kind) => read('starling_link_packets_shed_total', `class="${kind}"`);
    return {
      shed: { audio: shed('audio'), video: shed('video'), control: shed('control') },
      lost: read('starling_link_quic_packets_lost_total'),
      datagrams: read('starling_link_datagrams_sent_total'),
    };
  }

  async stop() {
    this.senders?.stop();
    this.viewers?.stop();
    await this.cluster?.stop();
    this.wire?.stop();
    this.rest?.stop();
    this.far?.stop();
  }
}

const sum = (row, kind, what) => row.got.filter((one) => one.kind === kind)
  .reduce((all, one) => all + one[what], 0);
const byLayer = (row, n) => row.got.reduce((all, one) => all + (one.kind === 'video' ? one.by_layer[n] : 0), 0);
