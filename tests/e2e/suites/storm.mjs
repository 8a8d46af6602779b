// A node of a thousand dies at once: how soon is everybody back, and what do those notice who were elsewhere?
//
// STORM (1000): how many lose their node.  STORM_TRIALS (1)

import { Fleet } from '../lib/fleet.mjs';
import { percentile } from '../lib/report.mjs';
import { sleep, until } from '../lib/wait.mjs';

/** Rooms of twenty in which one speaks; everybody is on the node that dies. */
const ROOM = 20;
/** In rooms that have nobody on that node, on each of the others. */
const BYSTANDERS = { room: 'by', prefix: 'by', rooms: 4, members: 10, publishers: 1, fps: 15, sounds: 10 };
/** Nobody is to be out for longer, in milliseconds, nor to lose more because others came. */
const BACK = 5_000;
const LOSS = 0.005;
/** Long enough for everybody's last try, and to see who does not come. */
const WATCH = 12_000;

export const settings = {};

export async function storm({ cluster, report }) {
  const size = Number(process.env.STORM ?? 1000);
  const trials = Number(process.env.STORM_TRIALS ?? 1);
  const others = { nodes: cluster.nodes.slice(1), logs: cluster.logs };
  const calm = await new Fleet(others, BYSTANDERS, cluster.logs).start();
  const seen = { back: [], media: [], tries: [], sent: 0, lost: 0, intervals: [] };
  try {
    for (let trial = 0; trial < trials; trial++) {
      await once({ cluster, calm, size, seen, report, trial });
    }
  } finally {
    calm.stop();
  }
  judge(report, size * trials, seen);
}

async function once({ cluster, calm, size, seen, report, trial }) {
  const first = { nodes: cluster.nodes.slice(0, 1), logs: cluster.logs };
  const rooms = Math.max(1, Math.round(size / ROOM));
  const members = Math.round(size / rooms);
  const shape = { room: `storm${trial}`, prefix: `storm${trial}`, rooms, members, publishers: 1, fps: 0, sounds: 5 };
  // Below what a node takes in, or some would be sent to another node at the door.
  const door = { 'at-once': 16, 'per-second': 70 };
  const fleet = await new Fleet(first, { ...shape, ...door }, cluster.logs).start();
  try {
    await sleep(2_000);
    await fleet.mark();
    await calm.mark();
    const events = fleet.events.length;
    await cluster.children[0].kill();
    await sleep(WATCH);
    const rows = await fleet.streams();
    const untouched = await calm.streams();
    const told = fleet.events.slice(events);
    const back = told.filter(({ event }) => event === 'back');
    seen.back.push(...back.map(({ ms }) => ms));
    seen.tries.push(...back.map(({ tries }) => tries));
    seen.media.push(...rows.map(({ gap_ms }) => gap_ms));
    seen.lost += untouched.reduce((sum, row) => sum + row.lost, 0);
    seen.sent += untouched.reduce((sum, row) => sum + row.lost + row.received, 0);
    seen.intervals.push(...untouched.map(({ gap_ms }) => gap_ms));
    console.log(`  ${back.length} of ${rooms * members} are back, the last after ${Math.round(Math.max(...seen.back))} ms,`
      + ` on ${JSON.stringify(count(back.map(({ node }) => node)))}`);
    report.check(`storm_${trial}_not_back`, rooms * members - fleet.last.in, (n) => n === 0, '0');
    const older = [...rows, ...untouched].reduce((sum, row) => sum + row.older + row.strange, 0);
    report.check(`storm_${trial}_older_or_strange`, older, (n) => n === 0, '0');
    const fallen = cluster.children.slice(1).filter((child) => !child.alive);
    report.check(`storm_${trial}_other_nodes_fallen`, fallen.length, (n) => n === 0, '0');
    await links(cluster);
  } finally {
    fleet.stop();
  }
  cluster.startNode(0);
  await cluster.whole(30_000);
}

/** Those who are left see each other. */
async function links(cluster) {
  const alive = cluster.nodes.length - 1;
  for (let n = 1; n <= alive; n++) {
    await until('the other nodes are linked', 5_000, async () => {
      const nodes = await cluster.api(n, 'GET', '/v1/nodes');
      return nodes.filter((node) => node.here || node.linked).length === alive;
    });
  }
}

function judge(report, size, seen) {
  for (const [key, numbers] of [['back_ms', seen.back], ['silence_ms', seen.media], ['tries', seen.tries],
    ['bystander_interval_ms', seen.intervals]]) {
    for (const p of [50, 95, 99]) report.put(`storm_${key}_n${numbers.length}_p${p}`, percentile(numbers, p));
    report.put(`storm_${key}_n${numbers.length}_max`, Math.max(...numbers));
  }
  report.check('storm_back', seen.back.length, (n) => n === size, `${size}`);
  report.check('storm_back_max_ms', Math.max(...seen.back), (ms) => ms <= BACK, `<= ${BACK}`);
  report.check('storm_bystander_loss', seen.lost / seen.sent, (share) => share <= LOSS, `<= ${LOSS}`);
}

function count(names) {
  const counts = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
