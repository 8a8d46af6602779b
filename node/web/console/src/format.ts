// Figures for people. Pure.

export function bitrate(bps: number): string {
  if (!Number.isFinite(bps)) return '–';
  if (bps >= 999_500_000) return `${(bps / 1e9).toFixed(2)} Gb/s`;
  if (bps >= 999_500) return `${(bps / 1e6).toFixed(bps >= 1e7 ? 0 : 1)} Mb/s`;
  return `${Math.round(bps / 1000)} kb/s`;
}

export function count(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 9_999_500) return `${(value / 1e6).toFixed(0)} M`;
  if (value >= 999_950) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 99_950) return `${(value / 1e3).toFixed(0)} k`;
  if (value >= 9_995) return `${(value / 1e3).toFixed(1)} k`;
  return `${Math.round(value)}`;
}

/** A share; null: unknown. */
export function share(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const percent = value * 100;
  if (percent === 0) return '0 %';
  if (percent < 0.1) return '< 0.1 %';
  return `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

export function millis(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return '–';
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms > 0 && ms < 0.1) return '< 0.1 ms';
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

export function mebibytes(kib: number): string {
  return `${(kib / 1024).toFixed(0)} MiB`;
}

/** How long ago, in the greatest unit. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

export function clock(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** "1 room", "2 rooms". */
export function many(number: number, one: string, more = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : more}`;
}
