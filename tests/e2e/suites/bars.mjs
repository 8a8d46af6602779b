// What a newcomer feels, in figures: how large the program is, how soon a node is ready, and how long it takes from
// the first command to two people who see each other. docs/bars.md has all bars.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Browser } from '../lib/browser.mjs';
import { SECRETS } from '../lib/cluster.mjs';
import { reports, starling } from '../lib/paths.mjs';
import { Child } from '../lib/processes.mjs';
import { percentile } from '../lib/report.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { everybodySees } from './call.mjs';

const logs = join(reports, 'logs', 'bars');
const STARTS = 10;
/** A debug build is five times as large, and starts as fast as it likes. */
const RELEASE = !starling().includes('/debug/');
const LOCAL = ['--listen', '127.0.0.1:4443', '--announce', '127.0.0.1', '--rtc-listen', '127.0.0.1'];

export async function bars({ report }) {
  const mb = statSync(starling()).size / 1e6;
  report.put('bars_is_release_build', RELEASE ? 1 : 0);
  report.check('bars_binary_mb', mb, (mb) => !RELEASE || mb <= 40, '<= 40 of a release build');
  await ready('node', ['node', ...LOCAL], report);
  await ready('dev', ['dev'], report);
  await twoWay(report);
}

/** From the start of the process until it says that it takes people. */
async function ready(name, args, report) {
  const times = [];
  for (let n = 0; n < STARTS; n++) {
    const began = performance.now();
    const child = new Child(`ready-${name}`, starling(), args, { env: SECRETS, logs });
    while (!await fetch('http://127.0.0.1:4443/readyz').then((answer) => answer.ok, () => false)) {
      if (!child.alive) throw new Error(`it ended:\n${child.tail(5)}`);
      await sleep(2);
    }
    times.push(performance.now() - began);
    await child.end();
  }
  const key = `bars_ready_${name}_ms_n${STARTS}`;
  report.put(`${key}_p50`, percentile(times, 50));
  report.check(`${key}_max`, Math.max(...times), (ms) => !RELEASE || ms <= 300, '<= 300 of a release build');
}

/** Two commands: `starling dev --nodes 3`, and a script that opens two of the links that it prints. */
async function twoWay(report) {
  const began = performance.now();
  const child = new Child('two-way', starling(), ['dev', '--nodes', '3'], { env: {}, logs });
  const browser = new Browser();
  try {
    const links = await until('the links are printed', 10_000, () => {
      const found = child.tail(40).match(/http:\/\/\S+\?room=demo/g) ?? [];
      return found.length === 3 && found;
    });
    const people = await Promise.all(['ada', 'ben'].map((name) => browser.person(name)));
    // As the button does: a name, and in. The picture is the page's own, 1280 by 720.
    await Promise.all(people.map((person, n) => person.open(`${links[2 * n]}&peer=${person.name}`)));
    await everybodySees(people);
    const seconds = (performance.now() - began) / 1000;
    report.check('bars_two_way_video_s', seconds, (s) => s <= 10, '<= 10');
    console.log(`  bars: two people see each other ${seconds.toFixed(1)} s after \`starling dev --nodes 3\``);
  } finally {
    await browser.stop();
    await child.end();
  }
}
