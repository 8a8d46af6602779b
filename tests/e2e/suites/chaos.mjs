// Nodes are killed under a call, and etcd is taken away: what do people see, and for how long?

import { join } from 'node:path';
import { Browser, CAMERA } from '../lib/browser.mjs';
import { reports } from '../lib/paths.mjs';
import { spread } from '../lib/report.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { explain } from './call.mjs';

const ROOM = 'chaos';
/** Who is where. Everybody watches all senders. */
const CAST = [
  { name: 'ada', node: 0, sends: true },
  { name: 'cleo', node: 1, sends: false },
  { name: 'ben', node: 2, sends: true },
  { name: 'dan', node: 2, sends: false },
];
const toCleo = (watch) => watch.by.node === 1;
const ofAda = (watch) => watch.of.node === 0;
/** What happens to which node, and whose streams are the measure. */
const ROLES = [
  { role: 'subscriber', act: 'kill', node: 1, measured: toCleo },
  { role: 'publisher', act: 'kill', node: 0, measured: ofAda },
  // cleo watches ada: neither is on the node that dies.
  { role: 'neither', act: 'kill', node: 2, measured: (watch) => toCleo(watch) && ofAda(watch) },
  { role: 'subscriber_stopped', act: 'stop', node: 1, measured: toCleo },
  { role: 'publisher_stopped', act: 'stop', node: 0, measured: ofAda },
  { role: 'subscriber_drained', act: 'drain', node: 1, measured: toCleo },
  { role: 'publisher_drained', act: 'drain', node: 0, measured: ofAda },
];
/** Nodes that hang or drain are tried so often at most: the trials are for kills. */
const OTHERS = 5;
/** Frames of a 12 fps camera are 83 ms apart; a gap this long is one that a person sees. */
const UNTOUCHED = 300;

export async function chaos({ cluster, trials, report }) {
  const browser = new Browser();
  try {
    const people = [];
    for (const cast of CAST) {
      const person = await browser.person(cast.name, { width: 480, height: 320 });
      Object.assign(person, cast);
      person.url = await cluster.page(cast.node, ROOM, cast.name, query(cast.sends));
      await person.open(person.url);
      people.push(person);
    }
    await whole(people);
    console.log('  the room is whole');
    const results = ROLES.map(() => ({ gaps: [], untouched: [], lost: 0, whole: [], stalls: [] }));
    for (let trial = 0; trial < trials; trial++) {
      for (const [n, role] of ROLES.entries()) {
        if (role.act !== 'kill' && trial >= OTHERS) continue;
        await once({ cluster, people, role, result: results[n], report, trial });
      }
    }
    for (const [n, { role }] of ROLES.entries()) judge(report, role, results[n]);
    await withoutEtcd({ cluster, browser, people, report });
  } finally {
    await browser.stop();
  }
}

function query(sends) {
  return sends ? { ...CAMERA, name: '' } : { audio: '0', video: '0' };
}

/** Everybody's view of every sender. */
function watches(people) {
  return people.flatMap((by) => people.filter((of) => of.sends && of !== by).map((of) => ({
    by, of, stream: `${of.name}/video`,
  })));
}

/** Waits until frames of every sender come in at everybody, evenly. */
async function whole(people, within = 30_000) {
  await until('the room is whole', within, async () => {
    for (const person of people) {
      const streams = watches(people).filter((watch) => watch.by === person);
      const { peers, node } = await person.stats();
      if (!node) throw new Error(`${person.name} is on no node`);
      const others = people.filter((other) => other !== person).map((other) => other.name);
      const missing = others.filter((name) => !peers.some((peer) => peer.peerId === name));
      if (missing.length) throw new Error(`${person.name} does not know ${missing}`);
      const ages = await person.ask(() => {
        const now = performance.now();
        return window.starling.gaps(now - 700, now).gaps;
      });
      const still = streams.filter(({ stream }) => !(ages[stream] < 650));
      if (still.length) throw new Error(`${person.name}: no ${still.map((w) => w.stream)}`);
    }
    return true;
  });
}

async function once({ cluster, people, role, result, report, trial }) {
  const all = watches(people);
  const untouched = all.filter(({ by, of }) => by.node !== role.node && of.node !== role.node);
  const before = await losses(untouched);
  const from = new Map();
  for (const person of people) from.set(person, await person.resetGaps());
  await sleep(1000);
  const began = performance.now();
  await strike(cluster, role);
  try {
    await moved(cluster, people, role);
    await whole(people);
    result.whole.push(performance.now() - began);
    await sleep(1500);
    await whole(people);
  } catch (error) {
    report.fail(`${role.role} ${trial}: ${error.message}`);
    await sos(people, role.role, trial);
  }
  const seen = new Map();
  for (const person of people) seen.set(person, await person.gaps(from.get(person)));
  const gap = ({ by, stream }) => seen.get(by).gaps[stream] ?? Infinity;
  result.gaps.push(...all.filter(role.measured).map(gap));
  result.untouched.push(...untouched.map(gap));
  result.stalls.push(...[...seen.values()].map((gaps) => gaps.stallMs));
  const after = await losses(untouched);
  const lost = after.reduce((sum, count, n) => sum + count - before[n], 0);
  result.lost += lost;
  const worst = Math.max(...all.filter(role.measured).map(gap));
  const calm = Math.max(...untouched.map(gap));
  console.log(`  ${trial + 1} ${role.role}: longest gap ${Math.round(worst)} ms, `
    + `untouched ${Math.round(calm)} ms, lost ${lost}`);
  if (worst > (role.act === 'stop' ? 3500 : 1000) || calm > 1000) await explain(people, 600);
  await restore(cluster, people, role);
}

