// The call: one seat after another, as nodes come and go, with the same tracks all along. It moves
// before a draining node ends and comes back after a dead one. Never does: touch the page.

import type { How, Said } from './channels';
import { type NodeHint, placement, wsUrl } from './nodes';
import { CLOSE_FOR_GOOD } from './protoo';
import { attempt, destinations } from './resume';
import {
  Elsewhere, ForGood, type Incoming, type Layers, type Peer, Seat, type SeatEvents, type Who,
} from './seat';
import type { Source } from './tracks';

/** What the call tells. */
export interface CallEvents {
  peer(peer: Peer): void;
  peerGone(peerId: string): void;
  incoming(incoming: Incoming): void;
  incomingEnded(incoming: Incoming): void;
  incomingChanged(incoming: Incoming): void;
  activeSpeaker(peerId: string | null): void;
  /** Somebody else said something on a channel. */
  said(said: Said): void;
  /** On a node; `sentence` is null, or says what is going on instead. */
  state(node: NodeHint | null, sentence: string | null): void;
  /** It ended and will not come back by itself. */
  ended(sentence: string): void;
  log(what: string, detail?: unknown): void;
}

/** Old pictures are kept until new ones came, but not longer. */
const KEEP = 8000;
/** After this the old node is left even if not everything has come from the new one. */
const OVERLAP = 2500;
/** Nodes that send each other's clients around are asked more slowly each time. */
const REDIRECTED = 250;
/** Peers that a new node has not named after so long are no longer there. */
const ROSTER = 3000;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

export class Call {
  seat: Seat | null = null;
  readonly peers = new Map<string, Peer>();
  private readonly tracks = new Map<Source, { track: MediaStreamTrack; paused: boolean }>();
  private readonly wishes = new Map<string, Layers>();
  /** Events of seats of an older epoch are not listened to. */
  private epoch = 0;
  /** Why the placement was refused last. */
  private unplaced = '';
  private over = false;

  constructor(
    private readonly who: Who,
    private readonly origin: string,
    private readonly here: boolean,
    private readonly events: CallEvents,
  ) {}

  async join(): Promise<void> {
    this.events.state(null, `Joining “${this.who.room}”…`);
    await this.rejoin([wsUrl(this.origin)]);
  }

  leave(): void {
    this.over = true;
    this.epoch++;
    this.seat?.leave();
    this.seat = null;
  }

  async send(source: Source, track: MediaStreamTrack, paused = false): Promise<void> {
    this.tracks.set(source, { track, paused });
    // If the seat is just being lost, the next one sends it.
    await this.seat?.produce(source, track, paused).catch((error) => {
      this.events.log('unproduced', { source, why: String(error) });
    });
  }

  /** Says something on a channel that everybody else hears. */
  async say(label: string, text: string, how?: How): Promise<void> {
    if (!this.seat) throw new Error('not connected');
    await this.seat.say(label, text, how);
  }

  unsend(source: Source): void {
    this.tracks.delete(source);
    this.seat?.unproduce(source);
  }

  pause(source: Source, paused: boolean): void {
    const sent = this.tracks.get(source);
    if (sent) sent.paused = paused;
    this.seat?.pause(source, paused);
  }

  prefer(incoming: Incoming, layers: Layers): void {
    this.wishes.set(key(incoming), layers);
    this.seat?.prefer(incoming, layers);
  }

  /** Events of one seat, dropped once it is no longer the one that counts. */
  private listen(epoch: number): SeatEvents {
    const live = <A extends unknown[]>(handle: (...args: A) => void) =>
      (...args: A) => {
        if (epoch === this.epoch) handle(...args);
      };
    return {
      peer: live((peer) => {
        this.peers.set(peer.peerId, peer);
        this.events.peer(peer);
      }),
      peerGone: live((id) => {
        this.peers.delete(id);
        this.events.log('peerClosed', id);
        this.events.peerGone(id);
      }),
      peerMoved: live((id, nodeId) => {
        const peer = this.peers.get(id);
        if (!peer) return;
        peer.nodeId = nodeId;
        this.events.log('peerMoved', { id, nodeId });
        this.events.peer(peer);
      }),
      peerRenamed: live((id, name) => {
        const peer = this.peers.get(id);
        if (!peer) return;
        peer.displayName = name;
        this.events.peer(peer);
      }),
      incoming: live((incoming) => {
        const wish = this.wishes.get(key(incoming));
        const seated = this.seat?.incoming.has(incoming.consumer.id);
        if (wish && seated) this.seat?.prefer(incoming, wish);
        this.events.incoming(incoming);
      }),
      incomingEnded: live((incoming) => this.events.incomingEnded(incoming)),
      incomingChanged: live((incoming) => {
        const { current, producerPaused } = incoming;
        const layer = current?.spatialLayer ?? null;
        this.events.log('stream', { stream: key(incoming), layer, producerPaused });
        this.events.incomingChanged(incoming);
      }),
      activeSpeaker: live((id) => {
        this.events.log('activeSpeaker', id);
        this.events.activeSpeaker(id);
      }),
      said: live((said) => this.events.said(said)),
      moveTo: live((nodes, reason) => void this.move(nodes, reason)),
      lost: live((code, reason) => void this.lost(code, reason)),
    };
  }

