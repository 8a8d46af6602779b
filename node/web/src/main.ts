// The page: puts lobby, call, stage, bar and panel together. Only routes between them.

import { type End, type NodeHint, Session, type State } from '@starling/client';
import { Bar } from './bar';
import { Chat } from './chat';
import * as descriptor from './descriptor';
import { el } from './dom';
import { Rates, received, sent, type Received, type StreamFigures } from './figures';
import { lobby } from './lobby';
import { colour } from './nodes';
import { Panel } from './panel';
import { Probe } from './probe';
import { options, randomId } from './query';
import { Secret } from './secret';
import { Stage } from './stage';
import * as tracks from './tracks';

const wish = options(location.search, location.hash);
const host = document.getElementById('app')!;
const stage = new Stage({ prefer: (stream, layers) => session?.prefer(stream, layers) });
const probe = new Probe(() => session, stage);
const panel = new Panel(location.origin, (what, id) => probe.log(what, id));
const chat = new Chat((text) =>
  session ? session.say('chat', text) : Promise.reject(new Error('no call')));
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
let session: Session | null = null;
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
  let secret: Secret | null = null;
  try {
    if (wish.passphrase !== null) secret = await Secret.of(wish.passphrase, room);
  } catch (error) {
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
  follow(session, id);
  // Who opens it with the first thing said is heard by nobody: the others are not there yet.
  session.openChannel('chat');
  // What keeps it out is told by its state.
  await session.join().catch(() => {});
  await devices;
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
  session.on('state', onState);
  session.on('end', onEnd);
  session.on('log', (what, detail) => probe.log(what, detail));
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
  const { codec, layers, temporal, mode } = wish;
  const how = source === 'audio' ? {} : { codec, layers, temporal, mode };
  await session?.send(track, { source, ...how });
}

function drop(source: tracks.Source, track = own[source]): void {
  if (!track || own[source] !== track) return;
  delete own[source];
  track.stop();
  if (source !== 'audio') stage.own(source, null, name, node?.nodeId ?? null);
  session?.unsend(source);
  paint();
}

async function toggleMic(): Promise<void> {
  if (!own.audio) {
    return attempt('microphone', async () => use('audio', await tracks.microphone()));
  }
  muted = !muted;
  own.audio.enabled = !muted;
  session?.pause('audio', muted);
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

function onState(state: State, at: NodeHint | null, reason: string): void {
  node = at ?? node;
  const why = reason ? `: ${reason}` : '';
  const sentence = {
    in: null,
    over: null,
    joining: reason ? `No node takes us in yet${why}. Trying again…` : `Joining “${room}”…`,
    rejoining: `Node ${node?.nodeId ?? ''} is gone${why}. Going to another one…`,
  }[state];
  banner.hidden = sentence === null;
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

function tell(sentence: string): void {
  const close = el('button', {
    type: 'button', 'aria-label': 'Dismiss', onclick: () => { notice.hidden = true; },
  }, '×');
  notice.replaceChildren(el('span', {}, sentence), close);
  notice.hidden = false;
}

function leave(): void {
  session?.leave();
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
