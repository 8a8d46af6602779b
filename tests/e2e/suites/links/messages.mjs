// How long facts and wishes take over the link: a peer that is new on one node, known on the other; and a key
// frame that is asked for here, until the camera there hears of it.

import { sleep, until } from '../../lib/wait.mjs';

const TRIES = 5;
/** A producer is asked for a key frame once a second at most. */
const APART = 1200;

/** Milliseconds until the other node lists a new peer, again and again. */
export async function rosters(cluster, room) {
  const times = [];
  for (let n = 0; n < TRIES; n++) {
    const id = `plain-${n}`;
    await cluster.api(0, 'POST', `/v1/rooms/${room}/peers`, { id });
    const began = performance.now();
    await soon('the new peer is known', 10_000, async () => {
      const peers = await cluster.api(1, 'GET', `/v1/rooms/${room}/peers`);
      return peers.some((peer) => peer.id === id);
    });
    times.push(performance.now() - began);
    await cluster.api(0, 'DELETE', `/v1/rooms/${room}/peers/${id}`);
  }
  return times;
}

/** Milliseconds until a camera hears that a key frame is wanted, again and again. */
export async function keyFrames(lab, room, consumers) {
  const times = [];
  for (let n = 0; n < TRIES; n++) {
    const { id, peerId } = consumers[n % consumers.length];
    const began = Date.now();
    const ask = () => lab.cluster.api(1, 'POST', `/v1/rooms/${room}/peers/viewer-0/consumers/${id}/keyframe`);
    let again = began + APART;
    await ask();
    const asked = await until('the camera is asked', 10_000, async () => {
      // A datagram may be lost; whoever needs a picture asks again.
      if (Date.now() > again) {
        again += APART;
        await ask();
      }
      const rows = lab.senders.between(began, Infinity);
      const all = rows.flatMap(({ sent }) => sent.filter(({ peer }) => peer === peerId));
      return all.flatMap(({ asked }) => asked).find(([at]) => at >= began);
    });
    times.push(asked[0] - began);
    await sleep(APART);
  }
  return times;
}

/** As `until`, but looks each 10 ms. */
async function soon(what, within, fits) {
  const end = performance.now() + within;
  while (!(await fits())) {
    if (performance.now() > end) throw new Error(`not within ${within / 1000} s: ${what}`);
    await sleep(10);
  }
}
