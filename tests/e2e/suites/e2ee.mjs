// A call that no node can listen to: frames are encrypted whole, and layers are chosen all the same, over
// two nodes. Whoever has another key sees nothing, and whoever has none is not shown anything.

import { Browser } from '../lib/browser.mjs';
import { percentile } from '../lib/report.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { everybodySees, explain } from './call.mjs';

const CAMERA = { width: '960', height: '540', fps: '15', layers: '3' };
const WIDTH = Number(CAMERA.width);
/** H.264 and AV1 are cut into packets by what stands in the frame: nobody can encrypt all of it. */
const CASES = {
  'vp8': { codec: 'vp8' },
  'vp9': { codec: 'vp9' },
  'vp9-l3t3-key': { codec: 'vp9', mode: 'L3T3_KEY' },
};
const SWITCHES = Number(process.env.SWITCHES ?? 10);
const wanted = (process.env.CASES ?? 'vp8,vp9-l3t3-key').split(',');

/** How long all cases may take, in minutes. */
export const MINUTES = wanted.length * (2 + SWITCHES / 20);

/** @param {object} at cluster and report */
export async function encrypted({ cluster, report }) {
  for (const name of wanted) await one({ cluster, report, name, ...CASES[name] });
}

async function one({ cluster, report, name, codec, mode }) {
  const browser = new Browser();
  const key = `e2ee_${name.replaceAll('-', '_')}`;
  const room = `e2ee-${name}`;
  const query = { ...CAMERA, codec, ...(mode ? { mode } : {}) };
  const sits = async (node, person, secret, more = {}) => {
    const came = await browser.person(person);
    const page = await cluster.page(node, room, person, { ...query, ...more });
    await came.open(secret ? `${page}#key=${secret}` : page);
    return came;
  };
  try {
    const ada = await sits(0, 'ada', 'analytical');
    const ben = await sits(1, 'ben', 'analytical', { video: '0' });
    await everybodySees([ada, ben], [ada]);
    await switching(ben, report, key);
    await hears(ben, report, key);
    const eve = await sits(1, 'eve', 'difference', { video: '0', audio: '0' });
    const mallory = await sits(1, 'mallory', null, { video: '0', audio: '0' });
    await until('eve gets what she cannot read', 15_000, async () =>
      ((await eve.videos()).get('ada/video')?.packetsReceived ?? 0) > 100);
    report.check(`${key}_frames_with_another_key`, (await eve.videos()).get('ada/video').framesDecoded,
      (n) => n === 0, '0');
    report.check(`${key}_streams_without_a_key`, (await mallory.videos()).size, (n) => n === 0, '0');
    for (const person of [ada, ben, eve]) {
      for (const error of person.errors) report.fail(`${key}: ${person.name}: ${error}`);
    }
  } finally {
    await browser.stop();
  }
}

/** Silence has 0; the fake microphone's beep gives about 0.2 in a second. */
async function hears(ben, report, key) {
  const energy = async () =>
    (await ben.stats()).consumers.find(({ kind }) => kind === 'audio').totalAudioEnergy;
  const before = await energy();
  await sleep(2500);
  report.check(`${key}_audio_energy`, (await energy()) - before, (x) => x > 0.01, '> 0.01');
}

async function get(ben, layer) {
  const began = performance.now();
  await ben.prefer('ada/video', layer);
  await until(`layer ${layer}`, 20_000, async () => {
    const { frameWidth, frameHeight } = (await ben.videos()).get('ada/video');
    if (frameWidth !== WIDTH / 2 ** (2 - layer)) throw new Error(`${frameWidth} by ${frameHeight}`);
    return true;
  });
  return performance.now() - began;
}

/** Each layer can be had, and switching shows no freeze. */
async function switching(ben, report, key) {
  for (const layer of [2, 0, 1]) report.put(`${key}_layer_${layer}_ms`, await get(ben, layer));
  await sleep(2000);
  const before = (await ben.videos()).get('ada/video');
  await ben.resetGaps();
  const times = [];
  for (let n = 0; n < SWITCHES; n++) {
    times.push(await get(ben, n % 2 ? 2 : 0));
    await sleep(300);
  }
  const { gaps } = await ben.gaps();
  const after = (await ben.videos()).get('ada/video');
  const n = times.length;
  report.put(`${key}_switch_ms_p50_n${n}`, percentile(times, 50));
  report.put(`${key}_switch_ms_max_n${n}`, Math.max(...times));
  const gap = gaps['ada/video'] ?? Number.POSITIVE_INFINITY;
  if (!report.check(`${key}_gap_ms_max_n${n}`, gap, (ms) => ms < 500, '< 500')) {
    await explain([ben], 500);
  }
  report.check(`${key}_plis_of_receiver`, after.pliCount - before.pliCount, (n) => n === 0, '0');
  report.put(`${key}_packets_lost`, after.packetsLost - before.packetsLost);
  console.log(`  ${key}: ${n} switches, p50 ${Math.round(percentile(times, 50))} ms, longest gap `
    + `${Math.round(gap)} ms`);
}
