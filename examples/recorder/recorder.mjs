// Records a room to a file: everything that is sent in it when it starts, as it was sent, one track each. No codec
// runs here: the node sends plain RTP to ffmpeg, and ffmpeg writes it down.
//
//   STARLING_TOKEN=… node recorder.mjs ROOM FILE.mkv [SECONDS]
//
// Without SECONDS it records until Ctrl-C.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const [room, file, seconds] = process.argv.slice(2);
const { STARLING_SERVER = 'http://localhost:4443', STARLING_TOKEN, HOST = '127.0.0.1' } = process.env;
if (!file || !STARLING_TOKEN) {
  console.error('usage: STARLING_TOKEN=… node recorder.mjs ROOM FILE.mkv [SECONDS]');
  process.exit(2);
}
const PEERS = `/v1/rooms/${room}/peers`;
const ME = `recorder-${process.pid}`;

async function api(method, path, body) {
  const headers = { authorization: `Bearer ${STARLING_TOKEN}`, 'content-type': 'application/json' };
  const answer = await fetch(STARLING_SERVER + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (answer.ok) return text && JSON.parse(text);
  const { title, hint, code } = JSON.parse(text);
  throw new Error(`${method} ${path}: ${title} [${code}]; ${hint}`);
}

/** True if nothing has this UDP port. */
const free = (port) => new Promise((done) => {
  const socket = createSocket('udp4');
  socket.on('error', () => done(false));
  socket.bind(port, HOST, () => socket.close(() => done(true)));
});

/** An even port for RTP with the odd one behind it for RTCP, as ffmpeg wants them. */
async function ports() {
  for (;;) {
    const port = 20_000 + 2 * Math.floor(Math.random() * 10_000);
    if (await free(port) && await free(port + 1)) return port;
  }
}

/** Has the node send one producer to a port here; paused, because nobody listens yet. */
async function track(producer) {
  const port = await ports();
  const { transportId } = await api('POST', `${PEERS}/${ME}/transports`, { rtcpMux: false });
  const transport = `${PEERS}/${ME}/transports/${transportId}`;
  await api('POST', `${transport}/connect`, { ip: HOST, port, rtcpPort: port + 1 });
  const consumer = await api('POST', `${transport}/consumers`, { producerId: producer.id, paused: true });
  return { port, ...consumer };
}

const folder = mkdtempSync(join(tmpdir(), 'recorder-'));
await api('POST', PEERS, { id: ME, displayName: 'Recorder' });
try {
  // A node that had nobody of this room hears of the others within a moment.
  let producers = [];
  for (let tries = 0; tries < 20 && !producers.length; tries++) {
    if (tries) await pause(100);
    producers = (await api('GET', PEERS)).flatMap((peer) => peer.producers);
  }
  if (!producers.length) throw new Error(`nobody sends anything in ${room}`);
  const tracks = [];
  for (const producer of producers) tracks.push(await track(producer));
  // Each consumer comes with an SDP of its own: the head of one, the media of all.
  const [head] = tracks[0].sdp.split(/^m=/m);
  const media = tracks.map(({ sdp }) => sdp.slice(sdp.indexOf('m=')));
  writeFileSync(join(folder, 'room.sdp'), head + media.join(''));
  const ffmpeg = spawn('ffmpeg', ['-hide_banner', '-nostdin', '-loglevel', 'warning', '-y',
    '-protocol_whitelist', 'file,udp,rtp', '-fflags', '+genpts', '-i', join(folder, 'room.sdp'),
    '-map', '0', '-c', 'copy', file], { stdio: 'inherit' });
  const ended = new Promise((done) => ffmpeg.on('exit', done));
  let told = false;
  const stop = () => { told = true; ffmpeg.kill('SIGINT'); };
  for (const { port } of tracks) while (await free(port)) await pause(50);
  // Now that it listens: each begins with a key frame.
  for (const { consumerId } of tracks) await api('POST', `${PEERS}/${ME}/consumers/${consumerId}/resume`);
  console.log(`recording ${tracks.length} tracks of ${room} to ${file}`);
  process.on('SIGINT', stop);
  if (seconds) setTimeout(stop, seconds * 1000).unref();
  await ended;
  if (!told) throw new Error('ffmpeg ended by itself');
  console.log(`${file} is complete`);
} finally {
  await api('DELETE', `${PEERS}/${ME}`);
  rmSync(folder, { recursive: true });
}
