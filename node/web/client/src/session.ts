// A session: one seat after another, as nodes come and go, with the same tracks all along. Carries out what
// `rejoin.ts` decides. Never does: decide where to go, or touch the page.

import type { types } from 'mediasoup-client';
import type { How, Said } from './channels.js';
import { Emitter } from './emitter.js';
import type { SendOptions } from './encodings.js';
import { goes, LOOK } from './flow.js';
import { type NodeHint, wsUrl } from './place.js';
import { type Closed, ClientSession, type End, type Input, type Offer, type Output } from './rejoin.js';
import {
  Capable, type Encryption, type Muted, type Peer, type ResumeOffer, Seat, type SeatEvents, UNMUTED, type Who,
} from './seat.js';
import { type Incoming, keyOf, type Layers, Stream } from './stream.js';

/** Who joins what, and where. */
export interface JoinOptions {
  /** Of any node, or of what stands before them: `https://sfu.example` or `wss://sfu.example/`. */
  url: string;
  room: string;
  /** One's own id in the room. */
  peer: string;
  /** A room token; nodes of `starling dev` want none. */
  token?: string | null;
  /** For people. */
  name?: string;
  /** Stay on the node of `url` instead of asking where the room is placed. */
  here?: boolean;
  /** End-to-end encryption. */
  encryption?: Encryption | null;
  /** For mediasoup-client's `Device`. */
  device?: types.DeviceOptions;
}

/** `joining` until it is in for the first time; `rejoining` while it is between two nodes. */
export type State = 'joining' | 'in' | 'rejoining' | 'over';

/** What a session tells. */
export interface SessionEvents {
  /** Somebody is there, or changed: their name, their node. */
  peer(peer: Peer): void;
  peerGone(peerId: string): void;
  /** Somebody's stream is there. Put `stream.media` into an element; it stays the same from then on. */
  stream(stream: Stream): void;
  /** It comes from another node from now on; its first frame is yet to come. */
  streamMoved(stream: Stream): void;
  /** Its layers are others, or it was paused or resumed. */
  streamChanged(stream: Stream): void;
  streamEnded(stream: Stream): void;
  /** Who has the floor in the room, oneself included; null: nobody. */
  activeSpeaker(peerId: string | null): void;
  /** What an operator has silenced of what is sent from here; it cannot be taken back from here. */
  muted(muted: Muted): void;
  /** An admin of the room has paused or resumed something that is sent from here. It may be resumed. */
  paused(source: string, paused: boolean): void;
  /** Somebody else said something on a channel. */
  message(said: Said): void;
  /** With the node, if it is on one, and with why it is not, if that is known. */
  state(state: State, node: NodeHint | null, reason: string): void;
  /** It is over and will not come back by itself. */
  end(why: End, reason: string): void;
  /** What goes on inside, for developers. */
  log(what: string, detail?: unknown): void;
}

/** Pictures of a node that is gone are kept until the new ones came, but not longer. */
const KEEP = 8000;
/**
 * After something was sent from a new node, others have it after so long: two links to be told over, a pull, and
 * a key frame. Until then the old one sends as well.
 */
const FOUND = 500;
/** Peers that a new node has not named after so long are no longer there, in milliseconds. */
const ROSTER = 3000;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

interface Sent {
  track: MediaStreamTrack;
  options: SendOptions;
}

export class Session extends Emitter<SessionEvents> {
  readonly peers = new Map<string, Peer>();
  /** By peer and source, as `ada/video`. */
  readonly streams = new Map<string, Stream>();
  state: State = 'joining';
  /** The node it is on; the last one, while it is between two. */
  node: NodeHint | null = null;
  muted = UNMUTED;
  private readonly machine = new ClientSession(performance.now());
  private readonly who: Who;
  private readonly start: string;
  /** Those that are open, and those that are gone and still show something. */
  private readonly seats = new Map<number, Seat>();
  private own: { id: number; seat: Seat } | null = null;
  private readonly sent = new Map<string, Sent>();
  private readonly channels = new Set<string>();
  /** Streams that the seat before received, and this one does not yet. */
  private awaited = new Set<string>();
  /** Others have found what this one sends. */
  private found = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reason = '';

