// What axe-core finds on a page.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Impacts that nobody may meet. */
const SERIOUS = ['serious', 'critical'];

/** Serious findings (WCAG 2.2 A and AA, and its best practices), in words. */
export async function serious(page) {
  await page.evaluate(`if (!window.axe) { ${AXE} }`);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => SERIOUS.includes(impact)).map(({ id, impact, nodes }) =>
    `${impact} ${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary?.replaceAll('\n', ' ').slice(0, 200)}`);
}
