// Each codec with each kind of layers that Chromium encodes, from one person to another over two nodes:
// each layer can be had, and switching between the lowest and the highest shows no freeze, no decoder
// error and no time that goes back.

import { Browser } from '../lib/browser.mjs';
import { percentile } from '../lib/report.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { everybodySees, explain } from './call.mjs';

/** Layers inside a stream need a picture whose smallest has 240 by 135 (libwebrtc `svc_config.cc`). */
const CAMERA = { width: '960', height: '540', fps: '15', audio: '0', layers: '3' };
const WIDTH = Number(CAMERA.width);

/** What is tried: the codec, and its scalability mode if its layers are inside one stream. */
const CASES = {
  'vp8': { codec: 'vp8' },
  'h264': { codec: 'h264' },
  'vp9': { codec: 'vp9' },
  'av1': { codec: 'av1' },
  'vp9-l3t3': { codec: 'vp9', mode: 'L3T3' },
  'vp9-l3t3-key': { codec: 'vp9', mode: 'L3T3_KEY' },
  'av1-l3t3': { codec: 'av1', mode: 'L3T3' },
  'av1-l3t3-key': { codec: 'av1', mode: 'L3T3_KEY' },
  'h265': { codec: 'h265' },
};

const SWITCHES = Number(process.env.SWITCHES ?? 100);
const wanted = (process.env.CASES ?? Object.keys(CASES).join(',')).split(',');

/** How long a run of all cases may take, in minutes. */
export const MINUTES = wanted.length * (2 + SWITCHES / 40);

/** @param {object} at cluster and report */
export async function everyCodec({ cluster, report }) {
  for (const name of wanted) {
    if (!CASES[name]) throw new Error(`no case ${name}: ${Object.keys(CASES).join(', ')}`);
    await one({ cluster, report, name, ...CASES[name] }).catch((error) => {
      report.fail(`${name}: ${error.message}`);
    });
  }
}

async function one({ cluster, report, name, codec, mode }) {
  const browser = new Browser();
  const key = `codecs_${name.replaceAll('-', '_')}`;
  try {
    const [ada, ben] = [await browser.person('ada'), await browser.person('ben')];
    const query = { ...CAMERA, codec, ...(mode ? { mode } : {}) };
    await ada.open(await cluster.page(0, `codecs-${name}`, 'ada', query));
    await ben.open(await cluster.page(1, `codecs-${name}`, 'ben', { ...query, video: '0' }));
    await everybodySees([ada, ben], [ada]);
    const video = (await ben.videos()).get('ada/video');
    const encodes = video.codec.toLowerCase() === `video/${codec}`;
    report.put(`${key}_is_encoded`, encodes ? 1 : 0);
    if (!encodes) {
      console.log(`  ${name}: Chromium does not encode it here, it sends ${video.codec}`);
      return;
    }
    await watchTime(ben);
    await layers(ben, report, key);
    if (mode?.includes('T3')) await frameRates(ben, report, key);
    await switching(ben, report, key);
    for (const person of [ada, ben]) {
      for (const error of person.errors) report.fail(`${key}: ${person.name}: ${error}`);
    }
  } finally {
    await browser.stop();
  }
}

async function get(ben, layer, within = 15_000) {
  const began = performance.now();
  const width = WIDTH / 2 ** (2 - layer);
  await ben.prefer('ada/video', layer);
  await until(`layer ${layer}`, within, async () => {
    const { frameWidth, frameHeight } = (await ben.videos()).get('ada/video');
    if (frameWidth !== width) throw new Error(`${frameWidth} by ${frameHeight}`);
    return true;
  });
  return performance.now() - began;
}

/** Each layer can be had. */
async function layers(ben, report, key) {
  // The sender begins with few bits and adds layers.
  await get(ben, 2, 30_000);
  for (const layer of [0, 1, 2]) {
    report.put(`${key}_layer_${layer}_ms`, await get(ben, layer));
  }
}

/** The lowest temporal layer is a quarter of the pictures. */
async function frameRates(ben, report, key) {
  const rate = async (temporal) => {
    await ben.ask((temporal) => window.starling.setLayers('ada/video', 2, temporal), temporal);
    await sleep(1000);
    const before = (await ben.videos()).get('ada/video').framesDecoded;
    await sleep(4000);
    return ((await ben.videos()).get('ada/video').framesDecoded - before) / 4;
  };
  const all = await rate(2);
  for (const temporal of [0, 1]) {
    const share = (await rate(temporal)) / all;
    const expected = 2 ** (temporal - 2);
    const fits = (x) => x > expected * 0.6 && x < expected * 1.5;
    report.check(`${key}_temporal_${temporal}_share`, share, fits, `about ${expected}`);
  }
  await rate(2);
}

/** Up and down: no freeze over 500 ms, and no time that goes back. */
async function switching(ben, report, key) {
  await sleep(2000);
  const before = (await ben.videos()).get('ada/video');
  await ben.resetGaps();
  const times = [];
  for (let n = 0; n < SWITCHES; n++) {
    times.push(await get(ben, n % 2 ? 2 : 0));
    // Decoders that were fed what they cannot decode say so by now.
    await sleep(200);
  }
  const { gaps, stallMs } = await ben.gaps();
  const after = (await ben.videos()).get('ada/video');
  const n = times.length;
  report.put(`${key}_switch_ms_p50_n${n}`, percentile(times, 50));
  report.put(`${key}_switch_ms_max_n${n}`, Math.max(...times));
  const gap = gaps['ada/video'] ?? Number.POSITIVE_INFINITY;
  if (!report.check(`${key}_gap_ms_max_n${n}`, gap, (ms) => ms < 500, '< 500')) {
    await explain([ben], 500);
  }
  report.put(`${key}_page_stall_ms_max`, stallMs);
  const freezes = after.freezeCount - before.freezeCount;
  report.put(`${key}_freezes_told_by_chromium`, freezes);
  // A receiver whose decoder fails asks for a key frame itself.
  const plis = after.pliCount - before.pliCount;
  report.check(`${key}_plis_of_receiver`, plis, (n) => n === 0, '0');
  report.put(`${key}_packets_lost`, after.packetsLost - before.packetsLost);
  const back = await ben.ask(() => window.backwards);
  report.check(`${key}_timestamps_back`, back.count, (n) => n === 0, `0: ${back.last}`);
  report.put(`${key}_frames_looked_at`, back.frames);
  console.log(`  ${key}: ${n} switches, p50 ${Math.round(percentile(times, 50))} ms, longest gap `
    + `${Math.round(gap)} ms, ${freezes} freezes, ${plis} PLIs`);
}

/** Counts frames whose RTP timestamp is not after the one before. */
function watchTime(ben) {
  return ben.ask(() => {
    window.backwards = { count: 0, frames: 0, last: '' };
    const [video] = [...document.querySelectorAll('video')].filter((video) => video.srcObject);
    let newest = null;
    const frame = (_, { rtpTimestamp }) => {
      if (rtpTimestamp !== undefined) {
        window.backwards.frames += 1;
        if (newest !== null && ((rtpTimestamp - newest) | 0) <= 0) {
          window.backwards.count += 1;
          window.backwards.last = `${newest} to ${rtpTimestamp}`;
        }
        newest = rtpTimestamp;
      }
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  });
}
