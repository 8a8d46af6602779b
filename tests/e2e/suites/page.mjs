// The page itself, as a person uses it: lobby, buttons, a refused camera, a phone. Nothing is loaded from
// elsewhere.

import { Browser, CAMERA } from '../lib/browser.mjs';
import { until } from '../lib/wait.mjs';
import { stage } from './stage.mjs';

export async function page({ cluster, report }) {
  const browser = new Browser();
  try {
    const strangers = new Set();
    const ada = await browser.person('ada', { width: 1280, height: 800 });
    ada.page.on('request', (request) => {
      const url = new URL(request.url());
      if (/^(https?|wss?):$/.test(url.protocol) && url.hostname !== 'localhost') {
        strangers.add(url.host);
      }
    });
    await lobby(cluster, ada);
    await buttons(ada);
    await refused(cluster, browser, report);
    await phone(cluster, browser, report);
    await ada.page.click('[aria-label="Leave"]', { timeout: 5000 });
    await ada.page.waitForSelector('text=You left the call', { timeout: 5000 });
    await stage(cluster, browser, report);
    report.check('page_requests_elsewhere', strangers.size, (n) => n === 0, '0');
    for (const error of ada.errors) report.fail(`page: ${error}`);
    console.log('  page: lobby, buttons, refused camera, phone, tiles, screen, devices and refusals are looked at');
  } finally {
    await browser.stop();
  }
}

/** Joins where the placement says, through the lobby. */
async function lobby(cluster, ada) {
  const query = new URLSearchParams({ room: 'page', here: '0', ...CAMERA });
  await ada.open(`${cluster.nodes[0].url}/?${query}`);
  await ada.page.fill('#name', 'Ada Lovelace', { timeout: 5000 });
  await ada.page.click('text=Join', { timeout: 5000 });
  await until('ada is in', 15_000, async () => (await ada.stats()).node);
  const placed = (await ada.events()).some(({ what }) => what === 'placed');
  if (!placed) throw new Error('the placement was not asked');
  await until('ada sends', 15_000, async () => (await ada.stats()).producers.length === 2);
}

async function buttons(ada) {
  const state = async (source) =>
    (await ada.stats()).producers.find((producer) => producer.source === source);
  await ada.page.click('[aria-label="Mute"]', { timeout: 5000 });
  await until('the microphone is muted', 5000, async () => (await state('audio')).paused);
  await ada.page.click('[aria-label="Unmute"]', { timeout: 5000 });
  await until('and is not', 5000, async () => !(await state('audio')).paused);
  await ada.page.click('[aria-label="Stop camera"]', { timeout: 5000 });
  await until('the camera is off', 5000, async () => !(await state('video')));
  await ada.page.click('[aria-label="Start camera"]', { timeout: 5000 });
  await until('and is on again', 5000, () => state('video'));
}

/** Without camera and microphone one joins all the same and is told what to do. */
async function refused(cluster, browser, report) {
  const ben = await browser.person('ben');
  await ben.page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () =>
      Promise.reject(new DOMException('no', 'NotAllowedError'));
  });
  await ben.open(await cluster.page(1, 'page', 'ben', {}));
  await until('ben is in without a camera', 15_000, async () => (await ben.stats()).node);
  const notice = await ben.page.waitForSelector('[role=alert]:visible', { timeout: 5000 });
  const text = await notice.innerText();
  if (!text.includes('Allow it')) report.fail(`page: a refused camera is told as "${text}"`);
  await until('ben sees ada', 15_000, async () => (await ben.videos()).size === 1);
}

/** Nothing is wider than the screen, and every button can be hit. */
async function phone(cluster, browser, report) {
  const cleo = await browser.person('cleo', { width: 360, height: 740 });
  await cleo.open(await cluster.page(2, 'page', 'cleo', CAMERA));
  await until('cleo sees ada', 15_000, async () => (await cleo.videos()).size === 1);
  const seen = await cleo.ask(() => ({
    width: document.documentElement.scrollWidth,
    small: [...document.querySelectorAll('.bar button')].filter((button) => {
      const { width, height, right } = button.getBoundingClientRect();
      return width > 0 && (Math.min(width, height) < 40 || right > innerWidth);
    }).length,
  }));
  report.check('page_phone_width_px', seen.width, (width) => width <= 360, '<= 360');
  report.check('page_phone_buttons_too_small', seen.small, (n) => n === 0, '0');
}
