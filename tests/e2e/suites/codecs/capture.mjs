// RTP as it was captured from an encoder, sent as a camera would: both layers at once, sender reports, and a key
// frame when one is asked for. What comes out at the other end is recognised to the byte. Judges nothing.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../lib/paths.mjs';

const FOLDER = join(root, 'media', 'fixtures', 'h265');
/** Pictures from one key frame to the next. */
export const PERIOD = 10;
export const FPS = 15;
const TICKS = 90_000 / FPS;
/** The layers as they were captured, low to high. */
export const LAYERS = [
  { file: '160x90.rtp', width: 160, ssrc: 0x1001, timestamp: 4_294_960_000, sequence: 65_500 },
  { file: '320x180.rtp', width: 320, ssrc: 0x1002, timestamp: 77_000, sequence: 3 },
].map((layer) => ({ ...layer, pictures: pictures(readFileSync(join(FOLDER, layer.file))) }));

/** The payloads of each picture. Each packet has its length in front of it. */
function pictures(bytes) {
  const all = [];
  let last = null;
  for (let at = 0; at < bytes.length;) {
    const end = at + 2 + bytes.readUInt16BE(at);
    const packet = bytes.subarray(at + 2, end);
    const timestamp = packet.readUInt32BE(4);
    if (timestamp !== last) all.push([]);
    all.at(-1).push(payload(packet));
    last = timestamp;
    at = end;
  }
  return all;
}

/** Without header, contributing sources, extensions and padding (RFC 3550 §5.1). */
export function payload(packet) {
  let start = 12 + 4 * (packet[0] & 15);
  if (packet[0] & 16) start += 4 + 4 * packet.readUInt16BE(start + 2);
  const padding = packet[0] & 32 ? packet.at(-1) : 0;
  return packet.subarray(start, packet.length - padding);
}

const joined = (payloads) => Buffer.concat(payloads).toString('base64');
const known = new Map(LAYERS.flatMap(({ pictures }, layer) =>
  pictures.map((picture, number) => [joined(picture), { layer, number }])));

/** Which picture of which layer some payloads are; undefined if they are none. */
export function recognise(payloads) {
  return known.get(joined(payloads));
}

export async function socket(port = 0) {
  const made = createSocket('udp4');
  made.bind(port, '127.0.0.1');
  await once(made, 'listening');
  return made;
}

export class Camera {
  /** Key frames it was asked for. */
  asked = 0;

  /** `to`: a plain transport's address. */
  static async open(to) {
    const camera = new Camera();
    camera.to = to;
    [camera.rtp, camera.rtcp] = [await socket(), await socket()];
    camera.rtcp.on('message', (message) => camera.onRtcp(message));
    camera.layers = LAYERS.map((layer) => ({ ...layer, next: 0, packets: 0, octets: 0 }));
    camera.report();
    camera.timers = [
      setInterval(() => camera.show(), 1000 / FPS),
      setInterval(() => camera.report(), 1000),
    ];
    return camera;
  }

  close() {
    this.timers.forEach(clearInterval);
    this.rtp.close();
    this.rtcp.close();
  }

  show() {
    for (const layer of this.layers) {
      layer.timestamp = (layer.timestamp + TICKS) >>> 0;
      layer.at = Date.now();
      const picture = layer.pictures[layer.next];
      picture.forEach((payload, n) => this.send(layer, payload, n + 1 === picture.length));
      layer.next = (layer.next + 1) % layer.pictures.length;
    }
  }

  send(layer, payload, last) {
    const header = Buffer.alloc(12);
    header[0] = 0x80;
    header[1] = (last ? 0x80 : 0) | 96;
    header.writeUInt16BE(layer.sequence, 2);
    header.writeUInt32BE(layer.timestamp, 4);
    header.writeUInt32BE(layer.ssrc, 8);
    layer.sequence = (layer.sequence + 1) & 0xffff;
    layer.packets += 1;
    layer.octets += payload.length;
    this.rtp.send(Buffer.concat([header, payload]), this.to.port, this.to.ip);
  }

  /** Sender reports (RFC 3550 §6.4.1). */
  report() {
    for (const layer of this.layers) {
      const at = layer.at ?? Date.now();
      const report = Buffer.alloc(28);
      report.writeUInt32BE(0x80c80006, 0);
      report.writeUInt32BE(layer.ssrc, 4);
      report.writeUInt32BE(Math.floor(at / 1000) + 2_208_988_800, 8);
      report.writeUInt32BE(Math.floor(((at % 1000) / 1000) * 2 ** 32), 12);
      report.writeUInt32BE(layer.timestamp, 16);
      report.writeUInt32BE(layer.packets, 20);
      report.writeUInt32BE(layer.octets >>> 0, 24);
      this.rtcp.send(report, this.to.rtcpPort, this.to.ip);
    }
  }

  /** Goes on with a key frame where one is asked for (PLI, RFC 4585 §6.3.1; FIR, RFC 5104 §4.3.1). */
  onRtcp(message) {
    for (let at = 0; at + 12 <= message.length; at += 4 + 4 * message.readUInt16BE(at + 2)) {
      const [format, type] = [message[at] & 31, message[at + 1]];
      if (type !== 206 || (format !== 1 && format !== 4)) continue;
      const ssrc = message.readUInt32BE(at + (format === 1 ? 8 : 12));
      const layer = this.layers.find((layer) => layer.ssrc === ssrc);
      if (!layer) continue;
      this.asked += 1;
      layer.next = (Math.ceil(layer.next / PERIOD) * PERIOD) % layer.pictures.length;
    }
  }
}
