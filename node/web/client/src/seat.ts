// A seat: this peer's membership of the room on one node - one WebSocket, two transports, their
// producers and consumers. It lives as long as its node does. Never does: choose a node, or touch the
// page.

import { Device } from 'mediasoup-client';
import type { types } from 'mediasoup-client';
import { Channels, type How, type Said } from './channels.js';
import { produceOptions, type SendOptions } from './encodings.js';
import { type NodeHint, placement, Unplaced } from './place.js';
import { type Data, Protoo, Refused } from './protoo.js';
import { type Closed, FOR_GOOD, NOT_NOW } from './rejoin.js';
import { type Incoming, keyOf, type Layers } from './stream.js';

/** Somebody else in the room. */
export interface Peer {
  peerId: string;
  displayName: string;
  nodeId: string;
}

/** Kinds of media that an operator has silenced: nobody gets them, whatever this client says. */
export interface Muted {
  audio: boolean;
  video: boolean;
}

/** Nothing is. */
export const UNMUTED: Muted = { audio: false, video: false };

/** How to go on if the node dies. */
export interface ResumeOffer {
  standby: NodeHint[];
  resumeTicket: string;
  resumeWithinMs: number;
}

/** What is sent is encrypted for the others, and what comes is decrypted, by somebody else. */
export interface Encryption {
  seal(sender: RTCRtpSender): void;
  open(receiver: RTCRtpReceiver): void;
}

/** mediasoup-client's device: what the browser can is found out once, and what the nodes can is the cluster's. */
export class Capable {
  private device: Device | null = null;

  constructor(private readonly options: types.DeviceOptions) {}

  async load(ask: () => Promise<Data>): Promise<Device> {
    if (this.device) return this.device;
    const { routerRtpCapabilities } = await ask();
    const made = new Device(this.options);
    await made.load({ routerRtpCapabilities });
    this.device ??= made;
    return this.device;
  }
}

/** Who sits down. */
export interface Who {
  room: string;
  peer: string;
  name: string;
  token: string | null;
  /** Joins where it was told to, without asking for the placement. */
  here: boolean;
  encryption: Encryption | null;
  capable: Capable;
}

/** What a seat tells; after `closed` nothing follows. */
export interface SeatEvents {
  opened(): void;
  joined(node: NodeHint, offer: ResumeOffer): void;
  offered(offer: ResumeOffer): void;
  heard(): void;
  /** Media came within the last moments. */
  media(): void;
  moveTo(nodes: NodeHint[], reason: string, withinMs: number): void;
  closed(closed: Closed, reason: string): void;
  peer(peer: Peer): void;
  peerGone(peerId: string): void;
  incoming(incoming: Incoming): void;
  incomingEnded(incoming: Incoming): void;
  incomingChanged(incoming: Incoming): void;
  activeSpeaker(peerId: string | null): void;
  muted(muted: Muted): void;
  /** Somebody else has paused or resumed what is sent under a source's name. */
  paused(source: string, paused: boolean): void;
  said(said: Said): void;
  /** Something that only a developer wants to know. */
  log(what: string, detail?: unknown): void;
}

/** Data of `moveTo`. */
interface Moved {
  nodes: NodeHint[];
  reason: string;
  withinMs: number;
  retryAfterMs: number;
}

/** Between two looks whether media comes from a node that is silent, in milliseconds. */
const LOOK = 200;
/** Answers to a request that could not be understood, or was not allowed. */
const FORBIDDEN = [400, 401, 403];
/** A browser that was told nothing by the socket. */
const ABNORMAL = 1006;

export class Seat {
  node: NodeHint = { nodeId: '', url: '', region: '' };
  readonly incoming = new Map<string, Incoming>();
  readonly producers = new Map<string, types.Producer>();
  /** Who is in the room, as this node says. */
  readonly peers = new Map<string, Peer>();
  speaker: string | null = null;
  /** As this node says: it tells who comes back muted, and nothing to everybody else. */
  muted = UNMUTED;
  private readonly channels: Channels;
  private readonly given = new AbortController();
  private device: Device | null = null;
  private protoo: Protoo | null = null;
  private send: types.Transport | null = null;
  private recv: types.Transport | null = null;
  private recvReady!: Promise<types.Transport>;
  private moved: Moved | null = null;
  private joined = false;
  private asked = false;
  private over = false;

