// The narrow link between Starling and a Chromium that receives what another one sends.

import { Browser } from '../../lib/browser.mjs';
import { film } from '../../lib/camera.mjs';
import { grown, Lab, Series } from '../../lib/lab.mjs';
import { sleep, until } from '../../lib/wait.mjs';
import { judge, LINK, PHASES, run, UP } from './link.mjs';

/** Three layers: about 1,430, 356 and 90 kb/s. */
const CAMERA = { width: '960', height: '540', fps: '15', layers: '3' };
/** IP, UDP, SRTP's tag and extensions that are not in the sender's bytes, per packet. */
const BESIDE = 28 + 16 + 12;
/** A call begins: encoders start and the estimate climbs from nothing. Told, not judged: the goal is about a
 *  link that changes. */
const START_MS = 8000;
/** Opus with 50 packets a second, in kb/s. */
const AUDIO = 65;

export async function chromiumLink(report) {
  const lab = new Lab('bandwidth-chromium');
  const browser = new Browser();
  const series = new Series();
  try {
    await lab.start();
    await lab.wire.set('down', { ...LINK, rate_kbps: PHASES[0].kbps });
    await lab.wire.set('up', UP);
    const ada = await browser.person('ada', undefined, { flags: film(CAMERA) });
    const ben = await browser.person('ben', undefined, lab.farBrowser());
    await ada.open(await lab.near('link', 'ada', CAMERA));
    await ben.open(await lab.behind('link', 'ben'));
    await until('ben sees ada', 30_000, async () =>
      (await ben.videos()).get('ada/video')?.framesDecoded > 5);
    series.every('wire', 100, () => lab.wire.stats());
    await lab.estimates(series, 'link', 'ben');
    series.every('sent', 500, async () => ({ layers: await layers(ada) }));
    series.every('received', 250, () => received(ben));
    await sleep(START_MS);
    const phases = await run(lab, series);
    await series.end();
    const fitting = (at, kbps) => fittingLayer(series.rows.sent, at, kbps);
    const freezes = (row) => row.video?.freezeCount ?? 0;
    const { amount } = grown(series.rows.received, 0, phases[0].began, freezes);
    report.put('chromium_freezes_while_the_call_begins', amount);
    judge(report, 'chromium', series, phases, {
      bytes: (row) => row.video?.bytesReceived ?? 0,
      freezes,
      audioLost: (row) => row.audio?.packetsLost ?? 0,
      fitting,
    });
    const best = series.rows.wire.map(({ at }) => ({ at, kbps: fitting(at, rateAt(phases, at)) }));
    console.log(`  ${series.write('bandwidth-chromium', { phases, best })}`);
    for (const person of [ada, ben]) {
      for (const error of person.errors) report.fail(`${person.name}: ${error}`);
    }
  } finally {
    await series.end();
    await browser.stop();
    await lab.stop();
  }
}

export function rateAt(phases, at) {
  return (phases.findLast(({ began }) => began <= at) ?? phases[0]).kbps;
}

/** What a page sends of each layer, low to high. */
async function layers(person) {
  const { producers } = await person.stats();
  const video = producers.find(({ source }) => source === 'video');
  return video.layers
    .sort((one, other) => (one.rid < other.rid ? -1 : 1))
    .map(({ rid, frameWidth, bytesSent, headerBytesSent, packetsSent }) => ({
      rid,
      width: frameWidth,
      bytes: bytesSent,
      wire: bytesSent + headerBytesSent + packetsSent * BESIDE,
    }));
}

async function received(person) {
  const { consumers } = await person.stats();
  const [video, audio] = ['video', 'audio'].map((kind) => consumers.find((it) => it.kind === kind));
  return { video, audio };
}

/** kb/s of the highest layer that fits, by what each was over the last seconds. */
function fittingLayer(rows, at, kbps) {
  let best = 0;
  for (let n = 0; n < rows.at(-1).layers.length; n++) {
    const over = (what) => {
      const { amount, ms } = grown(rows, at - 4000, at, (row) => row.layers[n]?.[what] ?? 0);
      return ms > 0 ? (8 * amount) / ms : Infinity;
    };
    if (over('wire') + AUDIO <= kbps) best = Math.max(best, over('bytes'));
  }
  return best;
}
