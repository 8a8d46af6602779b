// Every page, as axe sees it, and on a phone.

import { sleep } from '../../lib/wait.mjs';
import { ROOM } from './people.mjs';

/** A page, and what is there when it has something to show. */
const PAGES = [
  ['cluster', '#/', '.lines .figure'],
  ['node', '#/nodes/node-1', 'table .meter'],
  ['rooms', '#/rooms', `a[href="#/rooms/${ROOM}"]`],
  ['room', `#/rooms/${ROOM}`, 'td.good, td.fair, td.poor'],
  ['events', '#/events', '.card'],
  ['charts', '#/charts', '.chart path.line'],
  ['nothing', '#/nowhere', '.empty a'],
];

export async function everyFace(watch, report) {
  const { page } = watch;
  let wide = 0;
  for (const [name, hash, shown] of PAGES) {
    await watch.go(hash);
    await watch.sees(shown, 15_000);
    await watch.check(name);
    const before = page.viewportSize();
    await page.setViewportSize({ width: 360, height: 740 });
    await sleep(300);
    const { width, widest } = await page.evaluate(() => ({
      width: document.documentElement.scrollWidth,
      widest: [...document.querySelectorAll('main *')].filter((element) => !element.closest('.scroll *')
        && element.getBoundingClientRect().right > innerWidth).map(({ outerHTML }) => outerHTML.slice(0, 90)).slice(0, 3),
    }));
    if (width > 360) report.fail(`console, ${name}: ${width} px wide on a phone: ${widest.join(', ')}`);
    wide = Math.max(wide, width);
    await page.setViewportSize(before);
  }
  report.check('console_phone_width_px', wide, (n) => n <= 360, '<= 360');
  await figures(watch, report);
}

/** What the pages say is what the API says. */
async function figures(watch, report) {
  await watch.go('#/');
  await watch.sees('.map .node.up');
  const nodes = await watch.page.locator('.map .node.up').count();
  report.check('console_nodes_on_map', nodes, (n) => n === 3, '3');
  const regions = await watch.page.locator('.map .area text').allTextContents();
  if (regions.join() !== 'eu,us') report.fail(`console: the map has the regions ${regions.join()}`);
  // A picture each way between the first two nodes.
  await watch.until('the link between the callers carries media', 10_000, async () =>
    (await watch.page.locator('.map .link .flow').count()) >= 2);
  const line = await watch.text('.lines > li:first-child');
  if (!/node-1\s*–\s*node-2/.test(line) || !/(kb|Mb)\/s/.test(line)) report.fail(`console: the busiest link is "${line}"`);
  await watch.go(`#/rooms/${ROOM}`);
  await watch.sees('td.good, td.fair, td.poor');
  const cells = await watch.page.locator('.matrix td:not(.self):not(.none)').allInnerTexts();
  report.check('console_matrix_cells', cells.length, (n) => n === 2, '2');
  if (!cells.every((text) => /^(S\d( T\d)?|waits)$/.test(text))) report.fail(`console: cells say ${cells.join()}`);
  const api = await watch.cluster.api(0, 'GET', `/v1/rooms/${ROOM}/matrix`);
  report.check('console_matrix_of_both_kinds', api.cells.length, (n) => n === 4, '4');
  for (const what of ['whip', 'whep']) {
    const code = await watch.page.locator(`.copy code:text("/${what}/${ROOM}")`).count();
    if (code !== 1) report.fail(`console: no ${what} URL`);
  }
}
