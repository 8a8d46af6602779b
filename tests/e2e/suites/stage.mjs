// The call page with one to twenty-five people, a screen, other devices and refusals, wide and on a phone, as axe sees it.

import { serious } from '../lib/axe.mjs';
import { CAMERA } from '../lib/browser.mjs';
import { sleep, until } from '../lib/wait.mjs';

const ROOM = 'stage';
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };
/** People, the reader included. */
const COUNTS = [1, 2, 5, 12, 25];
/** Narrower than this nobody is known by face. */
const LEAST = 150;
/** Two cameras, so that there is one to choose. */
const TWO = ['--use-fake-device-for-media-stream=device-count=2'];

export async function stage(cluster, browser, report) {
  const looks = new Looks(report);
  const ada = await browser.person('ada', WIDE, { flags: TWO });
  await lobby(cluster, ada, looks, report);
  await tiles(cluster, ada, looks, report);
  await screen(cluster, browser, ada, looks, report);
  await devices(ada, looks, report);
  await refusals(cluster, browser, looks, report);
  looks.end();
  for (const error of ada.errors) report.fail(`page: ${error}`);
}

/** Both devices switched off before one goes in: then nothing is sent until one switches them on. */
async function lobby(cluster, { page }, looks, report) {
  await page.goto(`${cluster.nodes[0].url}/?${new URLSearchParams({ room: ROOM, name: 'Ada', ...CAMERA })}`, { timeout: 15_000 });
  await page.waitForSelector('.look.on', { timeout: 10_000 });
  await page.click('summary', { timeout: 5000 });
  await looks.look(page, 'lobby');
  for (const what of ['Microphone', 'Camera']) {
    await page.click(`.look [aria-label="${what}"][aria-pressed="true"]`, { timeout: 5000 });
    await page.waitForSelector(`.look [aria-label="${what}"][aria-pressed="false"]`, { timeout: 5000 });
  }
  await page.click('button:text-is("Join")', { timeout: 5000 });
  await page.waitForSelector('.bar .badge', { timeout: 15_000 });
  await sleep(500);
  const sent = async () => (await page.evaluate(() => window.starling.stats())).producers.map(({ source }) => source);
  if ((await sent()).length) report.fail(`page: sends ${(await sent()).join()} with both devices switched off`);
  await page.click('[aria-label="Unmute"]', { timeout: 5000 });
  await page.click('[aria-label="Start camera"]', { timeout: 5000 });
  await until('both are sent', 10_000, async () => (await sent()).sort().join() === 'audio,video');
}

/** All pictures are of one size, apart from each other, and large enough. */
async function tiles(cluster, { page }, looks, report) {
  let there = 1;
  for (const count of COUNTS) {
    for (; there < count; there++) {
      const displayName = there === 3 ? 'Wolfeschlegelsteinhausenbergerdorff Senior of Philadelphia' : `Person ${there}`;
      await cluster.api(there % 3, 'POST', `/v1/rooms/${ROOM}/peers`, { id: `p${there}`, displayName, device: {} });
    }
    for (const viewport of [WIDE, PHONE]) {
      await page.setViewportSize(viewport);
      await until(`${count} tiles`, 10_000, async () => (await page.locator('.tile').count()) === count);
      await sleep(200);
      const { boxes, stage } = await page.evaluate(() => {
        const box = (element) => { const { x, y, width, height } = element.getBoundingClientRect(); return { x, y, width, height }; };
        return { boxes: [...document.querySelectorAll('.tile')].map(box), stage: box(document.querySelector('.stage')) };
      });
      const where = `${count} people at ${viewport.width} px`;
      for (const trouble of troubles(boxes, stage, viewport)) report.fail(`page, ${where}: ${trouble}`);
      report.put(`page_tile_width_px_${count}_of_${viewport.width}`, boxes[0].width);
    }
    await page.setViewportSize(WIDE);
    if (count === 1) await looks.look(page, 'alone');
  }
  await looks.look(page, 'twenty-five');
}

function* troubles(boxes, stage, { height }) {
  const [{ width, height: tall }] = boxes;
  if (boxes.some((box) => Math.abs(box.width - width) > 1 || Math.abs(box.height - tall) > 1)) yield 'tiles of several sizes';
  if (width < LEAST) yield `tiles of ${width} px`;
  if (boxes.some(({ x, width }) => x < 0 || x + width > stage.x + stage.width + 1)) yield 'tiles beside the stage';
  const lies = (a, b) => a.x < b.x + b.width - 1 && b.x < a.x + a.width - 1 && a.y < b.y + b.height - 1 && b.y < a.y + a.height - 1;
  if (boxes.some((a, n) => boxes.slice(n + 1).some((b) => lies(a, b)))) yield 'tiles upon each other';
  if (boxes.length <= 12 && boxes.some(({ y, height: tall }) => y < 0 || y + tall > height)) yield 'tiles that one has to scroll to';
}

