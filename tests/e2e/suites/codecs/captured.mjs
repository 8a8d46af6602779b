// H.265, which Chromium does not encode in software: as it was captured from libx265, in two layers, through a plain
// transport on one node to another on a second one. What arrives is compared to the byte and decoded by ffmpeg.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listens, outlet } from '../../lib/plain.mjs';
import { Child } from '../../lib/processes.mjs';
import { percentile } from '../../lib/report.mjs';
import { bounded, sleep, until } from '../../lib/wait.mjs';
import { Camera, LAYERS, payload, PERIOD, recognise, socket } from './capture.mjs';

const CODEC = {
  mimeType: 'video/H265', payloadType: 96, clockRate: 90_000,
  parameters: { 'profile-id': 1, 'tier-flag': 0, 'level-id': 156, 'tx-mode': 'SRST' },
  rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
};
/** Where we receive, and where ffmpeg does what we hand on to it. */
const [PORT, DECODER] = [28_200, 28_210];
/** Longer than a node goes on fetching what nobody wants (`media/src/producer/wanted.rs`). */
const FORGOTTEN = 2000;

export async function captured({ cluster, report, name, key, rows, switches, cold }) {
  const folder = mkdtempSync(join(tmpdir(), 'starling-captured-'));
  const room = `codecs-${name}`;
  const row = { name, encoder: 'libx265', decoder: 'ffmpeg', layers: LAYERS.length, reached: 0 };
  const ends = [];
  try {
    const camera = await publish(cluster, room);
    ends.push(() => camera.close());
    const viewer = await watch(cluster, room, folder);
    ends.push(() => viewer.close());
    rows.push(row);
    for (const layer of [1, 0]) {
      report.put(`${key}_layer_${layer}_ms`, await viewer.get(layer));
      row.reached += 1;
    }
    await sleep(1000);
    viewer.longest = 0;
    const times = { cold: [], quick: [] };
    for (let n = 0; n < cold; n++) {
      await sleep(FORGOTTEN);
      times.cold.push(await viewer.get((n + 1) % 2));
    }
    for (let n = 0; n < switches; n++) {
      times.quick.push(await viewer.get((cold + n + 1) % 2));
      await sleep(150);
    }
    Object.assign(row, { switches, cold, gap: viewer.longest });
    await judge(viewer, report, key, row, times);
    report.put(`${key}_key_frames_asked`, camera.asked);
    console.log(`  ${name}: ${switches} switches, p50 ${Math.round(row.p50)} ms, longest gap `
      + `${Math.round(row.gap)} ms, ${row.errors} decoder errors`);
  } finally {
    for (const end of ends.reverse()) await end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function publish(cluster, room) {
  const peer = `/v1/rooms/${room}/peers/camera`;
  await cluster.api(0, 'POST', `/v1/rooms/${room}/peers`, { id: 'camera', displayName: 'A capture' });
  const made = await cluster.api(0, 'POST', `${peer}/transports`, { comedia: true, rtcpMux: false });
  await cluster.api(0, 'POST', `${peer}/transports/${made.transportId}/producers`, {
    kind: 'video',
    rtpParameters: { codecs: [CODEC], encodings: LAYERS.map(({ ssrc }) => ({ ssrc })) },
    appData: { source: 'video' },
  });
  return Camera.open(made);
}

async function watch(cluster, room, folder) {
  const base = `/v1/rooms/${room}/peers`;
  await cluster.api(1, 'POST', base, { id: 'viewer', displayName: 'A viewer' });
  const producer = await until('the second node knows of the capture', 10_000, async () => {
    const peers = await cluster.api(1, 'GET', base);
    return peers.find((peer) => peer.id === 'camera')?.producers[0];
  });
  const made = await outlet(cluster, 1, `${base}/viewer`, producer, PORT);
  const sdp = join(folder, 'consumer.sdp');
  const ports = (text) => text.replaceAll(`${PORT + 1}`, `${DECODER + 1}`).replaceAll(`${PORT}`, `${DECODER}`);
  writeFileSync(sdp, ports(made.sdp));
  // Logs are added to, and all of this one is read.
  rmSync(join(cluster.logs, 'ffprobe-h265.log'), { force: true });
  const decoder = new Child('ffprobe-h265', 'ffprobe', ['-v', 'error', '-protocol_whitelist', 'file,udp,rtp',
    '-show_entries', 'frame=width,pts,decode_error_flags', '-of', 'csv', sdp], { logs: cluster.logs });
  await until('ffprobe listens', 10_000, () => listens(DECODER));
  const consumer = `${base}/viewer/consumers/${made.consumerId}`;
  const viewer = new Viewer(decoder, (layer) =>
    cluster.api(1, 'PATCH', consumer, { preferredLayers: { spatialLayer: layer } }));
  [viewer.rtp, viewer.rtcp] = [await socket(PORT), await socket(PORT + 1)];
  viewer.rtp.on('message', (packet) => viewer.take(packet));
  viewer.rtcp.on('message', (packet) => viewer.rtcp.send(packet, DECODER + 1, '127.0.0.1'));
  await cluster.api(1, 'POST', `${consumer}/resume`);
  return viewer;
}

/** What arrives, picture by picture. */
class Viewer {
  pictures = [];
  wrong = [];
  back = 0;
  lost = 0;
  longest = 0;
  current = null;
  waits = null;

  constructor(decoder, prefer) {
    Object.assign(this, { decoder, prefer });
  }

  take(packet) {
    this.rtp.send(packet, DECODER, '127.0.0.1');
    const [sequence, timestamp] = [packet.readUInt16BE(2), packet.readUInt32BE(4)];
    if (this.sequence !== undefined && sequence !== ((this.sequence + 1) & 0xffff)) this.lost += 1;
    this.sequence = sequence;
    if (this.current?.timestamp !== timestamp) this.current = { timestamp, payloads: [] };
    this.current.payloads.push(payload(packet));
    if (packet[1] & 0x80) this.shown(this.current);
  }

  /** A picture is whole: one that was captured, later than the last one, after the one that it refers to. */
  shown({ timestamp, payloads }) {
    const at = performance.now();
    const last = this.pictures.at(-1);
    const picture = { timestamp, at, ...recognise(payloads) };
    if (picture.layer === undefined) this.wrong.push(`${payloads.length} packets that are no picture`);
    const follows = last?.layer === picture.layer
      && picture.number === (last.number + 1) % LAYERS[picture.layer]?.pictures.length;
    if (!follows && picture.number % PERIOD !== 0) {
      this.wrong.push(`picture ${picture.layer}:${picture.number} after ${last?.layer}:${last?.number}`);
    }
    if (last && ((timestamp - last.timestamp) | 0) <= 0) this.back += 1;
    if (last) this.longest = Math.max(this.longest, at - last.at);
    this.pictures.push(picture);
    this.waits?.();
  }

  /** Wishes for a layer and waits for its first picture: how long that took, in ms. */
  async get(layer) {
    const began = performance.now();
    const came = new Promise((done) => {
      this.waits = () => this.pictures.at(-1).layer === layer && done();
    });
    await this.prefer(layer);
    await bounded(`layer ${layer}`, 15_000, came);
    return performance.now() - began;
  }

  /** Ends the decoder with a BYE (RFC 3550 §6.6); the frames that came out of it, and what it complained of. */
  async decoded() {
    // After a whole picture, and once the decoder has it.
    await new Promise((done) => { this.waits = done; });
    this.rtp.removeAllListeners('message');
    await sleep(300);
    // Behind an empty report: alone it is shorter than ffmpeg reads.
    const bye = Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 0, 0x81, 203, 0, 1, 0, 0, 0, 0]);
    this.rtcp.send(bye, DECODER + 1, '127.0.0.1');
    await until('ffprobe ends', 5000, () => !this.decoder.alive).catch(() => this.decoder.end());
    const lines = this.decoder.tail(1_000_000).split('\n').filter(Boolean);
    const frames = lines.filter((line) => line.startsWith('frame,')).map((line) => line.split(','));
    const complaints = lines.filter((line) => !line.startsWith('frame,'));
    return { frames: frames.map(([, pts, width, flags]) => ({ pts, width, flags })), complaints };
  }

  async close() {
    await this.decoder.end();
    const closed = [this.rtp, this.rtcp].map((socket) => once(socket, 'close'));
    this.rtp.close();
    this.rtcp.close();
    await Promise.all(closed);
  }
}

