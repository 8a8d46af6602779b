// One case between two Chromium: what one encodes on one node, the other decodes on another.

import { Browser } from '../../lib/browser.mjs';
import { percentile } from '../../lib/report.mjs';
import { sleep } from '../../lib/wait.mjs';
import { everybodySees, explain } from '../call.mjs';
import { Receiver } from './receiver.mjs';

/** Layers inside a stream need a picture whose smallest has 240 by 135 (libwebrtc `svc_config.cc`). */
const CAMERA = { width: '960', height: '540', fps: '15', audio: '0', layers: '3' };
const SPATIAL = 3;
const width = (layer) => Number(CAMERA.width) / 2 ** (SPATIAL - 1 - layer);
/** Each of the six ways from one layer to another. */
const ROUND = [0, 2, 1, 2, 0, 1];
/** Longer than a node goes on fetching what nobody wants (`media/src/producer/wanted.rs`). */
const FORGOTTEN = 2000;
/** What is on its way through a decoder when statistics are read. */
const IN_FLIGHT = 3;

export async function browsers({ cluster, report, name, key, rows, codec, simulcast, mode, ...wish }) {
  const browser = new Browser();
  const row = { name, layers: SPATIAL * wish.temporal, reached: 0 };
  try {
    const ada = await browser.person('ada');
    const ben = await browser.person('ben', undefined, { bypassCSP: true });
    const layers = simulcast ? { temporal: simulcast.at(-1) } : { mode };
    const query = { ...CAMERA, codec, ...layers };
    const receiver = new Receiver(ben, 'ada/video');
    await receiver.prepare();
    await ada.open(await cluster.page(0, `codecs-${name}`, 'ada', query));
    await ben.open(await cluster.page(1, `codecs-${name}`, 'ben', { ...query, video: '0' }));
    await everybodySees([ada, ben], [ada]);
    const { codec: sent } = await receiver.figures();
    if (sent.toLowerCase() !== `video/${codec}`) {
      report.fail(`${name}: Chromium does not encode it here, it sends ${sent}`);
      return;
    }
    rows.push(row);
    await receiver.begin();
    // The sender begins with few bits and adds layers.
    await receiver.spatial(2, width(2), 30_000);
    await encoder(ada, report, key, row, mode ?? simulcast, simulcast ? SPATIAL : 1);
    await spatialLayers(receiver, report, key, row);
    // In a short run as little as tells the shares apart.
    const measured = Math.min(2000, 200 * wish.switches);
    if (wish.temporal > 1) await temporalLayers(receiver, report, key, row, measured);
    await judged({ ben, receiver, report, key, row }, async () => {
      await cold(receiver, report, key, row, wish.cold);
      await spatialSwitches(receiver, report, key, row, wish.switches);
      if (wish.temporal > 1) await temporalSwitches(receiver, report, key, row, wish.switches);
    });
    for (const person of [ada, ben]) {
      for (const error of person.errors) report.fail(`${key}: ${person.name}: ${error}`);
    }
    console.log(`  ${name}: ${row.switches} switches, p50 ${Math.round(row.p50)} ms, longest gap `
      + `${Math.round(row.gap)} ms, ${row.errors} decoder errors`);
  } finally {
    await browser.stop();
  }
}

/** The layers are those that were asked for, and each is sent. */
async function encoder(ada, report, key, row, mode, streams) {
  const sent = async () => {
    const { producers } = await ada.stats();
    return producers.find(({ source }) => source === 'video').layers;
  };
  const before = await sent();
  await sleep(1000);
  const after = await sent();
  const grown = after.filter((layer) => {
    const was = before.find(({ id }) => id === layer.id);
    return layer.framesEncoded > (was?.framesEncoded ?? 0);
  });
  report.check(`${key}_streams_encoded`, grown.length, (n) => n === streams, `${streams}`);
  const modes = [...new Set(after.map(({ scalabilityMode }) => scalabilityMode))].join(' and ');
  report.say(`${key}_scalability_mode`, modes);
  if (modes !== mode) report.fail(`${key}: the encoder is in ${modes}, not in ${mode}`);
  row.encoder = [...new Set(after.map(({ encoderImplementation }) => encoderImplementation))].join(', ');
  report.say(`${key}_encoder`, row.encoder);
}

/** Each spatial layer can be had. */
async function spatialLayers(receiver, report, key, row) {
  for (const layer of [0, 1, 2]) {
    report.put(`${key}_layer_${layer}_ms`, await receiver.spatial(layer, width(layer)));
    row.reached += 1;
  }
}

/** In each spatial layer the lowest temporal one is a quarter of the pictures, and the next one half of them. */
async function temporalLayers(receiver, report, key, row, measured) {
  const rate = async (spatial, temporal) => {
    await receiver.temporal(spatial, temporal);
    await sleep(300);
    const [before, began] = [(await receiver.seen()).frames.pictures, performance.now()];
    await sleep(measured);
    const seconds = (performance.now() - began) / 1000;
    return ((await receiver.seen()).frames.pictures - before) / seconds;
  };
  for (const spatial of [0, 1, 2]) {
    await receiver.spatial(spatial, width(spatial));
    const all = await rate(spatial, 2);
    report.put(`${key}_layer_${spatial}_fps`, all);
    for (const temporal of [1, 0]) {
      const share = (await rate(spatial, temporal)) / all;
      const expected = 2 ** (temporal - 2);
      const fits = (x) => x > expected * 0.6 && x < expected * 1.5;
      const what = `${key}_layer_${spatial}_temporal_${temporal}_share`;
      if (report.check(what, share, fits, `about ${expected}`)) row.reached += 1;
    }
    await receiver.temporal(spatial, 2);
  }
}

