// Two people in a call, on two nodes, as tabs of one Chromium: what they see does not matter here.

import { CAMERA } from '../../lib/browser.mjs';
import { until } from '../../lib/wait.mjs';
import { portrait } from './portraits.mjs';

export const ROOM = 'standup';
const ALL = [['ada', 'Ada Lovelace', 0], ['grace', 'Grace Hopper', 1], ['alan', 'Alan Turing', 2],
  ['mary', 'Mary Jackson', 0]];

/** The first `count` of them; `drawn`: with a camera that is pleasant to look at. */
export async function people(cluster, context, count = 2, drawn = false) {
  const pages = [];
  for (const [id, name, node] of ALL.slice(0, count)) {
    const page = await context.newPage();
    if (drawn) await page.addInitScript(portrait, id);
    const camera = drawn ? { width: '640', height: '360', fps: '12', layers: '3' } : CAMERA;
    await page.goto(await cluster.page(node, ROOM, id, { ...camera, name }), { timeout: 20_000 });
    pages.push(page);
  }
  await until('all are seen', 40_000, async () => {
    const all = await Promise.all(pages.map((page) => page.evaluate(() => window.starling.stats())));
    return all.every(({ consumers }) => consumers.filter(({ kind }) => kind === 'video').length === count - 1);
  });
  return pages;
}
