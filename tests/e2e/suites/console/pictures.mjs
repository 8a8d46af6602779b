// The pictures of docs/img, made anew: PICTURES=1. Light, dark, and as wide as a phone.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../lib/paths.mjs';
import { sleep } from '../../lib/wait.mjs';
import { ROOM } from './people.mjs';

const FOLDER = join(root, 'docs', 'img');
const WIDE = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };
const PAGES = [
  ['cluster', '#/', '.map .flow'],
  ['node', '#/nodes/node-1', 'table .meter'],
  ['room', `#/rooms/${ROOM}`, 'td.good, td.fair, td.poor'],
  ['events', '#/events', '.feed li:nth-child(4)'],
  ['charts', '#/charts', '.chart path.line'],
];
/** Each page in each of them. */
const LOOKS = [['light', WIDE, 'light'], ['dark', WIDE, 'dark'], ['phone', PHONE, 'dark']];

export async function pictures(watch, caller) {
  mkdirSync(FOLDER, { recursive: true });
  const { page } = watch;
  // Charts want something to show.
  await sleep(30_000);
  for (const [name, hash, shown] of PAGES) {
    for (const [suffix, viewport, colorScheme] of LOOKS) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await watch.go(hash);
      await page.waitForSelector(shown, { timeout: 15_000, state: 'attached' });
      await sleep(1200);
      await shot(page, `console-${name}-${suffix}`);
    }
  }
  await call(caller);
}

/** The call page, with its nodes beside it, and as a phone has it. */
async function call(page) {
  for (const [suffix, viewport, colorScheme] of LOOKS) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const open = await page.evaluate(() => document.body.classList.contains('with-panel'));
    if (open !== (viewport === WIDE)) await page.click('.bar [aria-label="Nodes"]', { timeout: 5000 });
    await sleep(1500);
    await shot(page, `call-${suffix}`);
  }
}

/** WebP, in which text stays sharp: a page of the docs loads in a second. */
async function shot(page, name) {
  const raw = join(FOLDER, `${name}.raw.png`);
  await page.screenshot({ path: raw, animations: 'allow' });
  execFileSync('ffmpeg', ['-y', '-loglevel', 'error', '-i', raw, '-c:v', 'libwebp', '-quality', '86', '-preset', 'text',
    join(FOLDER, `${name}.webp`)]);
  rmSync(raw);
}