  constructor(options: JoinOptions) {
    super();
    const { room, peer, token = null, name = peer, here = false, encryption = null } = options;
    this.start = wsUrl(options.url);
    this.who = { room, peer, name, token, here, encryption, capable: new Capable(options.device ?? {}) };
  }

  /** Goes in; done when it is, and refused when no node takes it in. */
  join(): Promise<this> {
    const joined = new Promise<this>((resolve, reject) => {
      const states = this.on('state', (state) => {
        if (state === 'joining') return;
        states();
        if (state === 'in') resolve(this);
        else reject(new Error(this.reason || 'left'));
      });
    });
    this.feed({ start: { urls: [this.start] } });
    return joined;
  }

  /** Calls `handler` from now on, and at once for the peers and streams that are there. */
  override on<Name extends keyof SessionEvents>(name: Name, handler: SessionEvents[Name]): () => void {
    const off = super.on(name, handler);
    if (name === 'peer') for (const peer of this.peers.values()) (handler as SessionEvents['peer'])(peer);
    if (name === 'stream') {
      for (const stream of this.streams.values()) (handler as SessionEvents['stream'])(stream);
    }
    return off;
  }

  leave(): void {
    this.reason = '';
    this.feed('leave');
  }

  /** mediasoup-client's producers by source. */
  get producers(): Map<string, types.Producer> {
    return this.own?.seat.producers ?? new Map();
  }

  /** Sends a track from here and from every node to come, in place of what had its source. */
  async send(track: MediaStreamTrack, options: SendOptions = {}): Promise<void> {
    const source = options.source ?? track.kind;
    const sent = { track, options: { ...options } };
    this.sent.set(source, sent);
    if (this.own) await this.produce(this.own.seat, source, sent);
  }

  /** Sends it no longer; the track is the page's. */
  unsend(source: string): void {
    this.sent.delete(source);
    this.own?.seat.unproduce(source);
  }

  pause(source: string, paused: boolean): void {
    const sent = this.sent.get(source);
    if (sent) sent.options.paused = paused;
    this.own?.seat.pause(source, paused);
  }

  /** Wishes for layers of a stream, on this node and all to come. */
  prefer(stream: Stream, layers: Layers): void {
    stream.preferred = layers;
    this.own?.seat.prefer(stream.consumer.id, layers);
  }

  /** Opens a channel here and on every node to come, so that the first thing said is heard. */
  openChannel(label: string): void {
    this.channels.add(label);
    if (this.own) this.open(this.own.seat, label);
  }

  /** Says something on a channel that everybody else hears. */
  async say(label: string, text: string, how?: How): Promise<void> {
    if (!this.own) throw new Error('not connected');
    await this.own.seat.say(label, text, how);
  }

  rename(name: string): void {
    this.who.name = name;
    this.own?.seat.rename(name);
  }

  /** Tells the machine what happened, and does what it says. */
  private feed(input: Input): void {
    const outputs = this.machine.handle(performance.now(), input, Math.random());
    for (const output of outputs) this.carryOut(output);
    clearTimeout(this.timer);
    const due = this.machine.next();
    if (due === null) return;
    this.timer = setTimeout(() => this.feed('tick'), Math.max(0, due - performance.now()));
  }

  private carryOut(output: Output): void {
    if ('connect' in output) {
      // A handler of the page has left meanwhile.
      if (this.state === 'over') return;
      const { seat: id, url, ticket = null } = output.connect;
      this.emit('log', 'trying', url);
      const seat = new Seat(this.who, this.listen(id));
      this.seats.set(id, seat);
      void seat.take(url, ticket);
    } else if ('use' in output) this.use(output.use.seat);
    else if ('ask' in output) this.seats.get(output.ask.seat)?.ask();
    else if ('drop' in output) this.gone(output.drop.seat, 'the node is silent');
    else this.ended(output.end.why);
  }