/** A screen is large as soon as it is there, and whole; the others are beside it. */
async function screen(cluster, browser, { page }, looks, report) {
  const ben = await browser.person('ben', WIDE);
  await ben.page.addInitScript(() => {
    // A browser without a screen shares none.
    navigator.mediaDevices.getDisplayMedia = async () => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [1000, 800];
      setInterval(() => canvas.getContext('2d').fillRect(0, 0, Math.random() * 1000, 800), 200);
      return canvas.captureStream(5);
    };
  });
  await ben.open(await cluster.page(1, ROOM, 'ben', { ...CAMERA, name: 'Ben' }));
  await ben.page.click('[aria-label="Share screen"]', { timeout: 10_000 });
  await page.waitForSelector('.stage.focus.beside .tile.big[aria-label^="Ben’s screen"] video.live', { timeout: 15_000, state: 'attached' });
  const share = await page.evaluate(() => {
    const [big, stage] = ['.tile.big', '.stage'].map((what) => document.querySelector(what).getBoundingClientRect());
    return (big.width * big.height) / (stage.width * stage.height);
  });
  report.check('page_screen_share_of_stage', share, (n) => n > 0.6, '> 0.6');
  const fit = await page.$eval('.tile.big video', (video) => getComputedStyle(video).objectFit);
  if (fit !== 'contain') report.fail(`page: a screen is cut (object-fit: ${fit})`);
  await looks.look(page, 'screen');
  await page.click('.tile.big .enlarge', { timeout: 5000 });
  await page.waitForSelector('.stage:not(.focus)', { timeout: 5000 });
  await page.focus('.tile[aria-label^="Ada (you)"] .enlarge', { timeout: 5000 });
  await page.keyboard.press('Enter');
  await page.waitForSelector('.tile.big[aria-label^="Ada (you)"]', { timeout: 5000 });
  await ben.leave();
}

/** Another camera takes the place of the one before, on the same producer. */
async function devices({ page }, looks, report) {
  await page.click('button[aria-label="Settings"]', { timeout: 5000 });
  await looks.look(page, 'settings');
  const now = () => page.evaluate(async () => ({
    label: document.querySelector('.tile.mirrored video').srcObject.getVideoTracks()[0].label,
    id: (await window.starling.stats()).producers.find(({ source }) => source === 'video')?.producerId,
  }));
  const before = await now();
  const other = await page.$$eval('.settings label:has-text("Camera") option', (options, label) =>
    options.find((option) => option.value && option.textContent !== label).value, before.label);
  await page.selectOption('.settings label:has-text("Camera") select', other, { timeout: 5000 });
  await until('the other camera is on', 10_000, async () => (await now()).label !== before.label);
  if ((await now()).id !== before.id) report.fail('page: another camera is another producer');
  await page.click('button[aria-label="Chat"]', { timeout: 5000 });
  await looks.look(page, 'chat');
}

/** Who is kept out is told why, and what to do. */
async function refusals(cluster, browser, looks, report) {
  const cleo = await browser.person('cleo', WIDE);
  await cleo.open(await cluster.page(0, 'not a room!', 'cleo', { here: '0', audio: '0', video: '0' }));
  await cleo.page.waitForSelector('.over h1', { timeout: 15_000 });
  const [why, hint] = [await cleo.page.innerText('.over h1'), await cleo.page.innerText('.over p')];
  report.say('page_refusal', `${why} ${hint}`);
  if (!/characters|id/i.test(why) || !hint) report.fail(`page: a name that is none is told as "${why}" and "${hint}"`);
  await looks.look(cleo.page, 'refused');
  await cluster.api(0, 'POST', '/v1/rooms', { id: 'full', policy: { maxPeers: 1 } });
  await cluster.api(0, 'POST', '/v1/rooms/full/peers', { id: 'first', displayName: 'First', device: {} });
  await cleo.open(await cluster.page(0, 'full', 'cleo', { audio: '0', video: '0' }));
  await cleo.page.waitForSelector('.over h1:has-text("full")', { timeout: 15_000 });
  const told = [await cleo.page.innerText('.over h1'), await cleo.page.innerText('.over p')].join(' ');
  report.say('page_full', told);
  if (!/Try again when somebody has left/.test(told)) report.fail(`page: a full room is told as "${told}"`);
}

/** What axe finds, light, dark and on a phone. */
class Looks {
  count = 0;
  found = 0;

  constructor(report) {
    this.report = report;
  }

  async look(page, name) {
    for (const [colorScheme, viewport] of [['light', WIDE], ['dark', WIDE], ['dark', PHONE]]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      this.count += 1;
      for (const finding of await serious(page)) {
        this.found += 1;
        this.report.fail(`page, ${name}, ${colorScheme}, ${viewport.width} px: ${finding}`);
      }
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      if (width > viewport.width) this.report.fail(`page, ${name}: ${width} px wide at ${viewport.width} px`);
    }
    await page.setViewportSize(WIDE);
    await page.emulateMedia({ colorScheme: null });
  }

  end() {
    this.report.check('page_axe_looks', this.count, (n) => n === 21, '21');
    this.report.check('page_axe_serious', this.found, (n) => n === 0, '0');
  }
}
