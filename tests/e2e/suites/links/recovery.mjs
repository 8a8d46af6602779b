// When all is well again after a fault: from what viewers got.

/** A sound this much later than calm ones is still late: one more round trip of the path. */
const LATE = 40;
/** A camera of 25 pictures per second that shows none for so long stands still. */
const STILL = 200;

/**
 * From rows around the end of a fault, at `healed`, in ms: until the last sound that was late or missing and the
 * last picture that stood still (`flows`), and until the last byte of a lower layer (`layers`). `calm` is the p99
 * of sounds' delay without a fault.
 */
export function recovery(rows, healed, calm) {
  let [flows, layers] = [0, 0];
  const shown = new Map();
  for (const [before, row] of rows.slice(1).map((row, n) => [rows[n], row])) {
    const at = row.wall_ms - healed;
    const then = new Map(before.got.map((one) => [one.of + one.kind, one]));
    let bad = row.audio_ms.some((ms) => ms > calm + LATE);
    for (const one of row.got) {
      const old = then.get(one.of + one.kind);
      if (!old) continue;
      if (one.missing > old.missing) bad = true;
      if (one.kind !== 'video') continue;
      if (one.frames > old.frames) shown.set(one.of, at);
      if (at - (shown.get(one.of) ?? at) > STILL) bad = true;
      if (one.by_layer[0] > old.by_layer[0] || one.by_layer[1] > old.by_layer[1]) layers = at;
    }
    if (bad) flows = at;
  }
  return { flows: Math.max(0, flows), layers: Math.max(0, layers) };
}
