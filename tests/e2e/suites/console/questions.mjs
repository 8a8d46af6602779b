// Every question that is asked before something is done: opened, looked at and left by keyboard alone.

import { ROOM } from './people.mjs';

/** Where it is, the button that asks it, and whether it harms somebody: then Enter must not do it at once. */
const QUESTIONS = [
  [`#/rooms/${ROOM}`, '[aria-label="Kick Grace Hopper"]', 'Kick', true],
  [`#/rooms/${ROOM}`, '[aria-label="Mute Grace Hopper"]', 'Mute', true],
  [`#/rooms/${ROOM}`, '[aria-label="Move Grace Hopper"]', 'Move', false],
  [`#/rooms/${ROOM}`, '.head button:text-is("Move…")', 'Move', true],
  [`#/rooms/${ROOM}`, '.head button:text-is("Pin…")', 'Pin', false],
  [`#/rooms/${ROOM}`, '.head button:text-is("Place…")', 'Place', false],
  ['#/nodes/node-3', '.head button:text-is("Cordon")', 'Cordon', false],
  ['#/nodes/node-3', '.head button:text-is("Drain…")', 'Drain', true],
  ['#/nodes/node-3', '.head button:text-is("Kill…")', 'Kill', true],
];

export async function everyQuestion(watch, report) {
  const { page } = watch;
  const acts = watch.acts.length;
  let asked = 0;
  for (const [hash, opener, verb, harms] of QUESTIONS) {
    await watch.go(hash);
    await watch.sees(opener);
    await page.focus(opener, { timeout: 5000 });
    await page.keyboard.press('Enter');
    await watch.sees('dialog[open]');
    const first = await focused(page);
    if (harms && first.text !== 'Cancel') report.fail(`console: before "${verb}" the focus is on "${first.text}"`);
    for (let n = 0; n < 12; n++) {
      await page.keyboard.press('Tab');
      const { inside, text } = await focused(page);
      if (!inside) report.fail(`console: the question "${verb}" lets the focus go to "${text}"`);
    }
    await watch.check(`question "${verb}"`);
    await page.keyboard.press('Escape');
    await watch.until('the question is gone', 3000, async () => !(await page.locator('dialog[open]').count()));
    if (!(await page.$eval(opener, (button) => button === document.activeElement))) {
      report.fail(`console: after the question "${verb}" the focus is elsewhere`);
    }
    asked += 1;
  }
  report.check('console_questions', asked, (n) => n === QUESTIONS.length, `${QUESTIONS.length}`);
  const done = watch.acts.slice(acts);
  if (done.length) report.fail(`console: questions that were left did ${done.join(', ')}`);
}

/** Outside of what is shown the focus may be with the browser. */
function focused(page) {
  return page.evaluate(() => {
    const { activeElement: at, body } = document;
    return { inside: at === body || Boolean(at?.closest('dialog')), text: at?.textContent?.trim() ?? '' };
  });
}