  /** Events of one seat; what is received there counts once the seat does. */
  private listen(id: number): SeatEvents {
    const own = <A extends unknown[]>(handle: (...args: A) => void) =>
      (...args: A) => {
        if (this.own?.id === id) handle(...args);
      };
    return {
      opened: () => this.feed({ opened: { seat: id } }),
      joined: (node, offer) =>
        this.feed({ joined: { seat: id, url: node.url, offer: offered(offer) } }),
      offered: (offer) => this.feed({ offered: { seat: id, offer: offered(offer) } }),
      heard: () => this.feed({ heard: { seat: id } }),
      media: () => this.feed({ media: { seat: id } }),
      moveTo: (nodes, reason, withinMs) => {
        this.emit('log', 'moveTo', { reason, nodes: nodes.map(({ nodeId }) => nodeId) });
        this.feed({ moveTo: { seat: id, nodes: nodes.map(({ url }) => url), withinMs } });
      },
      closed: (closed, reason) => this.closed(id, closed, reason),
      peer: own((peer) => this.meet(peer)),
      peerGone: own((peerId) => this.part(peerId)),
      incoming: own((incoming) => this.take(incoming)),
      incomingEnded: own((incoming) => this.lose(incoming)),
      incomingChanged: own((incoming) => {
        const stream = this.streams.get(keyOf(incoming));
        if (stream?.is(incoming)) this.emit('streamChanged', stream);
      }),
      activeSpeaker: own((peerId) => this.speaks(peerId)),
      muted: own((muted) => this.silenced(muted)),
      paused: own((source, paused) => {
        const sent = this.sent.get(source);
        if (sent) sent.options.paused = paused;
        this.emit('paused', source, paused);
      }),
      said: own((said) => this.emit('message', said)),
      log: (what, detail) => this.emit('log', what, detail),
    };
  }

  private closed(id: number, closed: Closed, reason: string): void {
    this.reason = reason || 'the connection was lost';
    const refused = this.own?.id !== id;
    if (refused) this.emit('log', 'refused', { code: closed.code, why: reason });
    this.gone(id, this.reason);
    this.feed({ closed: { seat: id, ...closed } });
    // Each refusal is news for whoever waits.
    if (refused && !this.own && this.state !== 'over') this.tell(this.state, this.node);
  }

  /** A seat is closed; what it showed stays until something else is there. */
  private gone(id: number, reason: string): void {
    this.seats.get(id)?.abandon();
    if (this.own?.id === id) {
      this.own = null;
      this.emit('log', 'lost', { reason, node: this.node?.nodeId });
      this.tell('rejoining', this.node);
    }
    this.clear();
  }

  /** In: this is the seat now, and everything is sent from it. */
  private use(id: number): void {
    const seat = this.seats.get(id);
    if (!seat) return;
    const before = [...this.streams.values()].filter((stream) => !stream.producerPaused);
    this.awaited = new Set(before.map((stream) => stream.key));
    this.own = { id, seat };
    this.node = seat.node;
    this.emit('log', 'joined', seat.node.nodeId);
    this.tell('in', seat.node);
    for (const peer of seat.peers.values()) this.meet(peer);
    for (const incoming of seat.incoming.values()) this.take(incoming);
    if (seat.speaker !== null) this.speaks(seat.speaker);
    // Who is muted is told so right after it has joined; who hears nothing is not, but that shows in `forget`.
    if (seat.muted !== UNMUTED) this.silenced(seat.muted);
    for (const label of this.channels) this.open(seat, label);
    const all = [...this.sent].map(([source, sent]) => this.produce(seat, source, sent));
    this.found = false;
    void Promise.all(all).then(() => this.find(id, seat));
    setTimeout(() => this.forget(id), ROSTER);
    setTimeout(() => this.keep(id), KEEP);
  }

  private async produce(seat: Seat, source: string, { track, options }: Sent): Promise<void> {
    // If the seat is just being lost, the next one sends it.
    await seat.produce(source, track, options).catch((error) => {
      this.emit('log', 'unproduced', { source, why: String(error) });
    });
  }

