// Clients that nobody here wrote, as child processes: aiortc, GStreamer, werift and ffmpeg.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { Child } from './processes.mjs';
import { until } from './wait.mjs';

const home = join(root, 'target', 'clients');
const scripts = join(root, 'tests', 'e2e', 'clients');
const python = join(home, 'venv', 'bin', 'python');
const shim = join(home, 'loopback.so');

/** Makes what is made, once: the shim, and ffmpeg's path. */
export function prepare() {
  if (!existsSync(python)) throw new Error('no Python clients: run `tests/setup.sh clients`');
  mkdirSync(home, { recursive: true });
  execFileSync('cc', ['-shared', '-fPIC', '-o', shim, join(scripts, 'loopback.c'), '-ldl']);
  const asked = 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())';
  ffmpeg = execFileSync(python, ['-c', asked], { encoding: 'utf8' }).trim();
}

let ffmpeg = null;

/**
 * libnice and aiortc offer no address of lo, and a namespace of one's own has nothing else. A TUN device
 * is up for as long as somebody holds it.
 */
export async function giveAddress(logs) {
  const hold = `import fcntl, struct, time
tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH", b"starling-out", 0x1001))
time.sleep(86400)`;
  new Child('address', python, ['-c', hold], { logs });
  const ip = (...args) => execFileSync('ip', args, { stdio: 'pipe' });
  await until('there is a device', 5000, () => ip('link', 'show', 'starling-out'));
  ip('addr', 'add', '192.0.2.1/24', 'dev', 'starling-out');
  ip('link', 'set', 'starling-out', 'up');
}

const VIDEO = {
  vp8: ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8'],
  h264: ['-c:v', 'libx264', '-profile:v', 'baseline', '-preset', 'ultrafast', '-tune', 'zerolatency'],
};
const SOURCE = [
  '-hide_banner', '-nostdin', '-loglevel', 'warning', '-re',
  '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=15', '-f', 'lavfi', '-i', 'sine=440',
];
const encode = (codec) => [
  ...VIDEO[codec], '-g', '15', '-b:v', '300k', '-pix_fmt', 'yuv420p',
];
const OPUS = ['-c:a', 'libopus', '-ac', '2', '-ar', '48000', '-b:a', '48k'];

/** Who publishes: `(url, seconds, options) => Child[]`, and what. */
export const PUBLISHERS = {
  aiortc: {
    codec: 'vp8',
    start: (url, seconds, options) => [new Child('aiortc-publish', python,
      [join(scripts, 'aiortc_client.py'), 'publish', url, seconds, 'video/VP8'], options)],
  },
  gstreamer: {
    codec: 'vp8',
    start: (url, seconds, options) => [gstreamer('publish', url, seconds, 'vp8', options)],
  },
  ffmpeg: {
    codec: 'h264',
    start: (url, seconds, options) => [new Child('ffmpeg-publish', ffmpeg,
      [...SOURCE, '-t', seconds, ...encode('h264'), ...OPUS, '-f', 'whip', url], options)],
  },
  werift: {
    codec: 'vp8',
    start: (url, seconds, options) => [
      new Child('werift-source', ffmpeg, [...SOURCE, '-t', seconds,
        '-map', '0:v', ...encode('vp8'), '-f', 'rtp', 'rtp://127.0.0.1:28800',
        '-map', '1:a', ...OPUS, '-f', 'rtp', 'rtp://127.0.0.1:28802'], options),
      werift('publish', url, seconds, '28800', '28802', options),
    ],
  },
};

/**
 * Who plays over WHEP until it has `wanted` ('VIDEO:AUDIO' frames), for `seconds` at most:
 * `(url, seconds, wanted, codec, options) => Child`, whose last line are its counts.
 */
export const PLAYERS = {
  aiortc: (url, seconds, wanted, codec, options) => new Child('aiortc-play', python,
    [join(scripts, 'aiortc_client.py'), 'play', url, seconds, wanted, `video/${codec.toUpperCase()}`],
    options),
  gstreamer: (url, seconds, wanted, codec, options) =>
    gstreamer('play', url, seconds, wanted, codec, options),
  werift: (url, seconds, wanted, _codec, options) => werift('play', url, seconds, wanted, options),
};

/** The rest are the client's own arguments, and the options. */
function gstreamer(what, url, seconds, ...rest) {
  const options = rest.pop();
  const env = { ...options.env, LD_PRELOAD: shim };
  const script = join(scripts, 'gstreamer_client.py');
  // The system's Python: it has GStreamer's bindings.
  return new Child(`gstreamer-${what}`, '/usr/bin/python3', [script, what, url, seconds, ...rest],
    { ...options, env });
}

function werift(what, url, seconds, ...rest) {
  const options = rest.pop();
  const script = join(scripts, 'werift_client.mjs');
  return new Child(`werift-${what}`, process.execPath, [script, what, url, seconds, ...rest], options);
}

/**
 * ffmpeg has no WHEP: it receives what a plain transport sends, until it has decoded so many pictures and
 * packets of sound. `video` and `audio` of the child are files with a line for each.
 */
export function record(sdp, { video, audio }, options) {
  mkdirSync(options.logs, { recursive: true });
  const file = (name) => join(options.logs, name);
  writeFileSync(file('inputs.sdp'), sdp);
  const child = new Child('ffmpeg-record', ffmpeg, ['-hide_banner', '-nostdin', '-loglevel', 'info',
    '-protocol_whitelist', 'file,udp,rtp', '-i', file('inputs.sdp'), '-y', '-flush_packets', '1',
    '-map', '0:v', '-frames:v', `${video}`, '-f', 'framecrc', file('video.crc'),
    '-map', '0:a', '-frames:a', `${audio}`, '-f', 'framecrc', file('audio.crc')], options);
  return Object.assign(child, { video: file('video.crc'), audio: file('audio.crc') });
}
