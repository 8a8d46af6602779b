// A file goes in through plain RTP on one node, a browser on another sees it, and what the browser sends
// is recorded from a third.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser, CAMERA } from '../lib/browser.mjs';
import { listens, outlet, together } from '../lib/plain.mjs';
import { Child } from '../lib/processes.mjs';
import { sleep, until } from '../lib/wait.mjs';

const RECORD = 10_000;
const QUIET = ['-hide_banner', '-nostdin', '-loglevel', 'warning', '-y'];
const CODECS = {
  vp8: {
    encode: ['libvpx', '-deadline', 'realtime', '-cpu-used', '8'],
    send: ['copy'],
    parameters: { mimeType: 'video/VP8', payloadType: 102, clockRate: 90000 },
    extension: 'webm',
  },
  h264: {
    encode: ['libx264', '-profile:v', 'baseline', '-preset', 'ultrafast', '-bf', '0'],
    send: ['copy', '-bsf:v', 'h264_mp4toannexb'],
    parameters: {
      mimeType: 'video/H264',
      payloadType: 102,
      clockRate: 90000,
      parameters: {
        'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1,
      },
    },
    extension: 'mkv',
  },
};
const OPUS = {
  mimeType: 'audio/opus', payloadType: 101, clockRate: 48000, channels: 2,
  parameters: { 'sprop-stereo': 1 },
};

