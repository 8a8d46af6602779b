// The page: puts lobby, call, stage, bar and panel together. Only routes between them.

import { type End, type Muted, type NodeHint, Session, type State } from '@starling/client';
import { Bar } from './bar';
import { Chat } from './chat';
import * as descriptor from './descriptor';
import { Devices } from './devices';
import { el } from './dom';
import { Rates, received, sent, type Received, type StreamFigures } from './figures';
import { type Choice, lobby } from './lobby';
import { colour } from './nodes';
import { Notice } from './notice';
import { Own } from './own';
import { Panel } from './panel';
import { Probe } from './probe';
import { options, randomId } from './query';
import { reading, saying } from './reason';
import { Secret } from './secret';
import { Settings } from './settings';
import { Stage } from './stage';

const wish = options(location.search, location.hash);
const host = document.getElementById('app')!;
const notice = new Notice();
const stage = new Stage({
  prefer: (stream, layers) => session?.prefer(stream, layers),
  silent: () => notice.tell('The browser plays no sound until you allow it.', ['Play sound', () => stage.play()]),
});
const devices = new Devices();
const own = new Own(wish, devices, {
  session: () => session,
  shown: (source, track) => stage.own(source, track, name, node?.nodeId ?? null),
  changed: paint,
  trouble: (sentence) => (sentence === null ? notice.hide() : notice.tell(sentence)),
});
const probe = new Probe(() => session, stage);
const panel = new Panel(location.origin, (what, id) => probe.log(what, id));
const chat = new Chat((text) =>
  session ? session.say('chat', text) : Promise.reject(new Error('no call')));
const settings = new Settings(devices, () => invitation());
const banner = el('div', { class: 'banner', role: 'status', 'aria-live': 'polite', hidden: true });
const bar = new Bar({
  mic: () => void (session?.muted.audio ? tellMuted(session.muted) : own.toggleMic()),
  camera: () => void (session?.muted.video ? tellMuted(session.muted) : own.toggleCamera()),
  screen: () => void own.toggleScreen(),
  chat: () => side('chat'),
  nodes: () => side('panel'),
  settings: () => side('settings'),
  leave,
});
const rates = new Rates();
let session: Session | null = null;
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
  const choice = await choose();
  ({ room, name } = choice);
  const id = wish.peer ?? randomId();
  name ||= id;
  document.title = `${room} · Starling`;
  const isDev = await dev;
  show(isDev);
  let secret: Secret | null = null;
  try {
    if (wish.passphrase !== null) secret = await Secret.of(wish.passphrase, room);
  } catch (error) {
    void choice.camera?.then((track) => track.stop(), () => {});
    return over(`This call is encrypted end to end: ${String(error)}.`);
  }
  if (secret) descriptor.answerAlways();
  session = new Session({
    url: location.origin, room, peer: id, name,
    token: wish.token,
    here: wish.here ?? isDev,
    encryption: secret,
    device: secret ? { forcedRtpExtensions: descriptor.offered } : {},
  });
  const opened = own.open(choice.camera, choice.microphone);
  follow(session, id);
  // Who opens it with the first thing said is heard by nobody: the others are not there yet.
  session.openChannel('chat');
  // What keeps it out is told by its state.
  await session.join().catch(() => {});
  await opened;
}

/** What the URL says, or whoever is in the lobby. */
async function choose(): Promise<Choice> {
  if (wish.peer === null || !room) return lobby(host, wish, devices);
  return { room, name, camera: wish.video ? own.camera() : null, microphone: wish.audio };
}

/** Shows what the session tells. */
function follow(session: Session, id: string): void {
  session.on('peer', (peer) => { stage.peer(peer); people(); });
  session.on('peerGone', (peerId) => { stage.peerGone(peerId); people(); });
  session.on('stream', (stream) => stage.stream(stream));
  session.on('streamMoved', (stream) => stage.stream(stream));
  session.on('streamChanged', (stream) => stage.streamChanged(stream));
  session.on('streamEnded', (stream) => stage.streamEnded(stream));
  session.on('message', ({ peerId, label, text }) => {
    probe.heard(label, text);
    if (label !== 'chat') return;
    chat.add(session.peers.get(peerId)?.displayName || peerId, text);
    bar.unread(!document.body.classList.contains('with-chat'));
  });
  session.on('activeSpeaker', (peerId) => stage.active(peerId, id));
  session.on('muted', (muted) => { paint(); tellMuted(muted); });
  session.on('paused', (source, paused) => {
    own.paused(source, paused);
    const back = source === 'audio' ? '“Unmute” takes it back' : 'stop it and start it again to take that back';
    if (paused) notice.tell(`Somebody in charge of this room has paused your ${source === 'audio' ? 'microphone' : 'picture'}: ${back}.`);
  });
  session.on('state', onState);
  session.on('end', onEnd);
  session.on('log', (what, detail) => probe.log(what, detail));
}

