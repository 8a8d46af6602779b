// Nodes are emptied under people: 60 of the load generator's in six rooms, and three Chromium. What do those
// who stay miss, what do those who move, and how long does a node take to leave?
//
// TRIALS (3): drains over REST.  DRAIN_BROWSERS=0: without Chromium.

import { Browser, CAMERA } from '../lib/browser.mjs';
import { Fleet } from '../lib/fleet.mjs';
import { percentile } from '../lib/report.mjs';
import { sleep, until } from '../lib/wait.mjs';

/** 50 ms between two pictures: a frame interval of 100 ms is one picture missed. */
const FLEET = { room: 'drain', rooms: 6, members: 10, publishers: 2, fps: 20, sounds: 10, 'at-once': 8 };
const PEOPLE = FLEET.rooms * FLEET.members;
/** What those who move may see between two pictures (p99), in milliseconds. */
const FRAME = 100;
const EXIT = 30_000;
/** After a move: the old seat is left when the new one has all, after 2.5 s at the latest. */
const SETTLE = 3_000;
/** What a room that is whole never has between two pictures of anybody, in ms. */
const BROKEN = 1_000;

export const settings = { DRAIN_DEADLINE: '25s' };

export async function drain({ cluster, report }) {
  const trials = Number(process.env.TRIALS ?? 3);
  const fleet = await new Fleet(cluster, FLEET, cluster.logs).start();
  const browser = new Browser();
  try {
    const people = process.env.DRAIN_BROWSERS === '0' ? [] : await enter(browser, cluster);
    const seen = sums();
    for (let trial = 0; trial < trials; trial++) {
      const node = trial % cluster.nodes.length;
      await once({ cluster, fleet, people, node, seen, what: 'drained', go: () => byRest(cluster, node) });
      await cluster.api(node, 'POST', `/v1/nodes/${cluster.nodes[node].id}/undrain`);
      await spread(cluster, fleet, node);
    }
    judge(report, 'drain', seen);
    await rolling({ cluster, fleet, people, report });
  } finally {
    fleet.stop();
    await browser.stop();
  }
}

const sums = () => ({
  took: [], moved: 0, staysLost: 0, staysPackets: 0, ofMovedMissed: 0, moverMissed: 0, mover: [], ofMoved: [], stays: [],
  older: 0, strange: 0, duplicates: 0, refused: 0, lost: 0, gone: 0, film: [],
});

/** Ada sends, ben and cleo look: one on each node. */
async function enter(browser, cluster) {
  const people = [];
  for (const [node, name] of ['ada', 'ben', 'cleo'].entries()) {
    const person = await browser.person(name, { width: 480, height: 320 });
    const query = node === 0 ? { ...CAMERA, fps: '20', name: '' } : { audio: '0', video: '0' };
    await person.open(await cluster.page(node, 'film', name, query));
    people.push(Object.assign(person, { sends: node === 0 }));
  }
  for (const person of people.filter((one) => !one.sends)) {
    await until(`${person.name} sees ada`, 20_000, async () => (await person.videos()).size === 1);
  }
  await sleep(2_000);
  return people;
}

/** Empties a node, or ends it, and adds up what everybody heard meanwhile. */
async function once({ cluster, fleet, people, node, seen, what, go }) {
  const { id } = cluster.nodes[node];
  await sleep(1_000);
  await fleet.mark();
  const events = fleet.events.length;
  const from = new Map();
  for (const person of people) from.set(person, await person.resetGaps());
  const began = performance.now();
  await go();
  const took = performance.now() - began;
  await sleep(SETTLE);
  const rows = await fleet.streams();
  const told = fleet.events.slice(events);
  const count = (event) => told.filter((row) => row.event === event).length;
  add(seen, rows, id);
  seen.took.push(took);
  seen.moved += count('moved');
  for (const event of ['refused', 'lost', 'gone']) seen[event] += count(event);
  for (const person of people.filter((one) => !one.sends)) {
    seen.film.push((await person.gaps(from.get(person))).gaps['ada/video'] ?? Infinity);
  }
  const worst = Math.max(0, ...seen.mover.slice(-rows.length));
  console.log(`  ${id} ${what} in ${Math.round(took)} ms: ${count('moved')} moved, ${count('lost')} lost their node,`
    + ` longest picture interval of movers ${Math.round(worst)} ms`);
  for (const row of told.filter(({ event }) => ['lost', 'refused', 'gone'].includes(event)).slice(0, 5)) {
    console.log(`    ${row.event} ${row.peer}: ${row.why}`);
  }
}

/** By who moved: the receiver, the sender, neither. */
function add(seen, rows, id) {
  for (const row of rows) {
    seen.older += row.older;
    seen.strange += row.strange;
    seen.duplicates += row.duplicates;
    const [byMoves, ofMoves] = [row.by_node === id, row.of_node === id];
    const video = row.source === 'video';
    if (byMoves) {
      seen.moverMissed += row.lost;
      if (video) seen.mover.push(row.gap_ms);
    } else if (ofMoves) {
      seen.ofMovedMissed += row.lost;
      seen.staysPackets += row.packets_lost;
      if (video) seen.ofMoved.push(row.gap_ms);
    } else {
      seen.staysLost += row.lost;
      seen.staysPackets += row.packets_lost;
      if (video) seen.stays.push(row.gap_ms);
    }
  }
}

