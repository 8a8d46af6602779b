// What mediasoup-demo's broadcasters/ffmpeg.sh does, request by request, with the system's ffmpeg: a broadcaster,
// two plain transports that learn where they are sent from, two producers, one ffmpeg that sends both.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Browser } from '../lib/browser.mjs';
import { Child } from '../lib/processes.mjs';
import { sleep, until } from '../lib/wait.mjs';

const ROOM = 'broadcast';
const ID = 'ffmpegBroadcaster';
const AUDIO = { ssrc: 1111, payloadType: 100 };
const VIDEO = { ssrc: 2222, payloadType: 101 };
const SECONDS = 5;

export async function broadcaster({ cluster, report }) {
  const post = (path, body) => cluster.api(0, 'POST', `/rooms/${ROOM}/broadcasters${path}`, body);
  const browser = new Browser();
  let ffmpeg;
  try {
    // It asks first whether there is a room.
    const { codecs } = await cluster.api(0, 'GET', `/rooms/${ROOM}`);
    report.check('broadcaster_codecs', codecs.length, (n) => n > 0, '> 0');
    await post('', { id: ID, displayName: 'Broadcaster', device: { name: 'FFmpeg' } });
    const plain = { type: 'plain', comedia: true, rtcpMux: false };
    const [audio, video] = [await post(`/${ID}/transports`, plain), await post(`/${ID}/transports`, plain)];
    await post(`/${ID}/transports/${audio.id}/producers`, {
      kind: 'audio',
      rtpParameters: {
        codecs: [{ mimeType: 'audio/opus', payloadType: AUDIO.payloadType, clockRate: 48000, channels: 2, parameters: { 'sprop-stereo': 1 } }],
        encodings: [{ ssrc: AUDIO.ssrc }],
      },
    });
    await post(`/${ID}/transports/${video.id}/producers`, {
      kind: 'video',
      rtpParameters: {
        codecs: [{ mimeType: 'video/vp8', payloadType: VIDEO.payloadType, clockRate: 90000 }],
        encodings: [{ ssrc: VIDEO.ssrc }],
      },
    });
    ffmpeg = send(film(cluster.logs), audio, video, cluster.logs);
    await watched({ cluster, report, browser });
    report.check('broadcaster_ffmpeg_goes_on', ffmpeg.alive ? 1 : 0, (n) => n === 1, '1');
    await cluster.api(0, 'DELETE', `/rooms/${ROOM}/broadcasters/${ID}`);
    await until('the broadcaster has left', 5000, async () => {
      const peers = await cluster.api(1, 'GET', `/v1/rooms/${ROOM}/peers`);
      return peers.every(({ id }) => id !== ID);
    });
  } finally {
    await ffmpeg?.end();
    await browser.stop();
  }
}

/** A film to loop over, as the script is given one. */
function film(folder) {
  const file = join(folder, 'broadcast.mp4');
  execFileSync('ffmpeg', ['-y', '-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=15', '-f', 'lavfi',
    '-i', 'sine=440', '-t', '4', '-c:v', 'libx264', '-preset', 'ultrafast', '-c:a', 'aac', file]);
  return file;
}

/** The script's own command line but for `-b:v`: the film is small. */
function send(file, audio, video, logs) {
  const to = (letter, { ssrc, payloadType }, { ip, port, rtcpPort }) =>
    `[select=${letter}:f=rtp:ssrc=${ssrc}:payload_type=${payloadType}]rtp://${ip}:${port}?rtcpport=${rtcpPort}`;
  return new Child('broadcaster', 'ffmpeg', ['-nostdin', '-re', '-v', 'info', '-stream_loop', '-1', '-i', file,
    '-map', '0:a:0', '-acodec', 'libopus', '-ab', '128k', '-ac', '2', '-ar', '48000',
    '-map', '0:v:0', '-pix_fmt', 'yuv420p', '-c:v', 'libvpx', '-b:v', '300k', '-deadline', 'realtime', '-cpu-used', '4',
    '-f', 'tee', `${to('a', AUDIO, audio)}|${to('v', VIDEO, video)}`], { logs });
}

/** Somebody with mediasoup-client on another node sees and hears it, past the film's end. */
async function watched({ cluster, report, browser }) {
  const ben = await browser.person('ben');
  await ben.open(await cluster.page(1, ROOM, 'ben', { audio: '0', video: '0' }));
  const streams = async () => {
    const { consumers } = await ben.stats();
    const of = (kind) => consumers.find((it) => it.kind === kind && it.peerId === ID);
    return { video: of('video')?.framesDecoded ?? 0, audio: of('audio')?.packetsReceived ?? 0 };
  };
  await until('ben sees and hears the film', 20_000, async () => {
    const { video, audio } = await streams();
    return video > 5 && audio > 20;
  });
  const before = await streams();
  await sleep(SECONDS * 1000);
  const after = await streams();
  report.check('broadcaster_frames_5s', after.video - before.video, (n) => n >= SECONDS * 10, `>= ${SECONDS * 10}`);
  report.check('broadcaster_sound_5s', after.audio - before.audio, (n) => n >= SECONDS * 40, `>= ${SECONDS * 40}`);
  ben.errors.forEach((error) => report.fail(`broadcaster: ${error}`));
}
