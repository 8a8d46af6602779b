// The page: puts lobby, call, stage, bar and panel together. Only routes between them.

import { Bar } from './bar';
import { Call } from './call';
import { Chat } from './chat';
import { el } from './dom';
import { Rates, received, sent, type Received, type StreamFigures } from './figures';
import { lobby } from './lobby';
import { colour, type NodeHint } from './nodes';
import { Panel } from './panel';
import { Probe } from './probe';
import { options, randomId } from './query';
import { Secret } from './secret';
import { Stage } from './stage';
import * as tracks from './tracks';

const wish = options(location.search, location.hash);
const host = document.getElementById('app')!;
const stage = new Stage({ prefer: (incoming, layers) => call?.prefer(incoming, layers) });
const probe = new Probe(() => call, stage);
const panel = new Panel(location.origin, (what, id) => probe.log(what, id));
const chat = new Chat((text) => call ? call.say('chat', text) : Promise.reject(new Error('no call')));
const banner = el('div', { class: 'banner', role: 'status', 'aria-live': 'polite', hidden: true });
const notice = el('div', { class: 'notice', role: 'alert', hidden: true });
const bar = new Bar({
  mic: () => void toggleMic(),
  camera: () => void toggleCamera(),
  screen: () => void toggleScreen(),
  chat: () => side('with-chat'),
  nodes: () => side('with-panel'),
  leave,
});
const own: Partial<Record<tracks.Source, MediaStreamTrack>> = {};
const rates = new Rates();
let call: Call | null = null;
let muted = false;
let name = wish.name;
let room = wish.room;
let node: NodeHint | null = null;

declare global {
  interface Window {
    starling: Probe;
  }
}
window.starling = probe;

void start();

async function start(): Promise<void> {
  const dev = panel.start();
  let opened: Promise<MediaStreamTrack> | null = null;
  if (wish.peer === null || !room) {
    const choice = await lobby(host, wish);
    ({ room, name, camera: opened } = choice);
  }
  const id = wish.peer ?? randomId();
  name ||= id;
  document.title = `${room} · Starling`;
  const isDev = await dev;
  show(isDev);
  const devices = open(opened);
  const { token, codec, layers, temporal, mode } = wish;
  let secret: Secret | null = null;
  try {
    if (wish.passphrase !== null) secret = await Secret.of(wish.passphrase, room);
  } catch (error) {
    return over(`This call is encrypted end to end: ${String(error)}.`);
  }
  const who = { room, peer: id, name, token, codec, layers, temporal, mode, secret };
  call = new Call(who, location.origin, wish.here ?? isDev, {
    peer: (peer) => { stage.peer(peer); people(); },
    peerGone: (peerId) => { stage.peerGone(peerId); people(); },
    incoming: (incoming) => stage.incoming(incoming),
    incomingEnded: (incoming) => stage.incomingEnded(incoming),
    incomingChanged: (incoming) => stage.incomingChanged(incoming),
    said: ({ peerId, label, text }) => {
      probe.heard(label, text);
      if (label !== 'chat') return;
      chat.add(call?.peers.get(peerId)?.displayName || peerId, text);
      bar.unread(!document.body.classList.contains('with-chat'));
    },
    activeSpeaker: (peerId) => stage.active(peerId, id),
    state: onState,
    ended: (sentence) => over(sentence),
    log: (what, detail) => probe.log(what, detail),
  });
  await call.join();
  await devices;
}

function show(isDev: boolean): void {
  host.replaceChildren(banner, stage.root, chat.root, panel.root, bar.root, notice);
  host.classList.add('call');
  if (isDev) {
    bar.offerNodes();
    document.body.classList.toggle('with-panel', innerWidth >= 900);
  }
  stage.alone(`Nobody else is here yet. Open this page in another tab to fill “${room}”.`);
  stage.self(name, null, muted);
  bar.where(room, null, '');
  paint();
  setInterval(() => void measure(), 1000);
}

/** Camera and microphone, each for itself: one that is refused does not keep the other away. */
async function open(camera: Promise<MediaStreamTrack> | null): Promise<void> {
  const video = async () => {
    if (!wish.video) return;
    try {
      await use('video', await (camera ?? tracks.camera(wish)));
    } catch (error) {
      tell(tracks.deviceHelp('camera', error));
    }
  };
  const audio = async () => {
    if (!wish.audio) return;
    try {
      await use('audio', await tracks.microphone());
    } catch (error) {
      tell(tracks.deviceHelp('microphone', error));
    }
  };
  await Promise.all([video(), audio()]);
}

async function use(source: tracks.Source, track: MediaStreamTrack): Promise<void> {
  own[source] = track;
  if (source !== 'audio') stage.own(source, track, name, node?.nodeId ?? null);
  track.addEventListener('ended', () => drop(source, track));
  paint();
  await call?.send(source, track);
}