async function byRest(cluster, node) {
  const path = `/v1/nodes/${cluster.nodes[node].id}/drain`;
  await cluster.api(node, 'POST', path, { deadlineMs: 25_000 });
  await until('the node is empty', 30_000, async () => (await cluster.api(node, 'GET', path)).stage !== 'draining');
  const { stage, moved, total } = await cluster.api(node, 'GET', path);
  if (stage !== 'drained') throw new Error(`${path}: ${stage}, ${moved} of ${total} moved`);
}

/** A third of the fleet is moved back, one by one, by `peers move`. */
async function spread(cluster, fleet, node) {
  const { id } = cluster.nodes[node];
  const rows = await fleet.streams();
  const people = new Map(rows.map(({ by, room }) => [by, room]));
  const some = [...people].filter((_, n) => n % cluster.nodes.length === node);
  // A node that the room has left does not know where its peers are.
  const other = (node + 1) % cluster.nodes.length;
  for (const [peer, room] of some) {
    const moved = await cluster.api(other, 'POST', `/v1/rooms/${room}/peers/${peer}/move`, { to: id });
    if (moved.to !== id) throw new Error(`${peer} was to be moved to ${id} and is on ${moved.to}`);
  }
  await sleep(SETTLE);
}

/** Every node is ended with SIGTERM and started again, while strangers join a few times a second. */
async function rolling({ cluster, fleet, people, report }) {
  const seen = sums();
  let guests = 0;
  const door = setInterval(() => {
    guests += 1;
    fleet.process.stdin.write('guest\n');
  }, 400);
  const exits = [];
  const events = fleet.events.length;
  try {
    for (const node of cluster.nodes.keys()) {
      const child = cluster.children[node];
      const go = async () => {
        child.signal('SIGTERM');
        const how = await child.ended;
        if (how !== 0) report.fail(`${child.name} ended with ${how}`);
      };
      await once({ cluster, fleet, people, node, seen, what: 'left', go });
      exits.push(seen.took.at(-1));
      cluster.startNode(node);
      await cluster.whole();
    }
  } finally {
    clearInterval(door);
  }
  await sleep(4_000);
  const told = fleet.events.slice(events).filter((row) => row.peer.includes('-guest-'));
  const joined = told.filter(({ event }) => event === 'joined');
  report.put('rolling_guests', guests);
  report.put('rolling_guests_join_p99_ms', percentile(joined.map(({ ms }) => ms), 99));
  report.check('rolling_joins_failed', guests - joined.length, (n) => n === 0, '0');
  report.check('rolling_exit_max_ms', Math.max(...exits), (ms) => ms <= EXIT, `<= ${EXIT}`);
  judge(report, 'rolling', seen);
  await fleet.streams();
  report.check('rolling_members_out', PEOPLE - fleet.last.in, (n) => n === 0, '0');
}

function judge(report, name, seen) {
  const figures = (key, numbers) => {
    if (!numbers.length) return;
    for (const p of [50, 99]) report.put(`${name}_${key}_n${numbers.length}_p${p}`, percentile(numbers, p));
    report.put(`${name}_${key}_n${numbers.length}_max`, Math.max(...numbers));
  };
  figures('took_ms', seen.took);
  report.put(`${name}_moved`, seen.moved);
  figures('interval_stays_ms', seen.stays);
  figures('interval_of_moved_ms', seen.ofMoved);
  figures('interval_moved_ms', seen.mover);
  figures('chromium_interval_ms', seen.film);
  report.check(`${name}_packets_lost_by_who_stays`, seen.staysPackets, (n) => n === 0, '0');
  report.check(`${name}_missed_of_who_stays`, seen.staysLost, (n) => n === 0, '0');
  // Pictures and sounds between the last of the old seat and the first key frame of the new one.
  report.put(`${name}_missed_of_who_moved`, seen.ofMovedMissed);
  report.put(`${name}_missed_by_who_moved`, seen.moverMissed);
  report.check(`${name}_interval_moved_p99_ms`, percentile(seen.mover, 99), (ms) => ms <= FRAME, `<= ${FRAME}`);
  report.check(`${name}_interval_longest_ms`, Math.max(...seen.mover, ...seen.ofMoved, ...seen.stays),
    (ms) => ms <= BROKEN, `<= ${BROKEN}`);
  for (const key of ['older', 'strange', 'lost', 'gone']) {
    report.check(`${name}_${key}`, seen[key], (n) => n === 0, '0');
  }
  report.put(`${name}_refused`, seen.refused);
  report.put(`${name}_duplicates`, seen.duplicates);
  report.check(`${name}_took_max_ms`, Math.max(...seen.took), (ms) => ms <= EXIT, `<= ${EXIT}`);
}