async function strike(cluster, { act, node }) {
  if (act === 'kill') return cluster.children[node].kill();
  if (act === 'stop') return cluster.children[node].signal('SIGSTOP');
  return cluster.api(node, 'POST', `/v1/nodes/${cluster.nodes[node].id}/drain`, { wait: true });
}

/** Waits until its people have left the node. */
async function moved(cluster, people, role) {
  for (const person of people.filter((person) => person.node === role.node)) {
    await until(`${person.name} is on another node`, 20_000, async () => {
      const { node } = await person.stats();
      return node && node !== cluster.nodes[role.node].id;
    });
  }
}

/** The node comes back, and its people with it. */
async function restore(cluster, people, role) {
  const { act, node } = role;
  if (act === 'drain') {
    await cluster.api(node, 'POST', `/v1/nodes/${cluster.nodes[node].id}/undrain`);
  } else {
    await cluster.children[node].kill();
    cluster.startNode(node);
  }
  await cluster.whole();
  for (const person of people.filter((person) => person.node === node)) {
    await person.leave();
    await person.open(person.url);
  }
  await whole(people);
  await sleep(1000);
}

/** Packets lost so far on some streams. */
async function losses(streams) {
  const stats = new Map();
  for (const { by } of streams) if (!stats.has(by)) stats.set(by, await by.stats());
  return streams.map(({ by, of }) => stats.get(by).consumers
    .filter((stream) => stream.peerId === of.name)
    .reduce((sum, stream) => sum + stream.packetsLost, 0));
}

/** What everybody saw, for whoever looks into it. */
async function sos(people, role, trial) {
  for (const person of people) {
    const events = await person.events().catch(() => []);
    console.log(`    ${person.name}: ${JSON.stringify(events.slice(-12))}`);
    const path = join(reports, `chaos-${role}-${trial}-${person.name}.png`);
    await person.page.screenshot({ path }).catch(() => {});
  }
}

function judge(report, role, result) {
  spread(report, `${role}_gap_ms`, result.gaps);
  spread(report, `${role}_whole_after_ms`, result.whole);
  spread(report, `${role}_untouched_gap_ms`, result.untouched);
  spread(report, `${role}_page_stall_ms`, result.stalls);
  report.check(`${role}_untouched_packets_lost`, result.lost, (n) => n === 0, '0');
  const longest = Math.max(...result.untouched);
  if (longest > UNTOUCHED) {
    report.fail(`${role}: a stream that did not touch the dead node stood still for ${longest} ms`);
  }
}

/** etcd is killed: nothing is lost, people come and go, and afterwards all is as it was. */
async function withoutEtcd({ cluster, browser, people, report }) {
  const seconds = Number(process.env.ETCD_STOP_S ?? 60);
  const streams = watches(people);
  const eveUrl = await cluster.page(1, ROOM, 'eve', query(false));
  const before = await losses(streams);
  for (const person of people) await person.resetGaps();
  await cluster.etcd.kill();
  console.log(`  etcd is killed for ${seconds} s`);
  const end = performance.now() + seconds * 1000;
  await sleep(Math.min(10_000, seconds * 300));
  const began = performance.now();
  const eve = Object.assign(await browser.person('eve'), { node: 1, sends: false });
  await eve.open(eveUrl);
  await whole([...people, eve], 20_000).then(
    () => report.put('etcd_down_join_ms', performance.now() - began),
    (error) => report.fail(`joining while etcd is down: ${error.message}`));
  const fresh = await cluster.api(0, 'POST', '/v1/rooms', { id: 'fresh' }).then(
    () => 'made', (error) => error.message);
  report.check('etcd_down_new_room_refused', Number(fresh.includes('registry_unavailable')),
    (n) => n === 1, `1, but: ${fresh}`);
  await sleep(Math.max(0, end - performance.now()));
  const after = await losses(streams);
  const lost = after.reduce((sum, count, n) => sum + count - before[n], 0);
  report.check(`etcd_down_${seconds}s_packets_lost`, lost, (n) => n === 0, '0');
  const gaps = [];
  for (const person of people) {
    const seen = (await person.gaps()).gaps;
    gaps.push(...streams.filter(({ by }) => by === person).map(({ stream }) => seen[stream]));
  }
  spread(report, `etcd_down_${seconds}s_gap_ms`, gaps);
  const back = performance.now();
  await cluster.startEtcd();
  await until('a new room can be made again', 60_000, () =>
    cluster.api(0, 'POST', '/v1/rooms', { id: `fresh-${Math.floor(performance.now())}` }));
  await cluster.whole(30_000);
  await until('all nodes know the room everywhere', 30_000, async () => {
    for (const n of cluster.nodes.keys()) {
      const room = await cluster.api(n, 'GET', `/v1/rooms/${ROOM}`);
      if (room.nodes.length !== cluster.nodes.length) throw new Error(JSON.stringify(room));
    }
    return true;
  });
  report.put('etcd_back_converged_ms', performance.now() - back);
  await whole([...people, eve]);
  await eve.leave();
}
