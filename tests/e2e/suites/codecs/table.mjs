// What came of each case, as a table for people.

const COLUMNS = {
  'case': (row) => row.name,
  'encoder': (row) => row.encoder,
  'decoder': (row) => row.decoder,
  'layers had': (row) => `${row.reached} of ${row.layers}`,
  'switch p50 / p95 / max': (row) => `${row.p50} / ${row.p95} / ${row.max} ms (n=${row.switches})`,
  'to a layer not there': (row) => `${row.coldP50} / ${row.coldMax} ms (n=${row.cold})`,
  'temporal p50 / max': (row) =>
    row.temporals ? `${row.temporalP50} / ${row.temporalMax} ms (n=${row.temporals})` : '-',
  'longest gap': (row) => `${row.gap} ms`,
  'freezes': (row) => row.freezes,
  'decoder errors': (row) => row.errors,
  'time went back': (row) => `${row.back} of ${row.frames}`,
};

/** In Markdown. */
export function table(rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const names = Object.keys(COLUMNS);
  const round = (value) => (typeof value === 'number' ? Math.round(value) : value ?? '?');
  const rounded = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, round(value)])));
  return [
    line(names),
    line(names.map(() => '---')),
    ...rounded.map((row) => line(Object.values(COLUMNS).map((cell) => cell(row)))),
  ].join('\n');
}
