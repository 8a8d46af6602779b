// The narrow link between Starling and a receiver of the load generator: layers are exactly known, and what is
// measured is Starling alone.

import { Lab, Series } from '../../lib/lab.mjs';
import { publish, watch } from '../../lib/load.mjs';
import { until } from '../../lib/wait.mjs';
import { rateAt } from './chromium.mjs';
import { judge, LINK, PHASES, run, UP } from './link.mjs';

/** kb/s of payload. */
const LADDER = [120, 420, 1600];
/** Headers of a full packet: IP, UDP, RTP, extensions, SRTP's tag. */
const HEADERS = 1.07;
/** 80 bytes and headers, 50 times a second, in kb/s. */
const AUDIO = 62;

/** The highest layer that fits. */
const fitting = (_, kbps) =>
  LADDER.findLast((layer) => layer * HEADERS + AUDIO <= kbps) ?? LADDER[0];

export async function clientLink(report) {
  const lab = new Lab('bandwidth-client');
  const series = new Series();
  const processes = [];
  try {
    await lab.start();
    await lab.wire.set('down', { ...LINK, rate_kbps: PHASES[0].kbps });
    await lab.wire.set('up', UP);
    processes.push(await publish(lab, 'link', { ladder: LADDER }));
    processes.push(await watch(lab, 'link', series));
    await until('frames arrive', 20_000, () => video(series.rows.received.at(-1))?.frames > 5);
    series.every('wire', 100, () => lab.wire.stats());
    await lab.estimates(series, 'link', 'watcher');
    const phases = await run(lab, series);
    await series.end();
    judge(report, 'client', series, phases, {
      bytes: (row) => video(row)?.bytes ?? 0,
      freezes: (row) => video(row)?.freezes ?? 0,
      audioLost: (row) => row.streams.find(({ kind }) => kind === 'audio')?.missing ?? 0,
      fitting,
    });
    const best = series.rows.wire.map(({ at }) => ({ at, kbps: fitting(at, rateAt(phases, at)) }));
    console.log(`  ${series.write('bandwidth-client', { phases, best })}`);
  } finally {
    await series.end();
    for (const process of processes) process.stop();
    await lab.stop();
  }
}

const video = (row) => row?.streams.find(({ kind }) => kind === 'video');
