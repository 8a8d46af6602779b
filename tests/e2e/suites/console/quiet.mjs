// Who is muted by an operator, and who is hidden: what the console shows and does, and what their pages say.

import { ROOM } from './people.mjs';

export async function mute(watch, [ada, grace], report) {
  const { page } = watch;
  const muted = async () => (await watch.cluster.api(0, 'GET', `/v1/rooms/${ROOM}/peers`))
    .find(({ id }) => id === 'grace').muted;
  await watch.go(`#/rooms/${ROOM}`);
  await watch.sees('[aria-label="Mute Grace Hopper"]');
  await page.focus('[aria-label="Mute Grace Hopper"]', { timeout: 5000 });
  await page.keyboard.press('Enter');
  await watch.sees('dialog[open]');
  await watch.tabTo('Mute', 10);
  await page.keyboard.press('Enter');
  await watch.until('the microphone is silenced', 5000, async () => (await muted()).audio);
  if ((await muted()).video) report.fail('console: the camera is silenced, too');
  await watch.sees('.people li:has-text("Grace Hopper") .tag:text-is("muted")');
  await watch.check('somebody muted');
  // She is told, sees it at her button, and cannot take it back; the other one sees it.
  await grace.waitForSelector('[role=alert]:has-text("Nobody hears you")', { timeout: 5000 });
  await grace.click('[aria-label="Muted by an operator"]', { timeout: 5000 });
  await ada.waitForSelector('.tile[aria-label^="Grace Hopper"] .mute:not([hidden])', { timeout: 5000, state: 'attached' });
  if (!(await muted()).audio) report.fail('console: who is muted has taken it back');
  await page.click('[aria-label="Unmute Grace Hopper"]', { timeout: 5000 });
  await watch.until('it is taken back', 5000, async () => !(await muted()).audio);
  await watch.sees('[aria-label="Mute Grace Hopper"]');
  await grace.waitForSelector('.bar [aria-label="Mute"]', { timeout: 5000, state: 'attached' });
  await ada.waitForSelector('.tile[aria-label^="Grace Hopper"] .mute[hidden]', { timeout: 5000, state: 'attached' });
}

/** Whom the others are not told of is shown as that, by its own node. */
export async function hidden(watch, [ada], report) {
  const wish = { room: ROOM, peer: 'shadow', hidden: true };
  const { token } = await watch.cluster.api(0, 'POST', '/v1/tokens', wish);
  const shadow = await watch.page.context().newPage();
  const address = await watch.cluster.page(0, ROOM, 'shadow', { token, audio: '0', video: '0' });
  await shadow.goto(address, { timeout: 20_000 });
  await watch.go(`#/rooms/${ROOM}`);
  await watch.sees('.people li:has-text("shadow") .tag:text-is("hidden")');
  await watch.check('somebody hidden');
  const known = await ada.evaluate(async () => (await window.starling.stats()).peers.map(({ peerId }) => peerId));
  if (known.includes('shadow')) report.fail('console: the others are told of who is hidden');
  await shadow.close();
  await watch.until('who was hidden is gone', 20_000, async () =>
    !(await watch.page.locator('.people li:has-text("shadow")').count()));
}
