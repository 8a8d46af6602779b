// People are moved one by one, right after each other: publishers and those who watch them, from one node to two that
// are new in the room, and back again. What do they miss?
//
// TRIALS (3): there and back.

import { Fleet } from '../lib/fleet.mjs';
import { spread as figures } from '../lib/report.mjs';
import { sleep, until } from '../lib/wait.mjs';

/** As in suite `kubernetes`; one of those who send stays. */
const FLEET = { room: 'moves', members: 9, publishers: 2, fps: 15, sounds: 10, 'at-once': 4 };
/** Everybody hears both who send, in picture and sound, but nobody hears oneself. */
const STREAMS = 2 * (FLEET.publishers * (FLEET.members - 1));
/** After a move: the old seat is left when the new one has all, after 2.5 s at the latest. */
const SETTLE = 3_000;
/** A room is closed on a node 3 s after its last peer, and the tree is made anew 2 s after that. */
const CLOSED = 6_000;
/** What somebody may see between two pictures, in ms. */
const BOUND = 1_000;

const TRIALS = Number(process.env.TRIALS ?? 3);
export const MINUTES = 1 + TRIALS / 2;

export async function moves({ cluster, report }) {
  const fleet = await new Fleet(cluster, FLEET, cluster.logs).start();
  const seen = { gaps: [], missed: 0, packets: 0, older: 0, strange: 0, lost: 0 };
  try {
    await move(cluster, () => 0);
    for (let trial = 0; trial < TRIALS; trial++) {
      await sleep(CLOSED);
      await once(fleet, seen, `${trial}: there`, () => move(cluster, (peer) => number(peer) % cluster.nodes.length));
      await once(fleet, seen, `${trial}: back`, () => move(cluster, () => 0));
    }
    const told = (event) => fleet.events.filter((row) => row.event === event).length;
    figures(report, 'moves_longest_picture_interval_ms', seen.gaps);
    report.check('moves_picture_interval_max_ms', Math.max(...seen.gaps), (ms) => ms <= BOUND, `<= ${BOUND}`);
    for (const key of ['packets', 'older', 'strange']) report.check(`moves_${key}`, seen[key], (n) => n === 0, '0');
    report.put('moves_missed', seen.missed);
    report.check('moves_lost', told('lost') + told('gone') + told('refused'), (n) => n === 0, '0');
    report.put('moves_moved', told('moved'));
  } finally {
    fleet.stop();
  }
}

const number = (peer) => Number(peer.split('-')[1]);

/** Everybody to the node that `place` says, and waits until they are there. */
async function move(cluster, place) {
  const path = `/v1/rooms/${FLEET.room}/peers`;
  const strayed = async () => {
    const peers = await cluster.api(0, 'GET', path);
    return peers.filter(({ id, node }) => node !== cluster.nodes[place(id)].id);
  };
  for (const { id } of await strayed()) {
    await cluster.api(0, 'POST', `${path}/${id}/move`, { to: cluster.nodes[place(id)].id });
  }
  await until('everybody is where they were sent', 20_000, async () => (await strayed()).length === 0);
}

async function once(fleet, seen, name, go) {
  await fleet.mark();
  const began = performance.now();
  await go();
  const took = performance.now() - began;
  await sleep(SETTLE);
  const rows = await fleet.streams();
  if (rows.length !== STREAMS) throw new Error(`${rows.length} streams, not ${STREAMS}`);
  const longest = Math.max(...rows.map(({ gap_ms }) => gap_ms));
  seen.gaps.push(longest);
  for (const row of rows) {
    seen.missed += row.lost;
    seen.packets += row.packets_lost;
    seen.older += row.older;
    seen.strange += row.strange;
  }
  console.log(`  ${name}: in ${Math.round(took)} ms, longest interval ${Math.round(longest)} ms`);
  for (const { by, of, source, by_node, by_now, of_node, of_now, gap_ms, lost } of rows) {
    if (gap_ms < 400) continue;
    console.log(`    ${by} (${by_node} to ${by_now}) had no ${source} of ${of} (${of_node} to ${of_now})`
      + ` for ${Math.round(gap_ms)} ms, missed ${lost}`);
  }
}
