// The moving picture of the README, filmed: three people on three nodes, one of which is killed with the page's
// button. Nothing is staged but the cameras. RECORD=1 writes docs/img/kill.webp; without it the film is kept beside
// the reports, and its figures are what is looked at.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser } from '../lib/browser.mjs';
import { reports, root } from '../lib/paths.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { everybodySees } from './call.mjs';

const SIZE = { width: 1120, height: 560 };
const KILL = '[aria-label="Kill node-2"]';
const BEFORE = 2500;
const AFTER = 4500;
/** Pictures a second: what shows a standstill of a third of a second, and no more. */
const RATE = 8;
const CAMERA = { width: 640, height: 360, fps: 15, layers: 1 };
/** Colours of the wall and of who sits before it. */
const PEOPLE = {
  Ada: [[27, 73, 101], [98, 182, 203]], Ben: [[127, 79, 36], [233, 196, 106]], Cleo: [[60, 22, 105], [199, 125, 255]],
};
/** A picture of a page that loads at once: half of what GitHub's own pages weigh. */
const MAX_KB = 1500;

export async function film({ cluster, report }) {
  const browser = new Browser();
  const folder = mkdtempSync(join(tmpdir(), 'starling-film-'));
  try {
    const people = [];
    for (const [n, name] of Object.keys(PEOPLE).entries()) {
      const person = await browser.person(name.toLowerCase(), SIZE, { flags: camera(name) });
      await person.open(await cluster.page(n, 'demo', person.name, { name, ...CAMERA }));
      people.push(person);
    }
    await everybodySees(people);
    const [ada, ben] = people;
    // On a wide screen it is open already.
    if (!await ada.page.isVisible(KILL)) await ada.page.click('button[aria-label="Nodes"]', { timeout: 5000 });
    await sleep(3000);
    const shots = await shoot(ada, folder, async () => {
      await sleep(BEFORE);
      await ada.resetGaps();
      await ada.page.click(KILL, { timeout: 5000 });
      await sleep(AFTER);
    });
    await until('Ben is on another node', 5000, async () => (await ben.stats()).node !== 'node-2');
    const gap = (await ada.gaps()).gaps['ben/video'];
    report.check('film_pictures', shots.length, (n) => n > 20, '> 20');
    report.check('film_gap_ms', gap, (ms) => ms < 2000, '< 2000');
    const file = cut(shots, folder);
    report.check('film_kb', statSync(file).size / 1024, (kb) => kb < MAX_KB, `< ${MAX_KB}`);
    console.log(`  film: ${file}`);
  } finally {
    await browser.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Chromium's flags for a camera before which somebody sways. */
function camera(name) {
  const folder = join(reports, 'films');
  const file = join(folder, `${name}.mjpeg`);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const [wall, person] = PEOPLE[name];
    // Every four seconds to and fro; a head, and shoulders below it, with soft edges.
    const x = '(320+60*sin(PI*T/2))';
    const head = `clip(70-hypot(X-${x},Y-140),0,1)`;
    const body = `clip(60*(1-pow((X-${x}*0.6-128)/150,2)-pow((Y-370)/140,2)),0,1)`;
    const channel = (n) => `${wall[n]}+(${person[n] - wall[n]})*max(${head},${body})`;
    const picture = `color=s=640x360:r=15:d=4,format=gbrp,geq=r='${channel(0)}':g='${channel(1)}':b='${channel(2)}'`;
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', picture, '-pix_fmt', 'yuvj420p', '-q:v', '2', `${file}.half.mjpeg`]);
    renameSync(`${file}.half.mjpeg`, file);
  }
  return [`--use-file-for-fake-video-capture=${file}`];
}

/** What the page shows while `act` lasts, as files with their times. */
async function shoot({ context, page }, folder, act) {
  const shots = [];
  const session = await context.newCDPSession(page);
  session.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    const file = join(folder, `${String(shots.length).padStart(5, '0')}.jpg`);
    writeFileSync(file, Buffer.from(data, 'base64'));
    shots.push({ file, at: metadata.timestamp });
    session.send('Page.screencastFrameAck', { sessionId }).catch(() => {});
  });
  const size = { maxWidth: SIZE.width, maxHeight: SIZE.height };
  await session.send('Page.startScreencast', { format: 'jpeg', quality: 90, everyNthFrame: 1, ...size });
  await act();
  await session.send('Page.stopScreencast');
  return shots;
}

/** One film of them, at the pace at which they were seen. */
function cut(shots, folder) {
  const list = join(folder, 'list.txt');
  const lines = shots.map(({ file, at }, n) => {
    const next = shots[n + 1]?.at ?? at + 1;
    return `file '${file}'\nduration ${(next - at).toFixed(3)}\n`;
  });
  writeFileSync(list, lines.join(''));
  const file = process.env.RECORD ? join(root, 'docs', 'img', 'kill.webp') : join(reports, 'kill.webp');
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'concat', '-safe', '0', '-i', list,
    '-vf', `fps=${RATE},scale=800:-2:flags=lanczos`, '-c:v', 'libwebp_anim', '-lossless', '0', '-quality', '75',
    '-compression_level', '6', '-loop', '0', file]);
  return file;
}
