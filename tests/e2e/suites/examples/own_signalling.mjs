// examples/own-signalling: two people with mediasoup-client see and hear each other through a server that has nothing
// but REST; one leaves and is gone.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SECRETS } from '../../lib/cluster.mjs';
import { root } from '../../lib/paths.mjs';
import { Child } from '../../lib/processes.mjs';
import { until } from '../../lib/wait.mjs';

const EXAMPLE = join(root, 'examples', 'own-signalling');
const WEB = join(root, 'node', 'web');
const URL = 'http://localhost:3001';

export async function ownSignalling({ cluster, browser, report }) {
  const folder = installed(report);
  const server = new Child('own-signalling', process.execPath, ['server.mjs'], {
    cwd: folder, logs: cluster.logs,
    env: { STARLING_SERVER: cluster.nodes[0].url, STARLING_TOKEN: SECRETS.STARLING_ADMIN_TOKEN },
  });
  try {
    await until('it listens', 10_000, () => fetch(URL).then((answer) => answer.ok));
    const people = [];
    for (const name of ['Ada', 'Ben']) {
      const person = await browser.person(name.toLowerCase());
      await person.open(`${URL}/?room=own&name=${name}`);
      people.push(person);
    }
    const began = performance.now();
    for (const person of people) {
      await until(`${person.name} sees and hears the other`, 20_000, () => person.ask(flows));
    }
    report.put('examples_own_signalling_seen_ms', performance.now() - began);
    const [ada, ben] = people;
    await ben.close();
    await until('Ben is gone from the page', 10_000, () => ada.ask(() => !document.querySelector('[data-peer]')));
    for (const error of ada.errors) report.fail(`examples: own-signalling: ${error}`);
    const refused = await fetch(`${URL}/produce`, { method: 'POST', body: JSON.stringify({ session: 'guess' }) });
    report.check('examples_own_signalling_without_session', refused.status, (status) => status === 400, '400');
    await ada.close();
  } finally {
    await server.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In the page: a picture that moves, and a sound that plays. */
function flows() {
  const [video] = document.querySelectorAll('video[data-peer]');
  const [audio] = document.querySelectorAll('audio[data-peer]');
  return Boolean(video?.videoWidth && video.getVideoPlaybackQuality().totalVideoFrames > 10 && audio?.currentTime > 0.5);
}

/** The example with its packages: those of the page, which are the same, so that nothing is downloaded. */
function installed(report) {
  const wanted = JSON.parse(readFileSync(join(EXAMPLE, 'package.json'))).dependencies;
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(WEB, 'package.json')));
  const have = { ...dependencies, ...devDependencies };
  for (const [name, version] of Object.entries(wanted)) {
    if (have[name] !== version) report.fail(`examples: own-signalling wants ${name} ${version}, the page has ${have[name]}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'starling-own-signalling-'));
  cpSync(EXAMPLE, folder, { recursive: true, filter: (name) => !name.includes('node_modules') });
  symlinkSync(join(WEB, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
