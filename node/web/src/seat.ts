// A seat: this peer's membership of the room on one node - one WebSocket, two transports, their
// producers and consumers. It lives as long as its node does. Never does: choose a node, or touch the
// page.

import { Device } from 'mediasoup-client';
import type { types } from 'mediasoup-client';
import { Channels, type How, type Said } from './channels';
import * as descriptor from './descriptor';
import type { NodeHint } from './nodes';
import { CLOSE_FOR_GOOD, type Data, Protoo } from './protoo';
import type { VideoCodec } from './query';
import type { Secret } from './secret';
import { ladder, type Source } from './tracks';

/** Somebody else in the room. */
export interface Peer {
  peerId: string;
  displayName: string;
  nodeId: string;
}

/** How to go on if the node dies. */
export interface ResumeOffer {
  standby: NodeHint[];
  resumeTicket: string;
  resumeWithinMs: number;
}

/** Layers of a consumer. */
export interface Layers {
  spatialLayer: number;
  temporalLayer?: number;
}

/** One stream of somebody else. */
export interface Incoming {
  peerId: string;
  source: string;
  consumer: types.Consumer;
  /** How many encodings there are to choose from. */
  layers: number;
  current?: Layers;
  preferred?: Layers;
  producerPaused: boolean;
}

/** What a seat tells. */
export interface SeatEvents {
  peer(peer: Peer): void;
  peerGone(peerId: string): void;
  peerMoved(peerId: string, nodeId: string): void;
  peerRenamed(peerId: string, name: string): void;
  incoming(incoming: Incoming): void;
  incomingEnded(incoming: Incoming): void;
  incomingChanged(incoming: Incoming): void;
  /** Who has the floor in the room, oneself included; null: nobody. */
  activeSpeaker(peerId: string | null): void;
  /** Somebody else said something on a channel. */
  said(said: Said): void;
  /** The node asks its peers to leave; `nodes` are ready. */
  moveTo(nodes: NodeHint[], reason: string): void;
  /** It is over. */
  lost(code: number, reason: string): void;
}

/** Who sits down. */
export interface Who {
  room: string;
  peer: string;
  name: string;
  token: string | null;
  codec: VideoCodec;
  /** Simulcast layers of the camera; null: as its size allows. */
  layers: number | null;
  /** Temporal layers of each of these. */
  temporal: number;
  /** Layers inside one stream instead: a scalability mode. */
  mode: string | null;
  /** What is sent is encrypted with it for the others; null: not. */
  secret: Secret | null;
}

/** The node says: not here. */
export class Elsewhere extends Error {
  constructor(
    readonly nodes: NodeHint[],
    reason: string,
  ) {
    super(reason);
  }
}

/** The node says: never. */
export class ForGood extends Error {}

/** One for the page: loading it twice is an error, and capabilities are the cluster's. */
let device: Device | null = null;
/** Bits per second with which Chrome begins: enough for the whole ladder of a small camera. */
const START_KBPS = 1000;
/** How long a WebSocket may take to open, in milliseconds: two round trips of a bad network. */
const OPEN = 2000;
/** How long all of the rest may take until the room has taken us in. */
const JOIN = 4000;

export class Seat {
  node: NodeHint = { nodeId: '', url: '', region: '' };
  offer: ResumeOffer = { standby: [], resumeTicket: '', resumeWithinMs: 0 };
  readonly incoming = new Map<string, Incoming>();
  readonly producers = new Map<Source, types.Producer>();
  /** Who is in the room, as this node says. */
  readonly peers = new Set<string>();
  private readonly channels: Channels;
  /** Set once the node is gone. */
  dead: { code: number; reason: string } | null = null;
  private protoo!: Protoo;
  private send: types.Transport | null = null;
  private recv: types.Transport | null = null;
  private recvReady!: Promise<types.Transport>;
  private elsewhere: NodeHint[] = [];
  private joined = false;
  private over = false;
  private ended: ((error: Error) => void) | null = null;

  private constructor(
    private readonly who: Who,
    private readonly events: SeatEvents,
  ) {
    this.channels = new Channels((said) => events.said(said));
  }

  /** Joins the room on the node at `url`. */
  static async take(
    url: string,
    ticket: string | null,
    who: Who,
    events: SeatEvents,
  ): Promise<Seat> {
    const seat = new Seat(who, events);
    try {
      await seat.join(url, ticket);
      return seat;
    } catch (error) {
      seat.leave();
      throw error;
    }
  }

