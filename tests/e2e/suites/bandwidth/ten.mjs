// Ten videos and three voices over one link to one receiver: nobody starves, who matters more gets more, and no
// word is lost.

import { grown, Lab, Series } from '../../lib/lab.mjs';
import { publish, watch } from '../../lib/load.mjs';
import { sleep, until } from '../../lib/wait.mjs';
import { LINK, UP } from './link.mjs';

const PEOPLE = 10;
const VOICES = 3;
/** kb/s of payload, with three temporal layers each. */
const LADDER = [80, 200, 600];
const KBPS = 3000;
const SETTLE = 12_000;
const WATCH = 20_000;
/** A picture that stands longer than this is no video. */
const SILENCE = 500;
/** Nobody has less than its lowest layer, of which some is not yet there when the time is over. */
const LEAST = 0.9 * LADDER[0];
/** A class has at least this much more than the next one: what steps of layers this size can show. */
const MORE = 1.2;
/** Classes of priority, and who is in each. */
const CLASSES = { high: [200, [0]], middle: [100, [1, 2, 3, 4]], low: [50, [5, 6, 7, 8, 9]] };

export async function ten(report) {
  const lab = new Lab('bandwidth-ten');
  const series = new Series();
  const processes = [];
  try {
    await lab.start();
    await lab.wire.set('down', { ...LINK, rate_kbps: KBPS });
    await lab.wire.set('up', UP);
    const options = { publishers: PEOPLE, ladder: LADDER, temporal: 3, audio: VOICES };
    processes.push(await publish(lab, 'ten', options));
    const priorities = Object.values(CLASSES).flatMap(
      ([priority, people]) => people.map((n) => `publisher-${n}=${priority}`));
    processes.push(await watch(lab, 'ten', series, { priorities }));
    await until('all streams come', 20_000, () => {
      const streams = series.rows.received.at(-1)?.streams ?? [];
      return streams.length === PEOPLE + VOICES && streams.every(({ packets }) => packets > 5);
    }).catch((error) => report.fail(`ten: ${error.message}`));
    series.every('wire', 100, () => lab.wire.stats());
    await lab.estimates(series, 'ten', 'watcher');
    await sleep(SETTLE);
    await lab.wire.mark();
    const began = series.now();
    await sleep(WATCH);
    const ended = series.now();
    const { down } = await lab.wire.stats();
    await series.end();
    judgeTen(report, series, began, ended, down.wait_ms);
    console.log(`  ${series.write('bandwidth-ten', { began, ended, kbps: KBPS, classes: CLASSES })}`);
  } finally {
    await series.end();
    for (const process of processes) process.stop();
    await lab.stop();
  }
}

function judgeTen(report, series, began, ended, wait) {
  const rows = series.rows.received;
  const over = (kind, what) => (n) => grown(rows, began, ended, (row) => {
    const found = row.streams.find((it) => it.kind === kind && it.peer === `publisher-${n}`);
    return found?.[what] ?? 0;
  });
  const people = Array.from({ length: PEOPLE }, (_, n) => n);
  const kbps = people.map((n) => {
    const { amount, ms } = over('video', 'bytes')(n);
    return (8 * amount) / Math.max(ms, 1);
  });
  const inside = rows.filter(({ at }) => at >= began && at <= ended);
  const silences = inside.flatMap(({ streams }) =>
    streams.filter(({ kind }) => kind === 'video').map(({ silent_ms: ms }) => ms ?? Infinity));
  const key = 'ten_3000kbps';
  report.check(`${key}_video_kbps_min_n${PEOPLE}`, Math.min(...kbps), (x) => x >= LEAST, `>= ${LEAST}`);
  const longest = Math.max(...silences);
  report.check(`${key}_silence_ms_max_n${PEOPLE}`, longest, (ms) => ms < SILENCE, `< ${SILENCE}`);
  let above = Infinity;
  for (const [name, [priority, members]] of Object.entries(CLASSES)) {
    const mean = members.reduce((sum, n) => sum + kbps[n], 0) / members.length;
    const most = above / MORE;
    const at = `${key}_priority${priority}_${name}_video_kbps_mean_n${members.length}`;
    report.check(at, mean, (x) => x <= most, `at most the class above / ${MORE} (${most})`);
    above = mean;
  }
  const freezes = people.reduce((sum, n) => sum + over('video', 'freezes')(n).amount, 0);
  report.check(`${key}_freezes`, freezes, (n) => n === 0, '0');
  const ever = rows.at(-1).streams.filter(({ kind }) => kind === 'video');
  report.put(`${key}_freezes_with_settling`, ever.reduce((sum, it) => sum + it.freezes, 0));
  const missing = people.slice(0, VOICES)
    .reduce((sum, n) => sum + over('audio', 'missing')(n).amount, 0);
  const sounds = people.slice(0, VOICES)
    .reduce((sum, n) => sum + over('audio', 'packets')(n).amount, 0);
  report.check(`${key}_audio_missing_of_${sounds}`, missing, (n) => n === 0, '0');
  const passed = grown(series.rows.wire, began, ended, (row) => row.down.passed_bytes);
  report.put(`${key}_link_used`, (8 * passed.amount) / passed.ms / KBPS);
  report.put(`${key}_queue_ms_p50_n${wait.n}`, wait.p50);
  report.check(`${key}_queue_ms_p95_n${wait.n}`, wait.p95, (ms) => ms < 150, '< 150');
  const dropped = grown(series.rows.wire, began, ended, (row) => row.down.tail_dropped_packets);
  report.put(`${key}_tail_dropped`, dropped.amount);
}
