// One trial in words, for whoever watches the suite.

const longest = (rows) => rows.reduce((worst, row) => ((row.gap ?? Infinity) > worst.gap ? row : worst), { gap: -1 });

/** Prints what came of a trial, and whatever should not have. */
export function tell(cluster, title, { targets, wrong, notes, detect, whole, rows, dropped = [] }, took) {
  const roles = [...new Set(rows.map(({ role }) => role))].sort();
  const gaps = roles.map((role) => {
    const { gap, name } = longest(rows.filter((row) => row.role === role));
    return `${role} ${Math.round(gap)} (${name})`;
  });
  const seen = detect.length ? `, detected ${Math.round(Math.max(...detect))}` : '';
  const more = Object.entries(notes).map(([name, value]) => `, ${name} ${value}`).join('');
  const where = targets.map((node) => cluster.nodes[node].id).join(' ');
  console.log(`  ${title} ${where}: longest gaps ${gaps.join(', ')} ms${seen}, `
    + `whole ${whole === null ? 'never' : Math.round(whole)}${more} (${took} s)`);
  for (const sentence of lostElsewhere(rows)) console.log(`    LOST ${sentence}`);
  for (const counter of dropped) console.log(`    DROPPED ${counter}`);
  for (const sentence of wrong) console.log(`    WRONG ${sentence}`);
}

/** Losses of streams that were not touched, by the way they went. */
function lostElsewhere(rows) {
  const ways = new Map();
  for (const row of rows.filter(({ role, lost }) => role === 'neither' && lost !== 0)) {
    const way = `${row.who}, from node ${row.of + 1} to ${row.by + 1}`;
    ways.set(way, [...(ways.get(way) ?? []), row]);
  }
  return [...ways].map(([way, of]) => {
    const [packets, { name, gap }] = [of.reduce((sum, row) => sum + row.lost, 0), longest(of)];
    return `${way}: ${packets} packets of ${of.length} streams, as ${name}, ${Math.round(gap)} ms`;
  });
}
