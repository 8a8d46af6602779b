// Four videos and a voice to a receiver of the load generator behind a lossy link: each packet is accounted for.

import { Lab, Series } from '../../lib/lab.mjs';
import { publish, watch } from '../../lib/load.mjs';
import { until } from '../../lib/wait.mjs';
import { DELAY, lossy, SECONDS, SHARES } from './shares.mjs';

const PEOPLE = 4;
const LADDER = [120, 500];

export async function clientLoss(report) {
  const lab = new Lab('loss-client');
  const series = new Series();
  const processes = [];
  try {
    await lab.start();
    await lab.wire.set('both', DELAY);
    const options = { publishers: PEOPLE, ladder: LADDER, audio: 1 };
    processes.push(await publish(lab, 'loss', options));
    processes.push(await watch(lab, 'loss', series));
    await until('all frames come', 20_000, () => {
      const streams = series.rows.received.at(-1)?.streams ?? [];
      return streams.filter(({ frames }) => frames > 5).length === PEOPLE;
    });
    await lab.estimates(series, 'loss', 'watcher');
    const newest = () => series.rows.received.at(-1);
    for (const percent of SHARES) {
      const rows = await lossy([lab.wire], percent, newest);
      judge(report, percent, rows);
    }
    await series.end();
    series.write('loss-client', {});
  } finally {
    await series.end();
    for (const process of processes) process.stop();
    await lab.stop();
  }
}

function judge(report, percent, { before, first, losing, last }) {
  const sum = (row, kind, what) => row.streams
    .filter((stream) => stream.kind === kind).reduce((all, stream) => all + stream[what], 0);
  const over = (kind, what, end = last) => sum(end, kind, what) - sum(first, kind, what);
  const lost = over('video', 'lost', losing);
  const packets = over('video', 'packets', losing) + lost;
  const minutes = (PEOPLE * SECONDS) / 60;
  const key = `loss_${percent}pct_client`;
  report.put(`${key}_lost_pct_n${packets}`, (100 * lost) / packets);
  // From before the first loss to after the last repair: at other times some are on their way.
  const missing = sum(last, 'video', 'missing') - sum(before, 'video', 'missing');
  const all = sum(losing, 'video', 'packets') - sum(before, 'video', 'packets');
  report.put(`${key}_left_after_repair_pct_n${all}`, (100 * missing) / all);
  report.put(`${key}_freezes_per_minute_n${SECONDS * PEOPLE}s`, over('video', 'freezes') / minutes);
  const again = over('video', 'rtx_bytes', losing) / over('video', 'bytes', losing);
  report.put(`${key}_sent_again_pct_n${packets}`, 100 * again);
  report.put(`${key}_key_frames_asked`, over('video', 'plis'));
  const kbps = (8 * over('video', 'bytes', losing)) / (losing.at_ms - first.at_ms) / PEOPLE;
  report.put(`${key}_video_kbps_mean_n${PEOPLE}`, kbps);
  const [heard, unheard] = [over('audio', 'packets', losing), over('audio', 'lost', losing)];
  report.put(`${key}_audio_lost_pct_n${heard + unheard}`, (100 * unheard) / (heard + unheard));
}
