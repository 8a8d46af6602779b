// A figure over time in bounded memory: all of the time the page is open, the coarser the longer. Pure: time is an
// argument.

/** A point: milliseconds, and the mean since the one before it; NaN where nothing was known. */
export interface Point {
  at: number;
  value: number;
}

/** Points of a series before it becomes twice as coarse: two for each pixel of a wide chart would be waste. */
export const MAX_POINTS = 480;
/** The finest step, in milliseconds. */
export const STEP = 1000;

export class Series {
  points: Point[] = [];
  step = STEP;
  private open: { from: number; sum: number; count: number } | null = null;

  /** Adds what was measured at `now`; null: nothing is known. */
  add(now: number, value: number | null): void {
    const open = this.open ??= { from: now, sum: 0, count: 0 };
    if (now - open.from >= this.step) {
      this.points.push({ at: open.from, value: open.count ? open.sum / open.count : Number.NaN });
      this.open = { from: now, sum: 0, count: 0 };
      if (this.points.length >= MAX_POINTS) this.coarsen();
    }
    if (value === null || !Number.isFinite(value)) return;
    this.open!.sum += value;
    this.open!.count += 1;
  }

  /** The newest value, the greatest and the mean of all. */
  summary(): { last: number; max: number; mean: number } {
    const values = this.points.map(({ value }) => value).filter(Number.isFinite);
    const last = this.points.at(-1)?.value ?? Number.NaN;
    const max = values.reduce((a, b) => Math.max(a, b), 0);
    return { last, max, mean: values.length ? values.reduce((a, b) => a + b, 0) / values.length : Number.NaN };
  }

  private coarsen(): void {
    const pairs: Point[] = [];
    for (let i = 0; i + 1 < this.points.length; i += 2) {
      const [a, b] = [this.points[i]!, this.points[i + 1]!];
      const known = [a.value, b.value].filter(Number.isFinite);
      const value = known.length ? known.reduce((x, y) => x + y, 0) / known.length : Number.NaN;
      pairs.push({ at: a.at, value });
    }
    this.points = pairs;
    this.step *= 2;
  }
}

/** The top of an axis that holds `value`: 1, 2 or 5 times a power of ten. */
export function ceiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((top) => top >= value * 0.999)!;
}