  /** Waits until what it sends from here can have been found by others. */
  private async find(id: number, seat: Seat): Promise<void> {
    const here = () => this.own?.id === id;
    for (const producer of seat.producers.values()) {
      while (here() && !producer.closed && !producer.paused && !(await goes(producer))) await pause(LOOK);
    }
    if (seat.producers.size) await pause(FOUND);
    if (!here()) return;
    this.found = true;
    this.settle();
  }

  private open(seat: Seat, label: string): void {
    void seat.openChannel(label).catch((error) => this.emit('log', 'no channel', String(error)));
  }

  /** A stream comes on the seat that counts. */
  private take(incoming: Incoming): void {
    const key = keyOf(incoming);
    const known = this.streams.get(key);
    if (!known) {
      const stream = new Stream(incoming);
      this.streams.set(key, stream);
      return this.emit('stream', stream);
    }
    void known.adopt(incoming).then((shown) => {
      if (!shown) return;
      this.awaited.delete(key);
      this.settle();
      this.clear();
    });
    if (known.preferred) this.own?.seat.prefer(incoming.consumer.id, known.preferred);
    this.emit('streamMoved', known);
  }

  private lose(incoming: Incoming): void {
    const key = keyOf(incoming);
    const stream = this.streams.get(key);
    if (!stream?.is(incoming)) return;
    this.streams.delete(key);
    this.awaited.delete(key);
    this.emit('streamEnded', stream);
    this.settle();
  }

  /** All that the seat before showed is shown by this one, and others have what it sends. */
  private settle(): void {
    if (this.own && this.found && !this.awaited.size) this.feed({ settled: { seat: this.own.id } });
  }

  /** Lets go of seats that are gone and show nothing. */
  private clear(): void {
    for (const [id, seat] of this.seats) {
      const shows = [...this.streams.values()].some((stream) => stream.shows(seat.incoming));
      if (shows || !seat.isOver || this.own?.id === id) continue;
      this.seats.delete(id);
      seat.clear();
    }
  }

  /** Whom the new node knows nothing of is no longer there, nor what it has not said. */
  private forget(id: number): void {
    if (this.own?.id !== id) return;
    this.silenced(this.own.seat.muted);
    const { peers } = this.own.seat;
    for (const peerId of [...this.peers.keys()]) if (!peers.has(peerId)) this.part(peerId);
    this.release((stream) => !peers.has(stream.peerId));
  }

  /** What did not come from the new node does not come any more. */
  private keep(id: number): void {
    if (this.own?.id !== id) return;
    const { incoming } = this.own.seat;
    this.release((stream) => !incoming.has(stream.consumer.id));
    for (const stream of this.streams.values()) stream.settle();
    this.clear();
  }

  private release(gone: (stream: Stream) => boolean): void {
    for (const stream of [...this.streams.values()].filter(gone)) {
      this.streams.delete(stream.key);
      this.awaited.delete(stream.key);
      this.emit('streamEnded', stream);
    }
    this.settle();
  }

  private meet(peer: Peer): void {
    this.peers.set(peer.peerId, peer);
    this.emit('peer', peer);
  }

  private part(peerId: string): void {
    if (!this.peers.delete(peerId)) return;
    this.emit('log', 'peerClosed', peerId);
    this.emit('peerGone', peerId);
  }

  private speaks(peerId: string | null): void {
    this.emit('log', 'activeSpeaker', peerId);
    this.emit('activeSpeaker', peerId);
  }

  private silenced(muted: Muted): void {
    if (muted.audio === this.muted.audio && muted.video === this.muted.video) return;
    this.muted = muted;
    this.emit('muted', muted);
  }

  private tell(state: State, node: NodeHint | null): void {
    this.state = state;
    this.emit('state', state, node, state === 'in' ? '' : this.reason);
  }

  private ended(why: End): void {
    this.own = null;
    for (const seat of this.seats.values()) seat.clear();
    this.seats.clear();
    clearTimeout(this.timer);
    this.tell('over', null);
    this.emit('end', why, this.reason);
  }
}

function offered({ standby, resumeTicket }: ResumeOffer): Offer {
  return { standby: standby.map(({ url }) => url), ticket: resumeTicket };
}
