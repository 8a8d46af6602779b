// mediasoup-demo's own web app, unmodified, in a Starling room: two people, a chat, its view of statistics.
// MEDIASOUP_DEMO is the folder that its `gulp bundle html css resources` fills (`server/public`).

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { Browser } from '../lib/browser.mjs';
import { sleep, until } from '../lib/wait.mjs';

/** The app's signalling is at port 4443 of the page's host, with TLS; `starling dev` takes its own hosts. */
const HOST = '127.0.0.1';
const PAGE = 5555;
const KINDS = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

export async function demo({ cluster, report }) {
  const app = process.env.MEDIASOUP_DEMO;
  if (!app || !existsSync(join(app, 'index.html'))) {
    throw new Error('MEDIASOUP_DEMO is not the folder of the built app');
  }
  const folder = mkdtempSync(join(tmpdir(), 'starling-demo-'));
  const browser = new Browser();
  const servers = serve(app, folder, cluster);
  try {
    const [ada, bob] = await Promise.all(['ada', 'bob'].map((name) => enter(browser, name)));
    await meet(report, ada, 'ada');
    await meet(report, bob, 'bob');
    await chat(report, ada, bob);
    await statistics(report, ada);
    await ada.page.screenshot({ path: join(cluster.logs, 'demo.png') });
    await leave(report, ada, bob);
    for (const person of [ada, bob]) {
      report.check(`demo_${person.name}_page_errors`, person.errors.length, (n) => n === 0, '0');
      person.errors.forEach((error) => report.fail(`demo, ${person.name}: ${error}`));
    }
  } finally {
    await browser.stop();
    servers.forEach((server) => server.close());
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The app over HTTPS, and TLS before the first node. */
function serve(app, folder, cluster) {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key,
    '-out', cert, '-subj', `/CN=${HOST}`, '-addext', `subjectAltName=IP:${HOST}`], { stdio: 'pipe' });
  const tls = { key: readFileSync(key), cert: readFileSync(cert) };
  const page = createServer(tls, (request, response) => {
    const path = normalize(new URL(request.url, 'https://x').pathname);
    const file = join(app, path === '/' ? 'index.html' : path);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': KINDS[extname(file)] ?? 'application/octet-stream' });
    return response.end(readFileSync(file));
  });
  const signalling = createTlsServer(tls, (client) => {
    const node = connect(cluster.port, HOST);
    client.pipe(node).pipe(client);
    for (const socket of [client, node]) socket.on('error', () => { client.destroy(); node.destroy(); });
  });
  page.listen(PAGE, HOST);
  signalling.listen(4443, HOST);
  return [page, signalling];
}

async function enter(browser, name) {
  const flags = ['--ignore-certificate-errors'];
  const person = await browser.person(name, { width: 1000, height: 700 }, { flags });
  await person.open(`https://${HOST}:${PAGE}/?roomId=demo&displayName=${name}&info=true`);
  return person;
}

/** The other one is seen moving and heard. */
async function meet(report, person, name) {
  const other = () => person.ask(() => {
    const video = document.querySelector('[data-component="Peers"] video');
    const sound = document.querySelector('[data-component="Peers"] audio');
    return {
      frames: video?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
      heard: sound?.currentTime ?? 0,
    };
  });
  await until(`${name} sees somebody`, 30_000, async () => (await other()).frames > 5);
  const before = await other();
  await sleep(4000);
  const after = await other();
  report.check(`demo_${name}_frames_4s`, after.frames - before.frames, (n) => n > 20, '> 20');
  report.check(`demo_${name}_sound_4s`, after.heard - before.heard, (s) => s > 2, '> 2 s');
}

async function chat(report, from, to) {
  const field = from.page.locator('[data-component="ChatInput"] textarea');
  await until('the chat is open', 15_000, () => field.isEnabled());
  await field.fill('hello from the other side');
  await field.press('Enter');
  const read = await until('the chat is read', 10_000, () => to.ask(
    () => document.body.innerText.includes('hello from the other side'))).catch(() => false);
  report.check('demo_chat_read', Number(read), (n) => n === 1, '1');
}

async function statistics(report, person) {
  const icon = person.page.locator('[data-component="Peers"] [data-component="PeerView"] .icon.stats');
  await icon.first().click({ timeout: 5000, force: true });
  const shown = await until('statistics are shown', 10_000, () => person.ask(() => {
    const text = document.querySelector('[data-component="Stats"] .content.visible')?.innerText ?? '';
    return /video consumer stats/.test(text) && /rtp/.test(text);
  })).catch(() => false);
  report.check('demo_statistics', Number(shown), (n) => n === 1, '1');
}

async function leave(report, from, to) {
  await from.close();
  const gone = await until('who left is gone', 20_000, () => to.ask(
    () => !document.querySelector('[data-component="Peers"] video'))).catch(() => false);
  report.check('demo_left', Number(gone), (n) => n === 1, '1');
}