  private async lost(code: number, reason: string): Promise<void> {
    const old = this.seat;
    if (!old || this.over) return;
    this.events.log('lost', { code, reason, node: old.node.nodeId });
    old.abandon();
    this.epoch++;
    if (code === CLOSE_FOR_GOOD) {
      old.clear();
      return this.end(reason || 'The node closed the session.');
    }
    const { standby, resumeTicket, resumeWithinMs } = old.offer;
    const urls = destinations(standby.map((node) => node.url), old.node.url);
    this.events.state(null, `Node ${old.node.nodeId} is gone. Going to another one…`);
    const resumed = await this.tryAll(urls, resumeTicket, performance.now() + resumeWithinMs);
    setTimeout(() => old.clear(), resumed ? KEEP : 0);
    if (!resumed && !this.over) await this.rejoin(urls);
  }

  /** Make before break: sit down there first, then get up here. */
  private async move(nodes: NodeHint[], reason: string): Promise<void> {
    const old = this.seat;
    if (!old) return;
    this.events.log('moveTo', { reason, nodes: nodes.map((node) => node.nodeId) });
    const ticket = old.offer.resumeTicket;
    const before = old.incoming.size;
    const epoch = ++this.epoch;
    for (const { url } of nodes) {
      const seat = await Seat.take(url, ticket, this.who, this.listen(epoch)).catch(() => null);
      if (!seat) continue;
      await this.settle(seat);
      const enough = () => seat.incoming.size >= before;
      for (let waited = 0; waited < OVERLAP && !enough(); waited += 50) await pause(50);
      old.abandon();
      setTimeout(() => old.clear(), KEEP);
      return;
    }
    // Nobody took us in: stay here and listen again, for as long as the node lives.
    this.epoch = epoch - 1;
    if (old.dead) void this.lost(old.dead.code, old.dead.reason);
  }

  /** Tries nodes until one takes us or `until`; true if one did. */
  private async tryAll(urls: string[], ticket: string, until: number): Promise<boolean> {
    let list = urls;
    let redirects = 0;
    for (let n = 0; !this.over; n++) {
      const { url, wait } = attempt(n, list);
      if (performance.now() + wait > until) return false;
      await pause(wait);
      const outcome = await this.sit(url, ticket);
      if (outcome === true) return true;
      if (outcome instanceof ForGood) return false;
      if (outcome instanceof Elsewhere) {
        list = destinations(outcome.nodes.map((node) => node.url), url);
        n = -1;
        await pause(REDIRECTED * redirects++);
      }
    }
    return false;
  }

  /** From the start, without a ticket, until it works or makes no sense. */
  private async rejoin(urls: string[]): Promise<void> {
    let redirects = 0;
    for (let n = 0; !this.over; n++) {
      const { url, wait } = attempt(n, urls);
      await pause(wait);
      const outcome = await this.sit(await this.place(url), null);
      if (outcome === true) return;
      if (outcome instanceof ForGood) return this.end(outcome.message);
      if (outcome instanceof Elsewhere) {
        urls = destinations(outcome.nodes.map((node) => node.url), url);
        n = -1;
        await pause(REDIRECTED * redirects++);
      }
      const why = this.unplaced || outcome.message;
      this.events.state(null, `No node takes us in yet: ${why}. Trying again…`);
    }
  }

  /** Where to join, as the node at `url` says, or that node itself. */
  private async place(url: string): Promise<string> {
    if (this.here) return url;
    const origin = url.replace(/^ws/, 'http').replace(/\/$/, '');
    try {
      const hint = await placement(origin, this.who.room, this.who.token);
      this.events.log('placed', hint.nodeId);
      this.unplaced = '';
      return hint.url;
    } catch (error) {
      this.unplaced = error instanceof Error ? error.message : String(error);
      this.events.log('unplaced', this.unplaced);
      return url;
    }
  }

  private async sit(url: string, ticket: string | null): Promise<true | Error> {
    const epoch = ++this.epoch;
    this.events.log('trying', url);
    try {
      const seat = await Seat.take(url, ticket, this.who, this.listen(epoch));
      if (this.over) {
        seat.leave();
        return new Error('left');
      }
      await this.settle(seat);
      return true;
    } catch (error) {
      this.events.log('refused', { url, why: String(error) });
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** In: this is the seat now, and everything is sent from it. */
  private async settle(seat: Seat): Promise<void> {
    this.seat = seat;
    this.events.log('joined', seat.node.nodeId);
    this.events.state(seat.node, null);
    const sent = [...this.tracks].map(([source, { track, paused }]) =>
      seat.produce(source, track, paused).catch((error) => {
        this.events.log('unproduced', { source, why: String(error) });
      }),
    );
    setTimeout(() => this.forget(seat), ROSTER);
    await Promise.all(sent);
    // Who opens it with the first thing said is heard by nobody: the others are not there yet.
    void seat.openChannel('chat').catch((error) => this.events.log('no chat', String(error)));
    for (const incoming of seat.incoming.values()) {
      const wish = this.wishes.get(key(incoming));
      if (wish && !incoming.preferred) seat.prefer(incoming, wish);
    }
  }

  private forget(seat: Seat): void {
    if (this.seat !== seat) return;
    for (const id of [...this.peers.keys()].filter((id) => !seat.peers.has(id))) {
      this.peers.delete(id);
      this.events.peerGone(id);
    }
  }

  private end(sentence: string): void {
    this.over = true;
    this.seat = null;
    this.events.ended(sentence);
  }
}

/** What a stream is called across nodes: its peer and source. */
export function key(incoming: Incoming): string {
  return `${incoming.peerId}/${incoming.source}`;
}