  /** Sends a track under a source's name. */
  async produce(source: Source, track: MediaStreamTrack, paused: boolean): Promise<void> {
    if (!this.send) throw new Error('the seat is not taken');
    const options: types.ProducerOptions = {
      track,
      stopTracks: false,
      disableTrackOnPause: false,
      zeroRtpOnPause: true,
      appData: { source },
    };
    const { secret } = this.who;
    if (secret) {
      options.appData = { source, encrypted: true };
      options.onRtpSender = (sender) => secret.seal(sender);
    }
    if (source === 'audio') {
      options.codecOptions = { opusDtx: true, opusFec: true, opusNack: true };
    } else {
      const codec = this.videoCodec();
      if (codec) options.codec = codec;
      options.encodings = this.encodings(source, track);
      options.codecOptions = { videoGoogleStartBitrate: START_KBPS };
    }
    const producer = await this.send.produce(options);
    this.producers.set(source, producer);
    if (paused) this.pause(source, true);
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

  unproduce(source: Source): void {
    const producer = this.producers.get(source);
    if (!producer) return;
    this.producers.delete(source);
    producer.close();
    this.protoo.notify('closeProducer', { producerId: producer.id });
  }

  pause(source: Source, paused: boolean): void {
    const producer = this.producers.get(source);
    if (!producer) return;
    if (paused) producer.pause();
    else producer.resume();
    this.protoo.notify(paused ? 'pauseProducer' : 'resumeProducer', { producerId: producer.id });
  }

  prefer(incoming: Incoming, layers: Layers): void {
    incoming.preferred = layers;
    const { spatialLayer, temporalLayer } = layers;
    const consumerId = incoming.consumer.id;
    this.protoo.notify('setConsumerPreferredLayers', { consumerId, spatialLayer, temporalLayer });
  }

  rename(displayName: string): void {
    this.protoo.notify('changeDisplayName', { displayName });
  }

  /** Stops sending and listening; what was received stays on the screen until [`Seat.clear`]. */
  abandon(): void {
    this.over = true;
    this.protoo?.close();
    this.send?.close();
    this.send = null;
  }

  /** Lets go of what was received. */
  clear(): void {
    this.recv?.close();
    this.recv = null;
  }

  leave(): void {
    this.abandon();
    this.clear();
  }

  private async join(url: string, ticket: string | null): Promise<void> {
    const query = new URLSearchParams({ roomId: this.who.room, peerId: this.who.peer });
    if (this.who.token) query.set('token', this.who.token);
    if (ticket) query.set('resume', ticket);
    const turnedAway = new Promise<never>((_, reject) => {
      this.ended = reject;
    });
    turnedAway.catch(() => {});
    this.protoo = await Protoo.open(`${url}?${query}`, OPEN, {
      request: (method, data) => this.onRequest(method, data),
      notification: (method, data) => this.onNotification(method, data),
      closed: (code, reason) => this.onClosed(code, reason),
      media: () => this.mediaBytes(),
    });
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('the node did not let us in in time')), JOIN);
    });
    late.catch(() => {});
    await Promise.race([this.enter(), turnedAway, late]);
    this.joined = true;
  }

  /** Everything that needs no answer of another request goes out at once. */
  private async enter(): Promise<void> {
    const ask = (direction: string) =>
      this.protoo.request('createWebRtcTransport', { forceTcp: false, appData: { direction } });
    const [send, recv, capable] = [ask('producer'), ask('consumer'), this.capable()];
    this.recvReady = Promise.all([recv, capable]).then(([data, device]) => {
      this.recv = device.createRecvTransport(transportOptions(data));
      return this.connect(this.recv);
    });
    this.recvReady.catch(() => {});
    const ready = await capable;
    const join = this.protoo.request('join', {
      displayName: this.who.name,
      device: { flag: 'browser', name: 'Starling page', version: '0.1' },
      rtpCapabilities: ready.recvRtpCapabilities,
    });
    const [sendData, answer] = await Promise.all([send, join]);
    this.send = this.connect(ready.createSendTransport(transportOptions(sendData)));
    this.send.on('produce', ({ kind, rtpParameters, appData }, done, failed) => {
      const transportId = this.send?.id;
      this.protoo
        .request('produce', { transportId, kind, rtpParameters, appData })
        .then(({ producerId }) => done({ id: producerId }), failed);
    });
    this.channels.sendOn(this.send, (method, data) => this.protoo.request(method, data));
    this.node = answer.node;
    this.offer = answer;
    for (const peer of answer.peers) this.meet(peer);
  }

  private meet(peer: Peer): void {
    this.peers.add(peer.peerId);
    this.events.peer(peer);
  }

  private async capable(): Promise<Device> {
    if (device) return device;
    const { routerRtpCapabilities } = await this.protoo.request('getRouterRtpCapabilities');
    const { secret } = this.who;
    if (secret) descriptor.answerAlways();
    const made = new Device(secret ? { forcedRtpExtensions: descriptor.offered } : {});
    await made.load({ routerRtpCapabilities });
    device ??= made;
    return device;
  }

  private connect(transport: types.Transport): types.Transport {
    transport.on('connect', ({ dtlsParameters }, done, failed) => {
      this.protoo
        .request('connectWebRtcTransport', { transportId: transport.id, dtlsParameters })
        .then(done, failed);
    });
    return transport;
  }

  private encodings(source: Source, track: MediaStreamTrack): RTCRtpEncodingParameters[] {
    const scalabilityMode = this.who.mode ?? undefined;
    if (source === 'video' && !scalabilityMode) {
      return ladder(track, this.who.layers, this.who.temporal);
    }
    // TypeScript's own list of what an encoding has lacks the mode.
    const encoding = { maxBitrate: 2_500_000, scalabilityMode };
    return [encoding];
  }

  private videoCodec(): types.RtpCodecCapability | undefined {
    const wanted = `video/${this.who.codec}`;
    const codecs = device?.sendRtpCapabilities.codecs ?? [];
    return codecs.find((codec) => codec.mimeType.toLowerCase() === wanted);
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
    const { secret } = this.who;
    // Without the key there is nothing to see; with it, what was not encrypted is not theirs.
    if (Boolean(data.appData?.encrypted) !== Boolean(secret)) throw new Error('another key');
    const recv = await this.recvReady;
    const consumer = await recv.consume({
      id: data.consumerId,
      producerId: data.producerId,
      kind: data.kind,
      rtpParameters: data.rtpParameters,
      // Camera and microphone of a peer are one stream, which browsers keep in lip sync.
      streamId: lipSynced(data) ? data.peerId : `${data.peerId}:${data.producerId}`,
      appData: data.appData,
      onRtpReceiver: (receiver) => secret?.open(receiver),
    });
    const incoming: Incoming = {
      peerId: data.peerId,
      source: data.appData?.source ?? data.kind,
      consumer,
      layers: spatialLayers(data),
      producerPaused: data.producerPaused,
    };
    this.incoming.set(consumer.id, incoming);
    this.events.incoming(incoming);
    return {};
  }

  private onNotification(method: string, data: Data): void {
    const incoming = data.consumerId ? this.incoming.get(data.consumerId) : undefined;
    switch (method) {
      case 'newPeer':
        return this.meet(data.peer);
      case 'peerClosed':
        this.peers.delete(data.peerId);
        return this.events.peerGone(data.peerId);
      case 'peerMoved':
        return this.events.peerMoved(data.peerId, data.nodeId);
      case 'peerDisplayNameChanged':
        return this.events.peerRenamed(data.peerId, data.displayName);
      case 'activeSpeaker':
        return this.events.activeSpeaker(data.peerId ?? null);
      case 'dataConsumerClosed':
        return this.channels.ended(data.dataConsumerId);
      case 'standbyChanged':
        this.offer = data;
        return;
      case 'moveTo':
        this.elsewhere = data.nodes;
        if (this.joined) this.events.moveTo(data.nodes, data.reason);
        return;
      default:
        if (incoming) this.onConsumer(method, data, incoming);
    }
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
    this.events.incomingChanged(incoming);
  }

  private onClosed(code: number, reason: string): void {
    if (this.over) return;
    this.dead = { code, reason };
    if (this.joined) return this.events.lost(code, reason);
    if (this.elsewhere.length) this.ended?.(new Elsewhere(this.elsewhere, reason));
    else if (code === CLOSE_FOR_GOOD) this.ended?.(new ForGood(reason));
    else this.ended?.(new Error(reason || 'the connection was lost'));
  }
}

function transportOptions(data: Data): types.TransportOptions {
  const { transportId: id, iceParameters, iceCandidates, dtlsParameters, sctpParameters } = data;
  const { iceServers } = data;
  return { id, iceParameters, iceCandidates, dtlsParameters, sctpParameters, iceServers };
}

function lipSynced(data: Data): boolean {
  const source = data.appData?.source ?? data.kind;
  return source === 'audio' || source === 'video';
}

function spatialLayers(data: Data): number {
  const mode: string = data.rtpParameters?.encodings?.[0]?.scalabilityMode ?? '';
  return data.type === 'simple' ? 1 : Number(/^[LS](\d+)/.exec(mode)?.[1] ?? 1);
}
