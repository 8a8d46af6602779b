// Clients that nobody here wrote publish on the first node and receive on the second. With CLIENTS=all
// everybody receives from everybody, with CLIENTS=werift-aiortc (commas between several) one from one.

import { readFileSync, rmSync } from 'node:fs';
import { PLAYERS, PUBLISHERS, giveAddress, prepare, record } from '../lib/clients.mjs';
import { until } from '../lib/wait.mjs';
import { listens, outlet, together } from '../lib/plain.mjs';

/** Four seconds of what the slowest source sends: a player ends with the last of it, however long it took. */
const WANTED = { video: 60, audio: 200 };
/** So long it may take, on a machine that compiles beside it. */
const PLAY_S = 25;
const PUBLISH_S = 2 * PLAY_S;
/** Each publishes once and receives once. */
const ONCE = ['aiortc-werift', 'gstreamer-ffmpeg', 'ffmpeg-aiortc', 'werift-gstreamer'];

export async function clients({ cluster, report }) {
  prepare();
  await giveAddress(cluster.logs);
  for (const named of pairs(process.env.CLIENTS)) {
    const [publisher, receiver] = named.split('-');
    await pair({ cluster, report, publisher, receiver });
  }
}

function pairs(asked) {
  if (!asked) return ONCE;
  if (asked !== 'all') return asked.split(',');
  const each = Object.keys(PUBLISHERS).flatMap((publisher) =>
    [...Object.keys(PLAYERS), 'ffmpeg'].map((receiver) => `${publisher}-${receiver}`));
  // ffmpeg publishes H.264: Debian's GStreamer has no decoder of it without its libav plugin, and the
  // werift player takes VP8.
  return each.filter((named) => !['ffmpeg-gstreamer', 'ffmpeg-werift'].includes(named));
}

async function pair({ cluster, report, publisher, receiver }) {
  const room = `${publisher}-${receiver}`;
  const key = `${publisher}_to_${receiver}`;
  const options = { logs: `${cluster.logs}/${room}` };
  // Logs are added to, and counts are read from them.
  rmSync(options.logs, { recursive: true, force: true });
  const url = `${cluster.nodes[0].url}/whip/${room}?peerId=${publisher}`;
  const { codec, start } = PUBLISHERS[publisher];
  const sending = start(url, `${PUBLISH_S}`, options);
  try {
    const base = `/v1/rooms/${room}/peers`;
    const producers = await until(`${publisher} publishes`, 15_000, async () => {
      const ended = sending.find((child) => !child.alive);
      if (ended) throw new Error(`${ended.name} ended:\n${ended.tail(5)}`);
      const [peer] = await cluster.api(0, 'GET', base);
      return peer?.producers.length === 2 && peer.producers;
    });
    const began = performance.now();
    const counts = receiver === 'ffmpeg'
      ? await received({ cluster, room, producers, options })
      : await played({ cluster, room, codec, receiver, options });
    report.put(`${key}_seconds`, (performance.now() - began) / 1000);
    for (const kind of ['video', 'audio']) {
      const least = WANTED[kind];
      report.check(`${key}_${kind}_frames`, counts[kind], (n) => n >= least, `>= ${least}`);
    }
    await left({ cluster, room, publisher, sending });
  } catch (error) {
    report.fail(`${key}: ${error.message}`);
  } finally {
    await Promise.all(sending.map((child) => child.end()));
  }
}

/** Who ends says so: its place is free at once, not when its checks have been missed. */
async function left({ cluster, room, publisher, sending }) {
  const ends = Promise.all(sending.map((child) => child.end(5000)));
  await until(`${publisher} has left`, 8000, async () => {
    const peers = await cluster.api(0, 'GET', `/v1/rooms/${room}/peers`).catch(() => []);
    return peers.every((peer) => peer.id !== publisher);
  });
  await ends;
}

async function played({ cluster, room, codec, receiver, options }) {
  const url = `${cluster.nodes[1].url}/whep/${room}?peerId=player`;
  const wanted = `${WANTED.video}:${WANTED.audio}`;
  const child = PLAYERS[receiver](url, `${PLAY_S}`, wanted, codec, options);
  await until(`${receiver} has played`, (PLAY_S + 10) * 1000, () => !child.alive);
  const line = child.tail(50).split('\n').findLast((line) => line.startsWith('{"'));
  if (!line) throw new Error(`${receiver} played nothing:\n${child.tail(5)}`);
  const counts = JSON.parse(line);
  return { video: counts.frames ?? counts.video, audio: counts.audio };
}

async function received({ cluster, room, producers, options }) {
  const base = `/v1/rooms/${room}/peers`;
  // The second node learns of the room when somebody there joins it.
  await cluster.api(1, 'POST', base, { id: 'recorder', displayName: 'Recorder' });
  const known = await until('the second node knows the producers', 10_000, async () => {
    const peers = await cluster.api(1, 'GET', base);
    return peers.some((peer) => peer.producers.length === producers.length);
  });
  if (!known) throw new Error('no producers');
  const outlets = [];
  for (const [n, producer] of producers.entries()) {
    outlets.push(await outlet(cluster, 1, `${base}/recorder`, producer, 28000 + 4 * n));
  }
  const child = record(together(outlets.map((outlet) => outlet.sdp)), WANTED, options);
  await until('ffmpeg listens', 10_000, () => outlets.every((outlet) => listens(outlet.port)));
  for (const { consumerId } of outlets) {
    await cluster.api(1, 'POST', `${base}/recorder/consumers/${consumerId}/resume`);
  }
  await until('ffmpeg has recorded', PLAY_S * 1000, () => !child.alive).catch(() => child.end());
  return { video: lines(child.video), audio: lines(child.audio) };
}

/** A line for each frame. */
function lines(file) {
  return [...readFileSync(file, 'utf8').matchAll(/^\d+, /gm)].length;
}