  constructor(
    private readonly who: Who,
    private readonly events: SeatEvents,
  ) {
    this.channels = new Channels((said) => events.said(said));
  }

  /** Joins the room through the node at `url`; how it went is told by the events. */
  async take(url: string, ticket: string | null): Promise<void> {
    try {
      await this.connect(ticket || this.who.here ? url : await this.place(url), ticket);
      const answer = await this.enter();
      if (this.over) return;
      this.joined = true;
      this.events.joined(this.node, answer);
      this.told();
    } catch (error) {
      const { closed, reason } = failure(error);
      this.end(closed, reason);
    }
  }

  /** Sends a track under a source's name, or in place of what was sent under it. */
  async produce(source: string, track: MediaStreamTrack, options: SendOptions): Promise<void> {
    if (!this.send || !this.device) throw new Error('the seat is not taken');
    const known = this.producers.get(source);
    if (known) return known.replaceTrack({ track });
    const codecs = this.device.sendRtpCapabilities.codecs ?? [];
    const wish = produceOptions(track, source, options, codecs);
    const { encryption } = this.who;
    if (encryption) {
      wish.appData = { source, encrypted: true };
      wish.onRtpSender = (sender) => encryption.seal(sender);
    }
    const producer = await this.send.produce(wish);
    this.producers.set(source, producer);
    if (options.paused) this.pause(source, true);
  }

  /** Opens a channel, so that the others can listen before something is said. */
  async openChannel(label: string): Promise<void> {
    if (this.send) await this.channels.open(this.send, label);
  }

  /** Says something on a channel that everybody else hears. */
  async say(label: string, text: string, how?: How): Promise<void> {
    if (!this.send) throw new Error('the seat is not taken');
    await this.channels.say(this.send, label, text, how);
  }

  unproduce(source: string): void {
    const producer = this.producers.get(source);
    if (!producer) return;
    this.producers.delete(source);
    producer.close();
    this.protoo?.notify('closeProducer', { producerId: producer.id });
  }

  pause(source: string, paused: boolean): void {
    const producer = this.producers.get(source);
    if (!producer) return;
    if (paused) producer.pause();
    else producer.resume();
    this.protoo?.notify(paused ? 'pauseProducer' : 'resumeProducer', { producerId: producer.id });
  }

  /** Does what the node has done already. */
  private follow(producerId: string, paused: boolean): void {
    for (const [source, producer] of this.producers) {
      if (producer.id !== producerId) continue;
      if (paused) producer.pause();
      else producer.resume();
      this.events.paused(source, paused);
    }
  }

  prefer(consumerId: string, { spatialLayer, temporalLayer }: Layers): void {
    this.protoo?.notify('setConsumerPreferredLayers', { consumerId, spatialLayer, temporalLayer });
  }

  rename(displayName: string): void {
    this.protoo?.notify('changeDisplayName', { displayName });
  }

  /** Asks whether the node is there, and looks meanwhile whether media comes. */
  ask(): void {
    this.protoo?.request('ping').catch(() => {});
    if (this.asked) return;
    this.asked = true;
    void this.look();
  }

  /** It is closed; what was received may still be shown. */
  get isOver(): boolean {
    return this.over;
  }

  /** Stops sending and listening; what was received stays on the screen until [`Seat.clear`]. */
  abandon(): void {
    this.over = true;
    this.given.abort();
    this.protoo?.close();
    this.send?.close();
    this.send = null;
  }

  /** Lets go of what was received. */
  clear(): void {
    this.abandon();
    this.recv?.close();
    this.recv = null;
  }

  /** Where the node at `url` says; that node itself if it does not know better. */
  private async place(url: string): Promise<string> {
    const { room, token } = this.who;
    try {
      const hint = await placement(url, room, token, this.given.signal);
      this.events.log('placed', hint.nodeId);
      return hint.url;
    } catch (error) {
      // What is not allowed here is not allowed there, where nobody could say why.
      if (error instanceof Unplaced && FORBIDDEN.includes(error.status)) throw error;
      this.events.log('unplaced', String(error));
      return url;
    }
  }

