// One fault: who notices when, who sees nothing for how long, what is lost where nothing should be, and when all
// is whole again. Judges nothing.

import { sleep } from '../../lib/wait.mjs';
import { detect, drops, ghosts, grown } from './witness.mjs';

/** What is looked at after the last blow even if nothing seems to be broken. */
const AFTER = 2500;
const WITHIN = 30_000;

/** Answers the gaps of all streams with their roles, and what went wrong, as sentences. */
export async function trial({ cluster, cast, key, fault, n }) {
  const all = [...cluster.nodes.keys()];
  const targets = fault.targets(n, all.length);
  const [dead, hold] = [fault.dead?.(targets) ?? [], fault.hold ?? 0];
  const outcome = { targets, wrong: [], notes: {}, detect: [], whole: null, rows: [] };
  const wrong = (sentence) => outcome.wrong.push(`${key} ${n + 1}: ${sentence}`);
  const note = (name, value) => (outcome.notes[name] = Math.round(value));
  const guests = new Set();
  const scene = { cluster, cast, targets, note, wrong, guests };
  await cast.mark();
  const before = await drops(cluster);
  await sleep(1000);

  const began = performance.now();
  const noticed = detect(cluster, fault.sees?.(targets, all) ?? []);
  const blow = await fault.strike(cluster, targets);
  const during = Promise.resolve(fault.during?.(scene)).catch((error) => wrong(error.message));
  const over = (async () => {
    await sleep(Math.max(0, hold - (performance.now() - began)));
    if (!blow.struck()) wrong('the fault did not strike');
    await blow.end?.();
  })().catch((error) => wrong(error.message));
  const revived = fault.ghosts ? over.then(() => ghosts(cluster, cast, targets, wrong)) : null;
  try {
    outcome.whole = await cast.whole({ dead, from: began, atLeast: hold + AFTER, within: hold + WITHIN });
  } catch (error) {
    wrong(error.message);
    await cast.sos(`${key}-${n + 1}`);
  }
  await Promise.all([during, over, revived]);
  outcome.detect = noticed.stop();
  outcome.rows = (await cast.seen())
    .map((row) => ({ ...row, role: fault.role(row.by, row.of, targets) }));
  if (outcome.rows.some(({ role, lost }) => role === 'neither' && lost)) {
    outcome.dropped = grown(before, await drops(cluster));
  }

  await fault.restore?.(cluster, targets);
  await fault.after?.(scene).catch((error) => wrong(error.message));
  for (const guest of guests) await guest.leave();
  await cluster.whole(30_000).catch((error) => wrong(error.message));
  await cast.home().catch((error) => wrong(`going home: ${error.message}`));
  return outcome;
}