function show(isDev: boolean): void {
  host.replaceChildren(banner, stage.root, chat.root, panel.root, settings.root, bar.root, notice.root);
  host.classList.add('call');
  if (isDev) {
    bar.offerNodes();
    if (innerWidth >= 900) side('panel');
  }
  stage.alone(el('span', {}, `Nobody else is in “${room}” yet. Open this page in another tab, or send somebody the link.`),
    settings.copyButton());
  stage.hearThrough(devices.choice('audiooutput'));
  devices.chosen = (kind) => {
    if (kind === 'audiooutput') stage.hearThrough(devices.choice(kind));
    else void own.change(kind === 'audioinput' ? 'audio' : 'video');
  };
  stage.self(name, null, true);
  bar.where(room, null, '');
  paint();
  setInterval(() => void measure(), 1000);
}

/** Where somebody else finds this call. */
function invitation(): string {
  return `${location.origin}/?${new URLSearchParams({ room })}${location.hash}`;
}

/** One thing at a time beside the pictures. */
function side(what: 'chat' | 'panel' | 'settings'): void {
  const { classList } = document.body;
  const open = !classList.contains(`with-${what}`);
  classList.remove('with-chat', 'with-panel', 'with-settings');
  classList.toggle(`with-${what}`, open);
  bar.open({ chat: open && what === 'chat', nodes: open && what === 'panel', settings: open && what === 'settings' });
  if (!open) return;
  if (what === 'chat') {
    bar.unread(false);
    chat.focus();
  }
  if (what === 'settings') settings.focus();
}

function paint(): void {
  const muted = session?.muted ?? { audio: false, video: false };
  bar.show({ mic: own.speaks, camera: own.has('video'), screen: own.has('screensharing') }, muted);
  stage.self(name, node?.nodeId ?? null, !own.speaks || muted.audio);
}

function tellMuted({ audio, video }: Muted): void {
  const what = audio && video ? 'Nobody hears or sees you' : audio ? 'Nobody hears you' : 'Nobody sees you';
  if (audio || video) notice.tell(`${what}: an operator has muted you, and only an operator can take it back.`);
  else notice.tell('You are no longer muted by an operator.');
}

function onState(state: State, at: NodeHint | null, reason: string): void {
  node = at ?? node;
  const why = reason ? `: ${saying(reason)}` : '';
  const sentence = {
    in: null,
    over: null,
    joining: reason ? `No node takes us in yet${why}. Trying again…` : `Joining “${room}”…`,
    rejoining: `Node ${node?.nodeId ?? ''} is gone${why}. Going to another one…`,
  }[state];
  banner.hidden = sentence === null;
  stage.seat(state === 'in');
  banner.replaceChildren(el('span', { class: 'spinner', 'aria-hidden': 'true' }), sentence ?? '');
  if (state === 'in' && at) bar.where(room, at.nodeId, colour(at.nodeId));
  probe.log('state', sentence ?? at?.nodeId);
  paint();
  people();
}

function onEnd(why: End, reason: string): void {
  if (why !== 'left') over(reason || 'The node closed the session.');
}

function people(): void {
  const counts = new Map<string, number>();
  const add = (id: string) => counts.set(id, (counts.get(id) ?? 0) + 1);
  if (node) add(node.nodeId);
  for (const peer of session?.peers.values() ?? []) add(peer.nodeId);
  panel.people(counts, node?.nodeId ?? null);
}

async function measure(): Promise<void> {
  if (session?.state !== 'in') return;
  const now = performance.now();
  const read = await Promise.all([...session.streams.values()].map(received));
  const streams = read.filter((stream): stream is Received => stream !== null);
  const figures = new Map<string, StreamFigures>();
  for (const stream of streams) {
    const id = `${stream.peerId}/${stream.source}`;
    if (stream.kind === 'video') figures.set(id, rates.of(stream.consumerId, now, stream));
  }
  stage.refresh(figures, now);
  stage.levels(streams);
  const producer = session.producers.get('video');
  stage.refreshOwn(producer ? await ownFigures(await sent(producer), now) : null, now);
  rates.keep(new Set([...streams.map((stream) => stream.consumerId), 'own']));
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

function leave(): void {
  session?.leave();
  over('You left the call.');
}

function over(text: string): void {
  own.stop();
  host.classList.remove('call');
  document.body.classList.remove('with-panel', 'with-chat', 'with-settings');
  const { sentence, hint, code } = reading(text);
  const again = el('button', { class: 'primary', onclick: () => location.reload() }, 'Join again');
  const said = el('div', { role: 'status' }, el('h1', {}, sentence), ...(hint ? [el('p', {}, hint)] : []));
  host.replaceChildren(el('main', { class: 'over' }, el('span', { class: 'bird', 'aria-hidden': 'true' }), said, again,
    ...(code ? [el('code', {}, code)] : [])));
  again.focus();
}
