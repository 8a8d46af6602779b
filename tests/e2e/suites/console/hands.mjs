// What an operator does, and what the console does when the cluster does something.

import { Fleet } from '../../lib/fleet.mjs';
import { sleep } from '../../lib/wait.mjs';
import { SECRETS } from '../../lib/cluster.mjs';
import { ROOM } from './people.mjs';

const TOKEN = SECRETS.STARLING_ADMIN_TOKEN;
/** People on the node that is drained, so that it takes a while. */
const CROWD = { room: 'crowd', members: 30, publishers: 1, fps: 0, sounds: 10 };
/** Rooms that a cluster may well have. */
const MANY = 1000;

/** A refused token is told; a link from `starling dev` signs in, and leaves no token in the address. */
async function signIn(watch, report) {
  const { page } = watch;
  await page.goto(watch.base, { timeout: 20_000 });
  await watch.sees('input[name=token]');
  await watch.check('sign-in');
  await page.keyboard.type('not-the-token');
  await page.keyboard.press('Enter');
  const told = await watch.sees('[role=alert]');
  const text = await told.innerText();
  if (!/token/i.test(text)) report.fail(`console: a refused token is told as "${text}"`);
  await watch.check('refused');
  await page.goto('about:blank');
  await page.goto(`${watch.base}#token=${encodeURIComponent(TOKEN)}`, { timeout: 20_000 });
  await watch.sees('.map .node');
  const left = await page.evaluate(() => ({
    url: location.href, local: localStorage.length, session: Object.values(sessionStorage), cookie: document.cookie,
  }));
  const good = !left.url.includes('token') && left.local === 0 && left.cookie === '' && left.session.includes(TOKEN);
  report.check('console_token_only_in_the_tab', Number(good), (n) => n === 1, '1');
  await page.reload();
  await watch.sees('.map .node');
}

/** What an operator does with a room, and with somebody in it. */
async function room(watch, [, grace], report) {
  const { page } = watch;
  await watch.go(`#/rooms/${ROOM}`);
  await page.click('text=Explain', { timeout: 5000 });
  await watch.sees('text=The next one to join goes to');
  const present = async () => (await watch.cluster.api(0, 'GET', `/v1/rooms/${ROOM}/peers`)).length;
  const nodeOf = async () => (await watch.cluster.api(0, 'GET', `/v1/rooms/${ROOM}/peers`))
    .find(({ id }) => id === 'grace')?.node;
  const to = (await nodeOf()) === 'node-3' ? 'node-2' : 'node-3';
  await page.click('[aria-label="Move Grace Hopper"]', { timeout: 5000 });
  await page.selectOption('dialog select', to, { timeout: 5000 });
  await page.click('dialog button[type=submit]', { timeout: 5000 });
  await watch.until(`she is on ${to}`, 15_000, async () => (await nodeOf()) === to);
  await watch.until('the question is gone', 5000, async () => !(await page.locator('dialog[open]').count()));
  await page.click('text=Pin…', { timeout: 5000 });
  await page.check('dialog input[value=node-2]', { timeout: 5000 });
  await page.click('dialog button[type=submit]', { timeout: 5000 });
  await watch.until('it is pinned', 5000, async () =>
    (await watch.cluster.api(0, 'GET', `/v1/rooms/${ROOM}`)).policy.pinnedNodes.join() === 'node-2');
  await page.click('text=Place…', { timeout: 5000 });
  await page.selectOption('dialog select', 'spread', { timeout: 5000 });
  await page.check('dialog input[value=us]', { timeout: 5000 });
  await page.fill('dialog input[name=maxPeers]', '50', { timeout: 5000 });
  await page.click('dialog button[type=submit]', { timeout: 5000 });
  await watch.until('its policy is changed', 5000, async () => {
    const { policy } = await watch.cluster.api(0, 'GET', `/v1/rooms/${ROOM}`);
    return policy.mode === 'spread' && policy.regions.join() === 'us' && policy.maxPeers === 50
      && policy.pinnedNodes.join() === 'node-2';
  });
  await watch.until('the page says it', 5000, async () => /spread, .*at most 50 people/s.test(await watch.text('.head')));
  await page.click('[aria-label="Kick Grace Hopper"]', { timeout: 5000 });
  await page.fill('dialog input[name=reason]', 'the meeting is over', { timeout: 5000 });
  await page.click('dialog button[type=submit]', { timeout: 5000 });
  await watch.until('she is gone', 10_000, async () => (await present()) === 1);
  await grace.waitForSelector('h1:has-text("The meeting is over")', { timeout: 5000 });
}

/** Nothing but keys, from the address to a drained node and back. */
async function drain(watch, report) {
  const { cluster } = watch;
  const url = cluster.nodes[1].url.replace('localhost', '127.0.0.1');
  const crowd = new Fleet({ nodes: [{ url }], secrets: {} }, CROWD, cluster.logs);
  try {
    await crowd.start();
    await drained(watch, report);
  } finally {
    await crowd.stop();
  }
}

