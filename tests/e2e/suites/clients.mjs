// Clients that nobody here wrote publish on the first node and receive on the second. With CLIENTS=all
// everybody receives from everybody.

import { readFileSync } from 'node:fs';
import { PLAYERS, PUBLISHERS, giveAddress, prepare, record } from '../lib/clients.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { listens, outlet, together } from '../lib/plain.mjs';

const PLAY_S = 6;
const PUBLISH_S = PLAY_S + 9;
/** The slowest source has 15 pictures a second, and a second may pass before the first is whole. */
const LEAST_FRAMES = (PLAY_S - 1.5) * 15 * 0.7;
/** 50 packets a second. */
const LEAST_AUDIO = (PLAY_S - 1.5) * 50 * 0.7;
/** Not there: GStreamer as a publisher, and werift as a receiver, whose pair stays silent. */
const ONCE = { aiortc: ['ffmpeg'], ffmpeg: ['aiortc'], werift: ['gstreamer'] };

export async function clients({ cluster, report }) {
  prepare();
  await giveAddress(cluster.logs);
  const receivers = [...Object.keys(PLAYERS), 'ffmpeg'];
  const all = process.env.CLIENTS === 'all';
  for (const publisher of Object.keys(all ? PUBLISHERS : ONCE)) {
    for (const receiver of all ? receivers : ONCE[publisher]) {
      // Debian's GStreamer has no decoder of H.264 without its libav plugin.
      if (receiver === 'gstreamer' && PUBLISHERS[publisher].codec === 'h264') continue;
      await pair({ cluster, report, publisher, receiver });
    }
  }
}

async function pair({ cluster, report, publisher, receiver }) {
  const room = `${publisher}-${receiver}`;
  const key = `${publisher}_to_${receiver}`;
  const options = { logs: `${cluster.logs}/${room}` };
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
    const counts = receiver === 'ffmpeg'
      ? await received({ cluster, room, producers, options })
      : await played({ cluster, room, codec, receiver, options });
    report.check(`${key}_video_frames`, counts.video, (n) => n >= LEAST_FRAMES, `>= ${LEAST_FRAMES}`);
    report.check(`${key}_audio_frames`, counts.audio, (n) => n >= LEAST_AUDIO, `>= ${LEAST_AUDIO}`);
  } catch (error) {
    report.fail(`${key}: ${error.message}`);
  } finally {
    await Promise.all(sending.map((child) => child.end()));
  }
}

async function played({ cluster, room, codec, receiver, options }) {
  const url = `${cluster.nodes[1].url}/whep/${room}?peerId=player`;
  const child = PLAYERS[receiver](url, `${PLAY_S}`, codec, options);
  await until(`${receiver} has played`, (PLAY_S + 20) * 1000, () => !child.alive);
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
  const child = record(together(outlets.map((outlet) => outlet.sdp)), `${PLAY_S}`, options);
  await until('ffmpeg listens', 10_000, () => outlets.every((outlet) => listens(outlet.port)));
  for (const { consumerId } of outlets) {
    await cluster.api(1, 'POST', `${base}/recorder/consumers/${consumerId}/resume`);
  }
  await sleep((PLAY_S + 1) * 1000);
  await until('ffmpeg has recorded', 20_000, () => !child.alive);
  const said = readFileSync(child.log, 'utf8');
  const frames = [...said.matchAll(/frame=\s*(\d+)/g)].map((hit) => Number(hit[1]));
  const times = [...said.matchAll(/time=00:00:(\d+\.\d+)/g)].map((hit) => Number(hit[1]));
  // 50 frames of 20 ms a second.
  return { video: Math.max(0, ...frames), audio: Math.round(Math.max(0, ...times) * 50) };
}
