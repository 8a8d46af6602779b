// The narrow link: its phases, and what is asked of each.

import { grown } from '../../lib/lab.mjs';
import { percentile } from '../../lib/report.mjs';
import { sleep } from '../../lib/wait.mjs';

/** A queue as a home router has one, and a round trip as within a country. */
export const LINK = { queue_ms: 300, delay_ms: 10 };
export const UP = { delay_ms: 10 };
/** kb/s, for how long, and within how many seconds what fits has to be used. */
export const PHASES = [
  { name: 'wide', kbps: 2500, seconds: 20, within: 12 },
  { name: 'narrow', kbps: 600, seconds: 20, within: 3 },
  { name: 'wide_again', kbps: 2500, seconds: 25, within: 12 },
];
const GOAL = 0.85;
const QUEUE_MS = 150;
/** Over which bitrates are taken. */
const WINDOW = 1000;
/** Between two of these windows. */
const STEP = 250;

/** Sets each rate in turn; when each began, and how the queue was after settling. */
export async function run(lab, series, phases = PHASES) {
  const done = [];
  for (const phase of phases) {
    await lab.wire.set('down', { rate_kbps: phase.kbps });
    const began = series.now();
    await sleep(phase.within * 1000);
    await lab.wire.mark();
    await sleep((phase.seconds - phase.within) * 1000);
    const { down, late_us: late } = await lab.wire.stats();
    done.push({ ...phase, began, ended: series.now(), wait: down.wait_ms, late });
  }
  return done;
}

/** The share of `fitting` (kb/s) that arrived in windows of a phase: `[{ at, share }]`. */
function shares(series, phase, bytes, fitting) {
  const found = [];
  for (let at = phase.began + WINDOW; at <= phase.ended; at += STEP) {
    const { amount, ms } = grown(series.rows.received, at - WINDOW, at, bytes);
    const best = fitting(at, phase.kbps);
    if (ms > 0 && best > 0) found.push({ at, share: (8 * amount) / ms / best });
  }
  return found;
}

/**
 * Holds each phase against the goals. `bytes`, `freezes`, `audioLost` read a row of what was received;
 * `fitting(at, kbps)` says what of the sender's layers would have fitted.
 */
export function judge(report, key, series, phases, { bytes, freezes, audioLost, fitting }) {
  for (const phase of phases) {
    const { name, began, ended, within, kbps, wait } = phase;
    const at = `${key}_${name}_${kbps}kbps`;
    const all = shares(series, phase, bytes, fitting);
    phase.shares = all;
    const reached = all.find(({ share }) => share >= GOAL);
    const later = all.filter((it) => it.at >= began + within * 1000).map(({ share }) => share);
    const mean = later.reduce((sum, share) => sum + share, 0) / later.length;
    report.put(`${at}_used_first_s`, reached ? (reached.at - began) / 1000 : -1);
    report.check(`${at}_used_mean_n${later.length}`, mean, (x) => x >= GOAL, `>= ${GOAL}`);
    report.put(`${at}_used_p5_n${later.length}`, percentile(later, 5));
    report.put(`${at}_queue_ms_p50_n${wait.n}`, wait.p50);
    const fits = (ms) => ms < QUEUE_MS;
    report.check(`${at}_queue_ms_p95_n${wait.n}`, wait.p95, fits, `< ${QUEUE_MS}`);
    report.put(`${at}_queue_ms_max`, wait.max);
    const { rows } = series;
    const dropped = grown(rows.wire, began, ended, (row) => row.down.tail_dropped_packets);
    report.put(`${at}_tail_dropped`, dropped.amount);
    const frozen = grown(rows.received, began, ended, freezes).amount;
    report.check(`${at}_freezes`, frozen, (n) => n === 0, '0');
    report.put(`${at}_audio_missing`, grown(rows.received, began, ended, audioLost).amount);
  }
}
