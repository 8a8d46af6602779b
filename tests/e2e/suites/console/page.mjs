// A console page under watch: what it asks for, what its policy forbids, what it throws, and what axe says of it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { until } from '../../lib/wait.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Impacts that nobody may meet. */
const SERIOUS = ['serious', 'critical'];

export async function watched(cluster, context, report) {
  const page = await context.newPage();
  const watch = new Watched(cluster, page, report);
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && url.origin !== new URL(watch.origin).origin) {
      watch.strangers.add(url.origin);
    }
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

  /** Serious findings of axe (WCAG 2.2 A and AA, and its best practices), in light and in dark. */
  async check(name) {
    for (const colorScheme of ['light', 'dark']) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await this.page.evaluate(`if (!window.axe) { ${AXE} }`);
      const { violations } = await this.page.evaluate(() => window.axe.run(document, {
        resultTypes: ['violations'],
      }));
      this.looks += 1;
      for (const { id, impact, nodes } of violations.filter(({ impact }) => SERIOUS.includes(impact))) {
        this.serious += 1;
        this.report.fail(`console, ${name}, ${colorScheme}: ${impact} ${id}: ${nodes[0].html.slice(0, 200)} `
          + `${nodes[0].failureSummary?.replaceAll('\n', ' ').slice(0, 200)}`);
      }
    }
    await this.page.emulateMedia({ colorScheme: null, reducedMotion: null });
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
    report.check('console_axe_looks', this.looks, (n) => n >= 16, '>= 16');
    report.check('console_axe_serious', this.serious, (n) => n === 0, '0');
    for (const text of [...this.strangers, ...this.forbidden]) report.fail(`console: ${text}`);
  }
}
