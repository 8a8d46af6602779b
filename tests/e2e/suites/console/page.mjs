// A console page under watch: what it asks for, what its policy forbids, what it throws, and what axe says of it.

import { serious } from '../../lib/axe.mjs';
import { until } from '../../lib/wait.mjs';

const WIDE = { width: 1280, height: 860 };
const PHONE = { width: 360, height: 740 };

export async function watched(cluster, context, report) {
  const page = await context.newPage();
  const watch = new Watched(cluster, page, report);
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && url.origin !== new URL(watch.origin).origin) {
      watch.strangers.add(url.origin);
    }
    if (request.method() !== 'GET') watch.acts.push(`${request.method()} ${url.pathname}`);
  });
  page.on('pageerror', (error) => report.fail(`console: ${error.message}`));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  page.on('console', (message) => {
    const text = message.text();
    if (text.startsWith('policy: ') || text.includes('Content Security Policy')) watch.forbidden.add(text);
  });
  return watch;
}

class Watched {
  strangers = new Set();
  forbidden = new Set();
  looks = 0;
  serious = 0;
  widest = 0;
  /** Requests that change something. */
  acts = [];

  constructor(cluster, page, report) {
    this.cluster = cluster;
    this.page = page;
    this.report = report;
    this.origin = cluster.nodes[0].url;
    this.base = `${this.origin}/console/`;
  }

  async go(hash) {
    await this.page.evaluate((hash) => { location.hash = hash; }, hash);
  }

  sees(selector, within = 10_000) {
    return this.page.waitForSelector(selector, { timeout: within });
  }

  text(selector) {
    return this.page.innerText(selector, { timeout: 5000 });
  }

  /** Serious findings of axe (WCAG 2.2 A and AA, and its best practices): in light, in dark, and on a phone. */
  async check(name) {
    for (const [colorScheme, viewport] of [['light', WIDE], ['dark', WIDE], ['dark', PHONE]]) {
      await this.page.setViewportSize(viewport);
      await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const where = `${name}, ${colorScheme}, ${viewport.width} px`;
      for (const finding of await serious(this.page)) {
        this.serious += 1;
        this.report.fail(`console, ${where}: ${finding}`);
      }
      this.looks += 1;
      if (viewport === PHONE) await this.fits(name);
    }
    await this.page.setViewportSize(WIDE);
    await this.page.emulateMedia({ colorScheme: null, reducedMotion: null });
  }

  /** Nothing is wider than the screen but what scrolls by itself. */
  async fits(name) {
    const { width, widest } = await this.page.evaluate(() => ({
      width: document.documentElement.scrollWidth,
      widest: [...document.querySelectorAll('main *, dialog *')].filter((element) => !element.closest('.scroll *')
        && element.getBoundingClientRect().right > innerWidth).map(({ outerHTML }) => outerHTML.slice(0, 90)).slice(0, 3),
    }));
    if (width > PHONE.width || widest.length) {
      this.report.fail(`console, ${name}: ${width} px wide on a phone: ${widest.join(', ')}`);
    }
    this.widest = Math.max(this.widest, width);
  }

  /** Presses Tab until what has the focus fits; that is how far it is by keyboard. */
  async tabTo(name, most = 80) {
    for (let presses = 1; presses <= most; presses++) {
      await this.page.keyboard.press('Tab');
      const focused = await this.page.evaluate(() => {
        const { activeElement: at } = document;
        return at?.getAttribute('aria-label') ?? at?.textContent?.trim() ?? '';
      });
      if (focused === name) return presses;
    }
    throw new Error(`"${name}" is not reached by ${most} tabs`);
  }

  until(what, within, fits) {
    return until(what, within, fits);
  }

  end(report) {
    report.check('console_requests_elsewhere', this.strangers.size, (n) => n === 0, '0');
    report.check('console_policy_violations', this.forbidden.size, (n) => n === 0, '0');
    report.check('console_axe_looks', this.looks, (n) => n >= 60, '>= 60');
    report.check('console_axe_serious', this.serious, (n) => n === 0, '0');
    report.check('console_phone_width_px', this.widest, (n) => n <= PHONE.width, `<= ${PHONE.width}`);
    for (const text of [...this.strangers, ...this.forbidden]) report.fail(`console: ${text}`);
  }
}
