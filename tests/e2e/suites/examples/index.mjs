// Every program in examples/, as its README runs it, against a real node: what it hands out is taken, what it sends
// is seen, what it records can be played. Composes only.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Browser } from '../../lib/browser.mjs';
import { root } from '../../lib/paths.mjs';
import { broadcaster } from './broadcaster.mjs';
import { ownSignalling } from './own_signalling.mjs';
import { recorder } from './recorder.mjs';
import * as tokens from './token_server.mjs';
import * as webhooks from './webhook_receiver.mjs';

/** Of the cluster that they are run on. */
export const settings = { ...tokens.settings, ...webhooks.settings };
const MAX_LINES = 100;

export async function examples({ cluster, report }) {
  short(report);
  const browser = new Browser();
  try {
    await tokens.tokenServer({ cluster, browser, report });
    const room = await broadcaster({ cluster, browser, report });
    await recorder({ cluster, room, report });
    await ownSignalling({ cluster, browser, report });
    await webhooks.webhookReceiver({ cluster, report });
  } finally {
    await browser.stop();
  }
}

/** A program that is longer is no example any more. */
function short(report) {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'examples'], { cwd: root, encoding: 'utf8' });
  const programs = listed.trim().split('\n').filter((name) => /\.(mjs|js|html|sh|py)$/.test(name));
  const lines = programs.map((name) => readFileSync(join(root, name), 'utf8').split('\n').length - 1);
  for (const [n, name] of programs.entries()) {
    if (lines[n] >= MAX_LINES) report.fail(`examples: ${name} has ${lines[n]} lines, under ${MAX_LINES} are wanted`);
  }
  report.check('examples_programs', programs.length, (n) => n >= 5, '>= 5');
  report.put('examples_lines_max', Math.max(...lines));
}
