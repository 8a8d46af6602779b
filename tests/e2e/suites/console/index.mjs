// The operators' console in Chromium, on three nodes of two regions with two people who call each other: every page in
// light and dark, by keyboard, while a node is drained, killed, and while the node that serves the page is gone.

import { Browser } from '../../lib/browser.mjs';
import { people } from './people.mjs';
import { everyFace } from './faces.mjs';
import { hands } from './hands.mjs';
import { everyQuestion } from './questions.mjs';
import { hidden, mute } from './quiet.mjs';
import { watched } from './page.mjs';
import { size } from './size.mjs';
import { pictures } from './pictures.mjs';

export const MINUTES = 4;
/** Options of `starling dev`. */
export const DEV = ['--regions', 'eu,eu,us'];

export async function consoleSuite({ cluster, report }) {
  size(report);
  const browser = new Browser();
  try {
    const person = await browser.person('operator', { width: 1280, height: 860 });
    const drawn = Boolean(process.env.PICTURES);
    const callers = await people(cluster, person.context, drawn ? 4 : 2, drawn);
    const page = await watched(cluster, person.context, report);
    await hands.signIn(page, report);
    if (drawn) return await pictures(page, callers[0]);
    await everyFace(page, report);
    await everyQuestion(page, report);
    await mute(page, callers, report);
    await hidden(page, callers, report);
    await hands.drain(page, report);
    await hands.room(page, callers, report);
    await hands.manyRooms(page, report);
    await hands.death(page, report);
    await hands.silence(page, report);
    page.end(report);
    for (const error of person.errors) report.fail(`console: ${error}`);
  } finally {
    await browser.stop();
  }
}