async function judge(viewer, report, key, row, times) {
  const none = (n) => n === 0;
  const { quick, cold } = times;
  const [p50, p95] = [50, 95].map((p) => percentile(quick, p));
  Object.assign(row, { p50, p95, max: Math.max(...quick) });
  Object.assign(row, { coldP50: percentile(cold, 50), coldMax: Math.max(...cold) });
  report.put(`${key}_switch_ms_p50_n${quick.length}`, p50);
  report.put(`${key}_switch_ms_p95_n${quick.length}`, p95);
  report.put(`${key}_switch_ms_max_n${quick.length}`, row.max);
  report.put(`${key}_cold_switch_ms_p50_n${cold.length}`, row.coldP50);
  report.put(`${key}_cold_switch_ms_max_n${cold.length}`, row.coldMax);
  report.check(`${key}_gap_ms_max`, row.gap, (ms) => ms < 500, '< 500');
  row.freezes = row.gap >= 500 ? '1 or more' : 0;
  report.check(`${key}_wrong_pictures`, viewer.wrong.length, none, `0: ${viewer.wrong[0]}`);
  report.check(`${key}_pictures_back_in_time`, viewer.back, none, '0');
  report.check(`${key}_packets_lost`, viewer.lost, none, '0');
  const [first, last] = [viewer.pictures[0], viewer.pictures.at(-1)];
  const drift = ((last.timestamp - first.timestamp) >>> 0) / 90 - (last.at - first.at);
  report.check(`${key}_clock_drift_ms`, drift, (ms) => Math.abs(ms) < 150, 'less than 150 either way');

  const { frames, complaints } = await viewer.decoded();
  const sent = viewer.pictures.length;
  Object.assign(row, { back: viewer.back, frames: sent });
  report.check(`${key}_frames_decoded_of_${sent}`, frames.length, (n) => n === sent, `${sent}`);
  row.errors = complaints.length + Math.abs(sent - frames.length);
  report.check(`${key}_decoder_complaints`, complaints.length, none, `0: ${complaints[0]}`);
  const right = frames.filter(({ width }, n) => Number(width) === LAYERS[viewer.pictures[n]?.layer]?.width);
  report.check(`${key}_frames_as_large_as_their_layer`, right.length, (n) => n === sent, `${sent}`);
}