  private async connect(url: string, ticket: string | null): Promise<void> {
    const query = new URLSearchParams({ roomId: this.who.room, peerId: this.who.peer });
    if (this.who.token) query.set('token', this.who.token);
    if (ticket) query.set('resume', ticket);
    this.node = { ...this.node, url };
    this.protoo = await Protoo.open(`${url}?${query}`, this.given.signal, {
      request: (method, data) => this.onRequest(method, data),
      notification: (method, data) => this.onNotification(method, data),
      closed: (code, reason) => this.end({ code }, reason),
      heard: () => this.heard(),
    });
    if (this.over) this.protoo.close();
    else this.events.opened();
  }

  /** Everything that needs no answer of another request goes out at once. */
  private async enter(): Promise<ResumeOffer> {
    const ask = (direction: string) =>
      this.request('createWebRtcTransport', { forceTcp: false, appData: { direction } });
    const capabilities = () => this.request('getRouterRtpCapabilities');
    const [send, recv, capable] = [ask('producer'), ask('consumer'), this.who.capable.load(capabilities)];
    this.recvReady = Promise.all([recv, capable]).then(([data, device]) => {
      this.recv = device.createRecvTransport(transportOptions(data));
      return this.secured(this.recv);
    });
    this.recvReady.catch(() => {});
    send.catch(() => {});
    const ready = await capable;
    this.device = ready;
    const join = this.request('join', {
      displayName: this.who.name,
      device: { flag: 'browser', name: '@starling/client', version: '0.1' },
      rtpCapabilities: ready.recvRtpCapabilities,
    });
    const [sendData, answer] = await Promise.all([send, join]);
    const transport = this.secured(ready.createSendTransport(transportOptions(sendData)));
    transport.on('produce', ({ kind, rtpParameters, appData }, done, failed) => {
      this.request('produce', { transportId: transport.id, kind, rtpParameters, appData })
        .then(({ producerId }) => done({ id: producerId }), failed);
    });
    this.channels.sendOn(transport, (method, data) => this.request(method, data));
    if (this.over) transport.close();
    else this.send = transport;
    this.node = answer.node;
    for (const peer of answer.peers) this.meet(peer);
    return answer;
  }

  private request(method: string, data: object = {}): Promise<Data> {
    return this.protoo?.request(method, data) ?? Promise.reject(new Error('not connected'));
  }

  private meet(peer: Peer): void {
    this.peers.set(peer.peerId, peer);
    this.events.peer(peer);
  }

  private secured(transport: types.Transport): types.Transport {
    transport.on('connect', ({ dtlsParameters }, done, failed) => {
      this.request('connectWebRtcTransport', { transportId: transport.id, dtlsParameters })
        .then(done, failed);
    });
    return transport;
  }

  private heard(): void {
    this.asked = false;
    if (!this.over) this.events.heard();
  }

  private async look(): Promise<void> {
    let before = Infinity;
    while (this.asked && !this.over) {
      const bytes = await this.mediaBytes();
      if (bytes > before && this.asked && !this.over) this.events.media();
      before = bytes;
      await new Promise((done) => setTimeout(done, LOOK));
    }
  }

  private async mediaBytes(): Promise<number> {
    const report = await this.recv?.getStats().catch(() => null);
    let bytes = 0;
    report?.forEach((entry: Data) => {
      if (entry.type === 'inbound-rtp') bytes += entry.bytesReceived ?? 0;
    });
    return bytes;
  }

  private async onRequest(method: string, data: Data): Promise<Data> {
    if (method === 'newDataConsumer') {
      await this.channels.listen(await this.recvReady, data);
      return {};
    }
    if (method !== 'newConsumer') throw new Error(`no such method '${method}'`);
    const { encryption } = this.who;
    // Without the key there is nothing to see; with it, what was not encrypted is not theirs.
    if (Boolean(data.appData?.encrypted) !== Boolean(encryption)) throw new Error('another key');
    const recv = await this.recvReady;
    const source = data.appData?.source ?? data.kind;
    // Camera and microphone of a peer are one stream, which browsers keep in lip sync.
    const lipSynced = source === 'audio' || source === 'video';
    const consumer = await recv.consume({
      id: data.consumerId,
      producerId: data.producerId,
      kind: data.kind,
      rtpParameters: data.rtpParameters,
      streamId: lipSynced ? data.peerId : `${data.peerId}:${data.producerId}`,
      appData: data.appData,
      onRtpReceiver: (receiver) => encryption?.open(receiver),
    });
    const { peerId, producerPaused } = data;
    const incoming = { peerId, source, consumer, layers: spatialLayers(data), producerPaused };
    this.incoming.set(consumer.id, incoming);
    this.events.incoming(incoming);
    return {};
  }

