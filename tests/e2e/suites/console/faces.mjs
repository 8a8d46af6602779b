// Every page, as axe sees it, light, dark and on a phone; and that what it says is what the API says.

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
/** What cells say of each figure. */
const CELLS = {
  layer: /^(S\d( T\d)?|waits)$/, loss: /^(0|< 0\.1|[\d.]+) %$/, score: /^(\d|10)$/, latency: /^(< )?[\d.]+ ms$/,
  bitrate: /^[\d.]+ [kM]b\/s$/,
};

export async function everyFace(watch, report) {
  for (const [name, hash, shown] of PAGES) {
    await watch.go(hash);
    await watch.sees(shown, 15_000);
    await watch.check(name);
  }
  await policy(watch, report);
  await map(watch, report);
  await node(watch, report);
  await matrix(watch, report);
  await charts(watch, report);
}

/** Nothing inline on any page. */
async function policy(watch, report) {
  for (const path of ['/console/', '/']) {
    const answer = await fetch(`${watch.origin}${path}`);
    const said = answer.headers.get('content-security-policy') ?? '';
    if (!said.includes("style-src 'self'") || said.includes('unsafe')) report.fail(`${path}: its policy is "${said}"`);
  }
}

async function map(watch, report) {
  const { page } = watch;
  await watch.go('#/');
  await watch.sees('.map .node.up');
  const nodes = await page.locator('.map .node.up').count();
  report.check('console_nodes_on_map', nodes, (n) => n === 3, '3');
  const regions = await page.locator('.map .area text').allTextContents();
  if (regions.join() !== 'eu,us') report.fail(`console: the map has the regions ${regions.join()}`);
  // A picture each way between the first two nodes.
  await watch.until('the link between the callers carries media', 10_000, async () =>
    (await page.locator('.map .link .flow').count()) >= 2);
  const busiest = '.lines > li:first-child';
  const line = await watch.text(busiest);
  if (!/node-1\s*–\s*node-2/.test(line) || !/(kb|Mb)\/s/.test(line)) report.fail(`console: the busiest link is "${line}"`);
  await page.click(`${busiest} summary`, { timeout: 5000 });
  const streams = await page.locator(`${busiest} .streams li`).allInnerTexts();
  const good = (text) => new RegExp(`${ROOM} (audio|video layers [\\d, ]+) → node-\\d\\s+[\\d.]+ [kM]b/s`).test(text);
  if (streams.length < 4 || !streams.every(good)) report.fail(`console: the streams of a link are "${streams.join('; ')}"`);
  const moves = () => page.$eval('.map .flow', (flow) => getComputedStyle(flow).animationName);
  const moving = await moves();
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const still = await moves();
  await page.emulateMedia({ reducedMotion: null });
  if (moving !== 'flow' || still !== 'none') report.fail(`console: what flows is animated by ${moving}, and by ${still}`);
}

async function node(watch, report) {
  await watch.go('#/nodes/node-1');
  await watch.sees('table .meter');
  const delay = await watch.text('.stat:has(dt:text-is("Event-loop delay")) dd > span');
  if (!/^(< )?[\d.]+ ms$/.test(delay)) report.fail(`console: the event-loop delay is "${delay}"`);
  const cores = await watch.cluster.api(0, 'GET', '/v1/nodes/node-1/workers');
  const rows = await watch.page.locator('[aria-label="Cores"] tbody tr').count();
  if (rows !== cores.workers.length) report.fail(`console: ${rows} of ${cores.workers.length} cores`);
  await watch.sees(`.chips a:text-is("${ROOM}")`);
  await watch.sees('[aria-label="Links"] tbody tr:nth-child(2)');
}

async function matrix(watch, report) {
  const { page } = watch;
  await watch.go(`#/rooms/${ROOM}`);
  await watch.sees('td.good, td.fair, td.poor');
  let fits = 0;
  for (const [figure, says] of Object.entries(CELLS)) {
    await page.click(`[aria-label="Figure"] button:text-is("${figure}")`, { timeout: 5000 });
    const cells = await page.locator('.matrix td:not(.self):not(.none)').allInnerTexts();
    if (cells.length === 2 && cells.every((text) => says.test(text))) fits += 1;
    else report.fail(`console: cells say of the ${figure} "${cells.join('", "')}"`);
  }
  report.check('console_matrix_figures', fits, (n) => n === 5, '5');
  const api = await watch.cluster.api(0, 'GET', `/v1/rooms/${ROOM}/matrix`);
  report.check('console_matrix_of_both_kinds', api.cells.length, (n) => n === 4, '4');
  const cell = api.cells.find(({ kind, to }) => kind === 'video' && to === 'grace');
  await page.click('[aria-label="Figure"] button:text-is("score")', { timeout: 5000 });
  const grace = '.matrix tbody tr:has(th:has-text("Grace")) td:not(.self)';
  await watch.until('a cell has the score that the API gives', 6000, async () => {
    const now = (await watch.cluster.api(0, 'GET', `/v1/rooms/${ROOM}/matrix`)).cells.find(({ kind, to }) =>
      kind === cell.kind && to === cell.to);
    return (await watch.text(grace)) === String(now.score);
  });
  for (const what of ['whip', 'whep']) {
    const code = await page.locator(`.copy code:text("/${what}/${ROOM}")`).count();
    if (code !== 1) report.fail(`console: no ${what} URL`);
  }
}

/** They have something of each second, say what it was where one points, and have a line for each node. */
async function charts(watch, report) {
  const { page } = watch;
  await watch.go('#/charts');
  await watch.until('media was charted for ten seconds', 20_000, async () =>
    (await page.getAttribute('.chart:first-child path.line', 'd')).split('L').length >= 10);
  await page.hover('.chart:first-child .plot', { timeout: 5000 });
  const now = await watch.text('.chart:first-child .now');
  if (!/b\/s \d\d:\d\d:\d\d$/.test(now)) report.fail(`console: a chart says "${now}" where one points`);
  await page.click('text=Each node', { timeout: 5000 });
  await watch.sees('.legend.inline li:nth-child(3)');
  const lines = await page.locator('.chart:first-child path.line').count();
  report.check('console_lines_of_three_nodes', lines, (n) => n === 3, '3');
}
