// Figures as a table for people and as flat JSON for everything else.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reports } from './paths.mjs';

export class Report {
  figures = {};
  failures = [];

  constructor(name) {
    this.name = name;
    mkdirSync(reports, { recursive: true });
  }

  /** A number under a flat key. */
  put(key, value) {
    this.figures[key] = Math.round(value * 1000) / 1000;
  }

  /** A number that must be within a bound; `unit` is for the table. */
  check(key, value, fits, bound) {
    this.put(key, value);
    const good = fits(value);
    if (!good) this.failures.push(`${key} = ${this.figures[key]}, wanted ${bound}`);
    return good;
  }

  /** What is no number: a name. */
  say(key, text) {
    this.figures[key] = text;
  }

  fail(sentence) {
    this.failures.push(sentence);
  }

  table() {
    const width = Math.max(...Object.keys(this.figures).map((key) => key.length), 10);
    const lines = Object.entries(this.figures).map(([key, value]) =>
      `  ${key.padEnd(width)}  ${String(value).padStart(12)}`);
    return lines.join('\n');
  }

  /** Writes and prints it; true if nothing failed. */
  end() {
    this.put('failures', this.failures.length);
    const file = join(reports, `${this.name}.json`);
    writeFileSync(file, `${JSON.stringify(this.figures, null, 2)}\n`);
    console.log(`\n${this.table()}\n\n${file}`);
    for (const failure of this.failures) console.log(`FAILED  ${failure}`);
    return this.failures.length === 0;
  }
}

/** The p-th percentile (nearest rank) of some numbers. */
export function percentile(numbers, p) {
  const sorted = [...numbers].sort((a, b) => a - b);
  if (!sorted.length) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)];
}

/** p50, p95 and max under `<key>_n<count>_…`. */
export function spread(report, key, numbers) {
  const name = `${key}_n${numbers.length}`;
  if (!numbers.length) return;
  report.put(`${name}_p50`, percentile(numbers, 50));
  report.put(`${name}_p95`, percentile(numbers, 95));
  report.put(`${name}_max`, Math.max(...numbers));
}