  private onNotification(method: string, data: Data): void {
    const incoming = data.consumerId ? this.incoming.get(data.consumerId) : undefined;
    const peer = data.peerId ? this.peers.get(data.peerId) : undefined;
    switch (method) {
      case 'newPeer':
        return this.meet(data.peer);
      case 'peerClosed':
        this.peers.delete(data.peerId);
        return this.events.peerGone(data.peerId);
      case 'peerMoved':
        this.events.log('peerMoved', { id: data.peerId, nodeId: data.nodeId });
        if (peer) this.meet({ ...peer, nodeId: data.nodeId });
        return;
      case 'peerDisplayNameChanged':
        if (peer) this.meet({ ...peer, displayName: data.displayName });
        return;
      case 'activeSpeaker':
        this.speaker = data.peerId ?? null;
        return this.events.activeSpeaker(this.speaker);
      case 'muted':
        this.muted = { ...UNMUTED, ...data };
        return this.events.muted(this.muted);
      case 'producerPaused':
      case 'producerResumed':
        return this.follow(data.producerId, method === 'producerPaused');
      case 'dataConsumerClosed':
        return this.channels.ended(data.dataConsumerId);
      case 'standbyChanged':
        return this.events.offered(data);
      case 'moveTo':
        this.moved = { reason: '', withinMs: 0, retryAfterMs: 0, ...data };
        return this.told();
      default:
        if (incoming) this.onConsumer(method, data, incoming);
    }
  }

  /** A node that is draining says so as soon as somebody has joined, which may not be known here yet. */
  private told(): void {
    if (!this.joined || !this.moved) return;
    const { nodes, reason, withinMs } = this.moved;
    this.events.moveTo(nodes, reason, withinMs);
  }

  private onConsumer(method: string, data: Data, incoming: Incoming): void {
    switch (method) {
      case 'consumerClosed':
        this.incoming.delete(incoming.consumer.id);
        incoming.consumer.close();
        return this.events.incomingEnded(incoming);
      case 'consumerPaused':
      case 'consumerResumed':
        incoming.producerPaused = method === 'consumerPaused';
        break;
      case 'consumerLayersChanged':
        incoming.current = data.layers ?? undefined;
        break;
      default:
        return;
    }
    const { current, producerPaused } = incoming;
    const layer = current?.spatialLayer ?? null;
    this.events.log('stream', { stream: keyOf(incoming), layer, producerPaused });
    this.events.incomingChanged(incoming);
  }

  private end(closed: Closed, reason: string): void {
    if (this.over) return;
    this.abandon();
    const refusal = closed.refusal ?? /\[(\w+)\]$/.exec(reason)?.[1] ?? '';
    const nodes = this.moved?.nodes.map(({ url }) => url) ?? [];
    const retryAfterMs = this.moved?.retryAfterMs ?? 0;
    this.events.closed({ ...closed, refusal, nodes, retryAfterMs }, reason);
  }
}

/** What an error means for where to go next. */
function failure(error: unknown): { closed: Closed; reason: string } {
  const reason = error instanceof Error ? error.message : String(error);
  if (!(error instanceof Refused || error instanceof Unplaced)) {
    return { closed: { code: ABNORMAL }, reason };
  }
  const { status } = error;
  // Who is not let in today is not let in tomorrow; who comes too often or too early is.
  const passes = status >= 500 || status === 429 || status === 421;
  return { closed: { code: passes ? NOT_NOW : FOR_GOOD }, reason };
}

function transportOptions(data: Data): types.TransportOptions {
  const { transportId: id, iceParameters, iceCandidates, dtlsParameters, sctpParameters } = data;
  const { iceServers } = data;
  return { id, iceParameters, iceCandidates, dtlsParameters, sctpParameters, iceServers };
}

function spatialLayers(data: Data): number {
  const mode: string = data.rtpParameters?.encodings?.[0]?.scalabilityMode ?? '';
  return data.type === 'simple' ? 1 : Number(/^[LS](\d+)/.exec(mode)?.[1] ?? 1);
}