function drop(source: tracks.Source, track = own[source]): void {
  if (!track || own[source] !== track) return;
  delete own[source];
  track.stop();
  if (source !== 'audio') stage.own(source, null, name, node?.nodeId ?? null);
  call?.unsend(source);
  paint();
}

async function toggleMic(): Promise<void> {
  if (!own.audio) {
    return attempt('microphone', async () => use('audio', await tracks.microphone()));
  }
  muted = !muted;
  own.audio.enabled = !muted;
  call?.pause('audio', muted);
  paint();
}

async function toggleCamera(): Promise<void> {
  if (own.video) return drop('video');
  await attempt('camera', async () => use('video', await tracks.camera(wish)));
}

async function toggleScreen(): Promise<void> {
  if (own.screensharing) return drop('screensharing');
  // Dismissing the browser's dialogue is no error.
  const screen = await tracks.screen().catch(() => null);
  if (screen) await use('screensharing', screen);
}

async function attempt(kind: 'camera' | 'microphone', act: () => Promise<void>): Promise<void> {
  try {
    await act();
    notice.hidden = true;
  } catch (error) {
    tell(tracks.deviceHelp(kind, error));
  }
}

/** One thing at a time beside the pictures. */
function side(what: 'with-chat' | 'with-panel'): void {
  const { classList } = document.body;
  classList.remove(what === 'with-chat' ? 'with-panel' : 'with-chat');
  const open = classList.toggle(what);
  if (what === 'with-chat' && open) {
    bar.unread(false);
    chat.focus();
  }
}

function paint(): void {
  const mic = Boolean(own.audio) && !muted;
  bar.show({ mic, camera: Boolean(own.video), screen: Boolean(own.screensharing) });
  stage.self(name, node?.nodeId ?? null, !mic);
}

function onState(at: NodeHint | null, sentence: string | null): void {
  node = at ?? node;
  banner.hidden = sentence === null;
  banner.replaceChildren(el('span', { class: 'spinner', 'aria-hidden': 'true' }), sentence ?? '');
  if (at) bar.where(room, at.nodeId, colour(at.nodeId));
  probe.log('state', sentence ?? at?.nodeId);
  paint();
  people();
}

function people(): void {
  const counts = new Map<string, number>();
  const add = (id: string) => counts.set(id, (counts.get(id) ?? 0) + 1);
  if (node) add(node.nodeId);
  for (const peer of call?.peers.values() ?? []) add(peer.nodeId);
  panel.people(counts, node?.nodeId ?? null);
}

async function measure(): Promise<void> {
  const seat = call?.seat;
  if (!seat) return;
  const now = performance.now();
  const read = await Promise.all([...seat.incoming.values()].map(received));
  const streams = read.filter((stream): stream is Received => stream !== null);
  const figures = new Map<string, StreamFigures>();
  for (const stream of streams) {
    const id = `${stream.peerId}/${stream.source}`;
    if (stream.kind === 'video') figures.set(id, rates.of(stream.consumerId, now, stream));
  }
  stage.refresh(figures, now);
  stage.levels(streams);
  const producer = seat.producers.get('video');
  stage.refreshOwn(producer ? await ownFigures(await sent(producer), now) : null, now);
  rates.keep(new Set([...seat.incoming.keys(), 'own']));
}

async function ownFigures(layers: Record<string, unknown>[], now: number): Promise<StreamFigures> {
  const number = (layer: Record<string, unknown>, field: string) => Number(layer[field] ?? 0);
  const bytes = layers.reduce((sum, layer) => sum + number(layer, 'bytesSent'), 0);
  const top = layers.filter((layer) => number(layer, 'framesPerSecond') > 0)
    .sort((a, b) => number(b, 'frameWidth') - number(a, 'frameWidth'))[0];
  return {
    bitrate: rates.rate('own', now, bytes),
    fps: top ? number(top, 'framesPerSecond') : 0,
    width: top ? number(top, 'frameWidth') : 0,
    height: top ? number(top, 'frameHeight') : 0,
    lost: 0,
  };
}

function tell(sentence: string): void {
  const close = el('button', {
    type: 'button', 'aria-label': 'Dismiss', onclick: () => { notice.hidden = true; },
  }, '×');
  notice.replaceChildren(el('span', {}, sentence), close);
  notice.hidden = false;
}

function leave(): void {
  call?.leave();
  over('You left the call.');
}

function over(sentence: string): void {
  for (const track of Object.values(own)) track?.stop();
  host.classList.remove('call');
  document.body.classList.remove('with-panel', 'with-chat');
  const again = el('button', { class: 'primary', onclick: () => location.reload() }, 'Join again');
  host.replaceChildren(el('div', { class: 'over', role: 'status' }, el('p', {}, sentence), again));
  again.focus();
}
