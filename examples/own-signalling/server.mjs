// Your own signalling: pages talk to this server in your own words, and it steers the nodes over REST. What mediasoup's
// Node.js API was in a process of yours is requests here; who may do what stays with you.
//
//   STARLING_TOKEN=… node server.mjs

import { build } from 'esbuild';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const { STARLING_SERVER = 'http://localhost:4443', STARLING_TOKEN, PORT = '3001' } = process.env;
const ID = /^\w[\w.~-]{0,63}$/;
/** For pages: look at who is here, something may have been missed. */
const AGAIN = 'data: {"type": "again"}\n\n';
const page = `${import.meta.dirname}/page`;
const bundle = await build({ entryPoints: [`${page}/app.js`], bundle: true, write: false, format: 'esm' });
const PAGES = {
  '/': ['text/html', await readFile(`${page}/index.html`)],
  '/app.js': ['text/javascript', bundle.outputFiles[0].contents],
};
/** Who is here: a secret that the page got when it joined, and what it stands for. */
const sessions = new Map();

async function sfu(method, path, body) {
  const headers = { authorization: `Bearer ${STARLING_TOKEN}`, 'content-type': 'application/json' };
  const answer = await fetch(`${STARLING_SERVER}/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (answer.headers.get('content-type')?.startsWith('text/event-stream')) return answer.body;
  const text = await answer.text();
  if (!answer.ok) throw new Error(JSON.parse(text).title);
  return text ? JSON.parse(text) : {};
}

/** A peer with a transport for each way, and what a Device has to know. */
async function join({ room, name }) {
  if (!ID.test(room) || !name?.trim()) throw new Error('say who you are, and where you want to go');
  const [peer, session] = [randomUUID(), randomUUID()];
  const at = `/rooms/${room}/peers/${peer}`;
  await sfu('POST', `/rooms/${room}/peers`, { id: peer, displayName: name });
  sessions.set(session, { room, at });
  const transport = async () => {
    const { transportId: id, ...rest } = await sfu('POST', `${at}/transports`, { type: 'webrtc' });
    return { id, ...rest };
  };
  const routerRtpCapabilities = await sfu('GET', `/rooms/${room}/rtp-capabilities`);
  return { session, peer, routerRtpCapabilities, send: await transport(), receive: await transport() };
}

/** What a page may ask for afterwards, all of it of its own peer. Yours to forbid, or to look at first. */
const CALLS = {
  peers: ({ room }) => sfu('GET', `/rooms/${room}/peers`),
  connect: ({ at }, { transport, ...dtls }) => sfu('POST', `${at}/transports/${transport}/connect`, dtls),
  produce: ({ at }, { transport, ...producer }) => sfu('POST', `${at}/transports/${transport}/producers`, producer),
  consume: ({ at }, { transport, ...wish }) => sfu('POST', `${at}/transports/${transport}/consumers`, { ...wish, paused: true }),
  resume: ({ at }, { consumer }) => sfu('POST', `${at}/consumers/${consumer}/resume`),
};

/** A page's event stream. Who closes it has left. */
function listen(session, response) {
  const mine = sessions.get(session);
  if (!mine) return response.writeHead(404).end();
  mine.page = response;
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(AGAIN);
  response.on('close', () => { sessions.delete(session); sfu('DELETE', mine.at).catch(() => {}); });
}

/** What happens in the cluster is told once, and passed on to the pages of the room. */
async function follow() {
  const told = (await sfu('GET', '/events?types=track.*')).pipeThrough(new TextDecoderStream());
  for (const { page } of sessions.values()) page?.write(AGAIN);
  let text = '';
  for await (const piece of told) {
    const messages = (text + piece).split('\n\n');
    text = messages.pop();
    for (const data of messages.map((message) => /^data: ?(.*)$/m.exec(message)?.[1]).filter(Boolean)) {
      for (const { room, page } of sessions.values()) if (room === JSON.parse(data).room) page?.write(`data: ${data}\n\n`);
    }
  }
}

createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://here');
  const say = (status, what) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(what));
  try {
    if (PAGES[pathname]) return response.writeHead(200, { 'content-type': PAGES[pathname][0] }).end(PAGES[pathname][1]);
    if (pathname === '/events') return listen(searchParams.get('session'), response);
    let text = '';
    for await (const piece of request) if ((text += piece).length > 100_000) throw new Error('too long');
    const { session, ...wish } = JSON.parse(text);
    const [name, mine] = [pathname.slice(1), sessions.get(session)];
    if (name === 'join') return say(200, await join(wish));
    const named = ID.test(wish.transport ?? wish.consumer ?? 'none');
    if (!mine || !named || !Object.hasOwn(CALLS, name)) throw new Error('no such thing');
    say(200, await CALLS[name](mine, wish));
  } catch (error) {
    say(400, { error: error.message });
  }
}).listen(Number(PORT), () => console.log(`open http://localhost:${PORT}/?room=demo&name=Ada`));

for (;; await new Promise((done) => setTimeout(done, 1000))) await follow().catch((error) => console.error(error.message));