async function drained(watch, report) {
  const { page } = watch;
  await watch.go('#/nodes/node-2');
  await watch.sees('button:text("Drain…")');
  let presses = await watch.tabTo('Drain…');
  await page.keyboard.press('Enter');
  await watch.sees('dialog[open]');
  presses += await watch.tabTo('Drain', 10);
  await page.evaluate(() => {
    window.told = [];
    new MutationObserver(() => {
      const [said, bar] = ['.drain p', '.drain [role=progressbar]'].map((what) => document.querySelector(what));
      if (said) window.told.push(`${bar?.ariaValueNow} ${said.textContent}`);
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  });
  await page.keyboard.press('Enter');
  await watch.sees('.drain [role=progressbar]');
  await watch.sees('.drain.drained, .drain.cut', 30_000);
  const told = await page.evaluate(() => [...new Set(window.told)]);
  const steps = told.filter((text) => /^\d+ \d+ of \d+ have gone, \d+ are on their way/.test(text));
  report.check('console_steps_of_a_drain_told', steps.length, (n) => n >= 1, '>= 1');
  if (!/^100 Nobody is left/.test(told.at(-1))) report.fail(`console: a drain ends with "${told.at(-1)}"`);
  await watch.check('drained');
  const drained = await watch.cluster.api(0, 'GET', '/v1/nodes/node-2/drain');
  if (!['drained', 'cut'].includes(drained.stage)) report.fail(`console: node-2 is ${drained.stage}`);
  presses += await watch.tabTo('Undrain');
  await page.keyboard.press('Enter');
  await watch.sees('.head .face.up', 5000);
  const after = await watch.cluster.api(0, 'GET', '/v1/nodes/node-2/drain');
  if (after.stage !== 'up') report.fail(`console: node-2 is ${after.stage} after an undrain`);
  report.put('console_keys_to_drain_and_undrain', presses + 3);
}

async function manyRooms(watch, report) {
  const make = (n) => watch.cluster.api(0, 'POST', '/v1/rooms', { id: `room-${String(n).padStart(4, '0')}` });
  for (let n = 0; n < MANY; n += 20) await Promise.all(Array.from({ length: 20 }, (_, k) => make(n + k)));
  await watch.go('#/rooms');
  await watch.until('all rooms are counted', 15_000, async () => (await watch.text('.card .note')).match(/^100[12] rooms/));
  const rows = await watch.page.locator('tbody tr').count();
  report.check('console_rows_of_1001_rooms', rows, (n) => n === 100, '100');
  const began = performance.now();
  await watch.page.fill('input[type=search]', '0777', { timeout: 5000 });
  await watch.sees('a:text("room-0777")');
  report.check('console_find_one_of_1001_ms', performance.now() - began, (ms) => ms < 1000, '< 1000');
  await watch.check('many rooms');
}

/** A node dies while one looks at the map. */
async function death(watch, report) {
  await watch.go('#/');
  await watch.sees('.map .node.up a[aria-label^="node-3"]');
  await watch.check('map');
  const began = performance.now();
  await fetch(`${watch.origin}/dev/nodes/node-3/kill`, { method: 'POST' });
  await watch.sees('.map .node.lost a[aria-label^="node-3"]', 10_000);
  report.check('console_death_is_shown_ms', performance.now() - began, (ms) => ms <= 2000, '<= 2000');
  await watch.check('a node lost');
  await watch.go('#/events?filter=node.lost');
  await watch.sees('.feed li:has-text("node-3") .event:text("node.lost")');
  await watch.page.fill('input[type=search]', 'track.published -grace', { timeout: 5000 });
  await watch.until('the filter holds', 5000, async () =>
    !(await watch.page.locator('.feed li:has-text("node.lost"), .feed li:has-text("grace")').count()));
  await watch.check('events');
  await watch.go('#/nodes/node-3');
  await watch.sees('text=Nobody reaches node-3');
  await fetch(`${watch.origin}/dev/nodes/node-3/start`, { method: 'POST' });
  await watch.sees('.head .face.up', 15_000);
}

/** The node that serves the page dies, and comes back; meanwhile one goes on at another one. */
async function silence(watch, report) {
  const { page } = watch;
  await watch.go('#/');
  await watch.sees('.map .node.up');
  const asked = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/v1/nodes')) asked.push(performance.now());
  });
  await fetch(`${watch.origin}/dev/nodes/node-1/kill`, { method: 'POST' });
  await watch.sees('.banner:has-text("does not answer")', 8000);
  await watch.check('silence');
  await sleep(4000);
  const lately = asked.filter((at) => at > performance.now() - 4000).length;
  report.check('console_asks_a_dead_node_in_4s', lately, (n) => n >= 1 && n <= 4, '1 to 4');
  if (!(await page.locator('.map .node').count())) report.fail('console: what was known is not shown any more');
  await door(watch, report);
  await fetch(`${watch.cluster.nodes[1].url}/dev/nodes/node-1/start`, { method: 'POST' });
  const began = performance.now();
  await watch.until('the page is answered again', 20_000, async () => !(await page.locator('.banner').count()));
  report.put('console_back_ms', performance.now() - began);
  await watch.sees('.map .node.up a[aria-label^="node-1"]', 5000);
}

/** Another node's console, on the same page and signed in. */
async function door(watch, report) {
  const { page } = watch;
  await watch.go('#/rooms');
  const href = await page.getAttribute('.banner .door[href$="&/rooms"]', 'href', { timeout: 5000 });
  const other = await page.context().newPage();
  await other.goto(href, { timeout: 20_000 });
  await other.waitForSelector('tbody a[href^="#/rooms/room-"]', { timeout: 15_000 });
  const { origin, hash } = new URL(other.url());
  if (origin === watch.origin || hash !== '#/rooms') report.fail(`console: one goes on at ${origin}/${hash}`);
  await other.close();
  await watch.go('#/');
}

export const hands = { signIn, room, drain, manyRooms, death, silence };
