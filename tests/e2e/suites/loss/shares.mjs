// The losses that are tried, and for how long.

import { sleep } from '../../lib/wait.mjs';

export const SHARES = [1, 5, 10];
export const SECONDS = Number(process.env.LOSS_SECONDS ?? 20);
/** A round trip of 50 ms. */
export const DELAY = { delay_ms: 25 };
/** Streams need a moment after losses begin; repairs after they end. */
const SETTLE = 3000;
const REPAIR = 2000;

/**
 * Loses `percent` both ways on all `wires`. Gives what `read()` says before there are losses, when streams have
 * settled, at the end of the losses, and when all that can be repaired is.
 */
export async function lossy(wires, percent, read) {
  const before = await read();
  await all(wires, percent);
  await sleep(SETTLE);
  const first = await read();
  await sleep(SECONDS * 1000);
  const losing = await read();
  await all(wires, 0);
  await sleep(REPAIR);
  return { before, first, losing, last: await read() };
}

async function all(wires, percent) {
  for (const wire of wires) await wire.set('both', { loss_pct: percent });
}
