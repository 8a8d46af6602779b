// From many trials to a table, and what of it is not as it should be.

import { percentile } from '../../lib/report.mjs';

/** Fractions of a fault's rows: who measured, and what the fault was for the stream. */
class Row {
  gaps = [];
  lost = 0;
  absent = 0;

  constructor(who, role) {
    Object.assign(this, { who, role });
  }
}

/** All trials of one fault. */
export class Result {
  rows = new Map();
  detect = [];
  whole = [];
  notes = new Map();
  never = 0;
  wrong = [];
  trials = 0;

  constructor(key, fault) {
    Object.assign(this, { key, fault });
  }

  add(outcome) {
    this.trials++;
    this.wrong.push(...outcome.wrong);
    this.detect.push(...outcome.detect);
    if (outcome.whole !== null) this.whole.push(outcome.whole);
    for (const [name, value] of Object.entries(outcome.notes)) {
      this.notes.set(name, [...(this.notes.get(name) ?? []), value]);
    }
    for (const seen of outcome.rows) {
      const name = `${seen.who}_${seen.role}`;
      if (!this.rows.has(name)) this.rows.set(name, new Row(seen.who, seen.role));
      const row = this.rows.get(name);
      if (seen.gap === null) row.absent++;
      else row.gaps.push(Math.round(seen.gap));
      row.lost += seen.lost;
      this.never += seen.never ?? 0;
    }
  }

  /** Figures and failures into a report. */
  judge(report) {
    const { key, fault } = this;
    for (const sentence of this.wrong) report.fail(sentence);
    const put = (name, values) => {
      if (!values.length) return;
      report.put(`${key}_${name}_n${values.length}_p50`, percentile(values, 50));
      report.put(`${key}_${name}_n${values.length}_max`, Math.max(...values));
    };
    put('detect_ms', this.detect);
    put('whole_after_ms', this.whole);
    for (const [name, values] of this.notes) put(name.replaceAll(' ', '_'), values);
    for (const [name, row] of this.rows) this.judgeRow(report, name, row, fault.bounds[row.role]);
    report.check(`${key}_of_an_older_life`, this.never, (n) => n === 0, '0');
  }

  judgeRow(report, name, row, bound) {
    const { key } = this;
    const at = (p) => percentile(row.gaps, p);
    const gap = `${key}_${name}_gap_ms_n${row.gaps.length}`;
    for (const p of [50, 95]) report.put(`${gap}_p${p}`, at(p));
    report.check(`${gap}_p99`, at(99), (ms) => !bound || ms <= bound, `<= ${bound}`);
    report.put(`${gap}_max`, Math.max(...row.gaps));
    report.check(`${key}_${name}_streams_absent`, row.absent, (n) => n === 0, '0');
    if (row.role === 'neither') report.check(`${key}_${name}_packets_lost`, row.lost, (n) => n === 0, '0');
  }

  /** Lines of a table for people. */
  table() {
    const [n, detect, whole] = [this.trials, this.detect, this.whole];
    const ms = (values, p) => (values.length ? `${Math.round(percentile(values, p))}` : '–');
    return [...this.rows.values()].map(({ who, role, gaps, lost }) => [
      this.fault.name, `${n}`, who, role, `${gaps.length}`,
      ...[50, 95, 99, 100].map((p) => ms(gaps, p)),
      role === 'neither' ? `${lost}` : '–',
      `${ms(detect, 50)} / ${ms(detect, 100)}`, `${ms(whole, 50)} / ${ms(whole, 100)}`,
    ]);
  }
}

const HEAD = [
  'fault', 'trials', 'seen by', 'stream is', 'streams', 'gap p50', 'p95', 'p99', 'max', 'lost',
  'detect p50 / max', 'whole p50 / max',
];

/** The table in Markdown. */
export function markdown(results) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rows = results.flatMap((result) => result.table());
  return [line(HEAD), line(HEAD.map(() => '---')), ...rows.map(line)].join('\n');
}