export async function ffmpeg({ cluster, codecs, report }) {
  const folder = mkdtempSync(join(tmpdir(), 'starling-ffmpeg-'));
  const browser = new Browser();
  try {
    for (const codec of codecs) await once({ cluster, browser, codec, folder, report });
  } finally {
    await browser.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function once({ cluster, browser, codec, folder, report }) {
  const key = `ffmpeg_${codec}`;
  const room = `file-${codec}`;
  const person = await browser.person('ada');
  await person.open(await cluster.page(1, room, 'ada', { ...CAMERA, codec }));
  const sender = await publish(cluster, room, codec, folder);
  try {
    await watch(person, report, key);
    await record({ cluster, room, codec, folder, report, key });
  } finally {
    await sender.end();
    await person.close();
    for (const peer of ['file', 'recorder']) {
      await cluster.api(0, 'DELETE', `/v1/rooms/${room}/peers/${peer}`).catch(() => {});
    }
  }
}

/** Ten seconds of pictures and a tone, sent again and again into the room on the first node. */
async function publish(cluster, room, codec, folder) {
  const { encode, send, parameters } = CODECS[codec];
  const file = join(folder, `${codec}.mkv`);
  execFileSync('ffmpeg', [...QUIET,
    '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=12', '-f', 'lavfi', '-i', 'sine=440',
    '-t', '10', '-c:v', ...encode, '-g', '24', '-pix_fmt', 'yuv420p', '-b:v', '300k',
    '-c:a', 'libopus', '-ac', '2', '-b:a', '48k', file], { stdio: 'inherit' });
  await cluster.api(0, 'POST', `/v1/rooms/${room}/peers`, { id: 'file', displayName: 'A file' });
  const video = await inlet(cluster, room, 'video', parameters, 1111);
  const audio = await inlet(cluster, room, 'audio', OPUS, 2222);
  return new Child(`ffmpeg-send-${codec}`, 'ffmpeg', [...QUIET,
    '-re', '-stream_loop', '-1', '-i', file,
    '-map', '0:v', '-c:v', ...send, '-ssrc', '1111', '-payload_type', '102', '-f', 'rtp', video,
    '-map', '0:a', '-c:a', 'copy', '-ssrc', '2222', '-payload_type', '101', '-f', 'rtp', audio,
  ], { logs: cluster.logs });
}

/** A plain transport with a producer on it; the URL for ffmpeg. */
async function inlet(cluster, room, kind, parameters, ssrc) {
  const peer = `/v1/rooms/${room}/peers/file`;
  const options = { comedia: true, rtcpMux: false };
  const made = await cluster.api(0, 'POST', `${peer}/transports`, options);
  await cluster.api(0, 'POST', `${peer}/transports/${made.transportId}/producers`, {
    kind,
    rtpParameters: { codecs: [parameters], encodings: [{ ssrc }] },
    appData: { source: kind },
  });
  return `rtp://${made.ip}:${made.port}?rtcpport=${made.rtcpPort}`;
}

async function watch(person, report, key) {
  await until('the browser sees the file', 20_000, async () => {
    const video = (await person.videos()).get('file/video');
    return video?.framesDecoded > 5;
  });
  const sound = async () => (await person.stats()).consumers.find(
    (stream) => stream.peerId === 'file' && stream.kind === 'audio')?.totalAudioEnergy ?? 0;
  const [frames, energy] = [(await person.videos()).get('file/video').framesDecoded, await sound()];
  await sleep(5000);
  const seen = (await person.videos()).get('file/video').framesDecoded - frames;
  report.check(`${key}_browser_frames_5s`, seen, (n) => n > 40, '> 40 of 60');
  report.check(`${key}_browser_audio_energy_5s`, await sound() - energy, (x) => x > 0.01, '> 0.01');
}

/** Records the browser's camera and microphone from the third node. */
async function record({ cluster, room, codec, folder, report, key }) {
  const node = 2;
  const base = `/v1/rooms/${room}/peers`;
  await cluster.api(node, 'POST', base, { id: 'recorder', displayName: 'Recorder' });
  const producers = await until('the third node knows what the browser sends', 10_000, async () => {
    const peers = await cluster.api(node, 'GET', base);
    const found = peers.find((peer) => peer.id === 'ada')?.producers ?? [];
    return found.length === 2 && found;
  });
  const outlets = [];
  for (const [n, producer] of producers.entries()) {
    outlets.push(await outlet(cluster, node, `${base}/recorder`, producer, 28000 + 4 * n));
  }
  const sdp = join(folder, `${codec}.sdp`);
  writeFileSync(sdp, together(outlets.map((outlet) => outlet.sdp)));
  const file = join(folder, `recorded-${codec}.${CODECS[codec].extension}`);
  const child = new Child(`ffmpeg-record-${codec}`, 'ffmpeg', [...QUIET,
    '-protocol_whitelist', 'file,udp,rtp', '-fflags', '+genpts', '-i', sdp, '-c', 'copy', file,
  ], { logs: cluster.logs });
  await until('ffmpeg listens', 10_000, () => outlets.every((outlet) => listens(outlet.port)));
  for (const { consumerId } of outlets) {
    await cluster.api(node, 'POST', `${base}/recorder/consumers/${consumerId}/resume`);
  }
  await sleep(RECORD);
  child.signal('SIGINT');
  await until('ffmpeg ends', 10_000, () => !child.alive).catch(() => child.kill());
  judge(file, report, key, child);
}

function judge(file, report, key, child) {
  let probed;
  try {
    probed = JSON.parse(execFileSync('ffprobe', ['-v', 'error', '-count_frames', '-of', 'json',
      '-show_entries', 'stream=codec_name,codec_type,nb_read_frames:format=duration', file]));
  } catch {
    return report.fail(`${key}: no playable recording; ffmpeg said:\n${child.tail()}`);
  }
  const frames = (type) => Number(
    probed.streams.find((stream) => stream.codec_type === type)?.nb_read_frames ?? 0);
  const seconds = Number(probed.format.duration);
  const least = (RECORD / 1000) * Number(CAMERA.fps) * 0.6;
  report.check(`${key}_recorded_video_frames`, frames('video'), (n) => n >= least, `>= ${least}`);
  report.check(`${key}_recorded_audio_frames`, frames('audio'), (n) => n > 200, '> 200');
  const most = RECORD / 1000 + 3;
  report.check(`${key}_recorded_seconds`, seconds, (s) => s > 6 && s < most, `6 to ${most}`);
}