/** Layers that were not fetched from the other node when they are wished for. */
async function cold(receiver, report, key, row, count) {
  const times = [];
  for (let n = 0; n < count; n++) {
    const layer = ROUND[n % ROUND.length];
    await sleep(FORGOTTEN);
    times.push(await receiver.spatial(layer, width(layer)));
  }
  Object.assign(row, { cold: count, coldP50: percentile(times, 50), coldMax: Math.max(...times) });
  report.put(`${key}_cold_switch_ms_p50_n${count}`, row.coldP50);
  report.put(`${key}_cold_switch_ms_max_n${count}`, row.coldMax);
}

async function spatialSwitches(receiver, report, key, row, count) {
  const times = [];
  for (let n = 0; n < count; n++) {
    const layer = ROUND[n % ROUND.length];
    times.push(await receiver.spatial(layer, width(layer)));
    // Decoders that were fed what they cannot decode say so by now.
    await sleep(150);
  }
  await receiver.spatial(2, width(2));
  const [p50, p95] = [50, 95].map((p) => percentile(times, p));
  Object.assign(row, { switches: count, p50, p95, max: Math.max(...times) });
  report.put(`${key}_switch_ms_p50_n${count}`, p50);
  report.put(`${key}_switch_ms_p95_n${count}`, p95);
  report.put(`${key}_switch_ms_max_n${count}`, row.max);
}

async function temporalSwitches(receiver, report, key, row, count) {
  const times = [];
  for (let n = 0; n < count; n++) times.push(await receiver.temporal(2, [0, 2, 1, 2, 0, 1][n % 6]));
  await receiver.temporal(2, 2);
  const [temporalP50, temporalMax] = [percentile(times, 50), Math.max(...times)];
  Object.assign(row, { temporals: count, temporalP50, temporalMax });
  report.put(`${key}_temporal_switch_ms_p50_n${count}`, temporalP50);
  report.put(`${key}_temporal_switch_ms_max_n${count}`, temporalMax);
}

/** No freeze over 500 ms, no decoder error and no time that goes back while `switching` goes on. */
async function judged({ ben, receiver, report, key, row }, switching) {
  await sleep(1000);
  const [before, began] = [await receiver.figures(), await receiver.seen()];
  await receiver.resetGaps();
  await switching();
  await sleep(300);
  const [after, { pictures, frames }] = [await receiver.figures(), await receiver.seen()];
  const { longest, stall } = await receiver.gap();
  const over = (what) => after[what] - before[what];

  row.gap = longest;
  if (!report.check(`${key}_gap_ms_max`, longest, (ms) => ms < 500, '< 500')) await explain([ben], 500);
  report.put(`${key}_page_stall_ms_max`, stall);
  // Chromium calls it a freeze already when a quarter of the pictures comes after all of them.
  row.freezes = longest >= 500 ? '1 or more' : 0;
  report.put(`${key}_freezes_told_by_chromium`, over('freezeCount'));

  // Of a picture that a decoder cannot decode nothing comes, and the receiver asks for a key frame.
  const undecoded = over('framesReceived') - over('framesDecoded') - over('framesDropped');
  const plis = over('pliCount');
  row.errors = Math.max(plis, undecoded > IN_FLIGHT ? undecoded : 0);
  report.check(`${key}_frames_not_decoded`, undecoded, (n) => n <= IN_FLIGHT, `<= ${IN_FLIGHT}`);
  report.check(`${key}_plis_of_receiver`, plis, (n) => n === 0, '0');
  report.put(`${key}_frames_dropped`, over('framesDropped'));
  report.put(`${key}_frames_decoded`, over('framesDecoded'));
  report.put(`${key}_packets_lost`, over('packetsLost'));
  row.decoder = after.decoder;
  report.say(`${key}_decoder`, after.decoder);

  row.back = pictures.back;
  row.frames = frames.count;
  const none = (n) => n === 0;
  // A frame whose packet came again comes after those that did not need it; the decoder gets them in order.
  const again = after.retransmittedPacketsReceived;
  report.put(`${key}_packets_sent_again`, again);
  report.check(`${key}_frames_back_in_time`, frames.back, (n) => n <= again, `<= ${again}: ${frames.how}`);
  report.check(`${key}_pictures_back_in_time`, pictures.back, none, `0: ${pictures.how}`);
  report.check(`${key}_frames_looked_at`, frames.count - began.frames.count,
    (n) => n >= over('framesDecoded') - IN_FLIGHT, 'all that were decoded');
  // 90,000 a second: corrections at switches must not add up.
  const rtp = ((pictures.newest.rtp - began.pictures.newest.rtp) >>> 0) / 90;
  const drift = rtp - (pictures.newest.at - began.pictures.newest.at);
  report.check(`${key}_clock_drift_ms`, drift, (ms) => Math.abs(ms) < 150, 'less than 150 either way');
}
