// The pictures of docs/img, made anew: PICTURES=1. Light, dark, and as wide as a phone; 256 colours are enough for the console.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../lib/paths.mjs';
import { sleep } from '../../lib/wait.mjs';
import { ROOM } from './people.mjs';

const FOLDER = join(root, 'docs', 'img');
const PAGES = [
  ['cluster', '#/', '.map .flow'],
  ['node', '#/nodes/node-1', 'table .meter'],
  ['room', `#/rooms/${ROOM}`, 'td.good, td.fair, td.poor'],
  ['charts', '#/charts', '.chart path.line'],
];
const WIDE = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };

export async function pictures(watch, caller) {
  mkdirSync(FOLDER, { recursive: true });
  const { page } = watch;
  // Charts want something to show.
  await sleep(30_000);
  for (const [name, hash, shown] of PAGES) {
    for (const [suffix, viewport, colorScheme] of [['light', WIDE, 'light'], ['dark', WIDE, 'dark'], ['phone', PHONE, 'dark']]) {
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
  for (const [suffix, viewport, colorScheme] of [['light', WIDE, 'light'], ['dark', WIDE, 'dark'], ['phone', PHONE, 'dark']]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const open = await page.evaluate(() => document.body.classList.contains('with-panel'));
    if (open !== (viewport === WIDE)) await page.click('.bar [aria-label="Nodes"]', { timeout: 5000 });
    await sleep(1500);
    await page.screenshot({ path: join(FOLDER, `call-${suffix}.jpg`), type: 'jpeg', quality: 86 });
  }
}

export async function shot(page, name) {
  const raw = join(FOLDER, `${name}.raw.png`);
  await page.screenshot({ path: raw, animations: 'allow' });
  const colours = 'split[a][b];[a]palettegen=max_colors=256[p];[b][p]paletteuse=dither=none';
  execFileSync('ffmpeg', ['-y', '-loglevel', 'error', '-i', raw, '-vf', colours, join(FOLDER, `${name}.png`)]);
  rmSync(raw);
}
