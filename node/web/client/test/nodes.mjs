// Nodes that are not there: WebSockets that answer as Starling's do, with media of mediasoup-client's own fake
// handler. Installs itself as the globals that a browser has.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const fake = require('mediasoup-client/fakeParameters');
const { FakeHandler } = require('mediasoup-client/handlers/FakeHandler');
const { FakeMediaStreamTrack } = require('fake-mediastreamtrack');

export const track = (kind) => new FakeMediaStreamTrack({ kind });

export class Nodes {
  /** Sessions by node. */
  sessions = new Map();
  /** Whether frames come. */
  frames = true;
  /** Whether what is sent goes out. */
  sends = true;
  /** What whoever joins is told to be muted; null: nothing. */
  muted = null;
  /** URLs of all sockets in the order in which they were opened, with their tickets. */
  opened = [];
  /** At most so many sessions were joined at once. */
  most = 0;

  constructor(...names) {
    for (const name of names) this.sessions.set(name, new Set());
    this.down = new Set();
    this.mute = new Set();
    /** By node: what it says before it closes a new session. */
    this.refusals = new Map();
    const nodes = this;
    globalThis.WebSocket = class extends Socket {
      constructor(url) {
        super(nodes, url);
      }
    };
    WebSocket.OPEN = 1;
    globalThis.MediaStream = Tracks;
  }

  url(name) {
    return `ws://${name}.test/ws`;
  }

  /** For mediasoup-client's device. */
  get device() {
    const make = FakeHandler.createFactory(fake);
    const nodes = this;
    const factory = (options) => {
      const handler = make.factory ? make.factory(options) : make(options);
      handler.getReceiverStats = async () => new Map(nodes.frames
        ? [['in', { type: 'inbound-rtp', framesDecoded: 1, packetsReceived: 1 }]] : []);
      handler.getSenderStats = async () => new Map(nodes.sends
        ? [['out', { type: 'outbound-rtp', packetsSent: 1 }]] : []);
      return handler;
    };
    return { handlerFactory: make.factory ? { ...make, factory } : factory };
  }

  kill(name) {
    this.down.add(name);
    for (const session of this.sessions.get(name)) session.end(1006, '');
  }

  /** Everybody on a node is told. */
  tell(name, method, data) {
    for (const session of this.sessions.get(name)) session.say({ notification: true, method, data });
  }

  joined() {
    return [...this.sessions.values()].flatMap((all) => [...all]).filter((session) => session.joined);
  }
}

/** What a browser's MediaStream is here: a set of tracks. */
class Tracks {
  tracks = new Set();
  addTrack = (track) => void this.tracks.add(track);
  removeTrack = (track) => void this.tracks.delete(track);
  getTracks = () => [...this.tracks];
}

class Socket {
  readyState = 0;
  joined = false;
  produced = [];

  constructor(nodes, url) {
    this.nodes = nodes;
    this.asked = new URL(url);
    this.name = this.asked.hostname.split('.')[0];
    nodes.opened.push([this.name, this.asked.searchParams.get('resume')]);
    setTimeout(() => this.open(), 5);
  }

  open() {
    if (this.readyState !== 0) return;
    if (this.nodes.down.has(this.name)) return this.end(1006, '');
    if (this.nodes.mute.has(this.name)) return;
    this.readyState = 1;
    this.nodes.sessions.get(this.name).add(this);
    this.onopen?.();
    const refusal = this.nodes.refusals.get(this.name);
    if (!refusal) return;
    if (refusal.moveTo) this.say({ notification: true, method: 'moveTo', data: refusal.moveTo });
    this.end(refusal.code, refusal.reason);
  }

  send(text) {
    const frame = JSON.parse(text);
    const silent = this.nodes.mute.has(this.name) || this.nodes.refusals.has(this.name);
    if (!frame.request || silent) return;
    const data = this.answer(frame.method, frame.data);
    this.say({ response: true, id: frame.id, ok: true, data });
    if (frame.method !== 'join') return;
    this.joined = true;
    this.nodes.most = Math.max(this.nodes.most, this.nodes.joined().length);
    if (this.nodes.muted) this.say({ notification: true, method: 'muted', data: this.nodes.muted });
    this.say({ request: true, id: 1, method: 'newConsumer', data: consumer(this.name) });
  }

  answer(method, data) {
    switch (method) {
      case 'getRouterRtpCapabilities':
        return { routerRtpCapabilities: fake.generateRouterRtpCapabilities() };
      case 'createWebRtcTransport': {
        const { id, ...rest } = fake.generateTransportRemoteParameters();
        return { transportId: id, ...rest };
      }
      case 'join': {
        const hint = (name) => ({ nodeId: name, url: this.nodes.url(name), region: '' });
        const others = [...this.nodes.sessions.keys()].filter((name) => name !== this.name);
        const ben = { peerId: 'ben', displayName: 'Ben', nodeId: this.name };
        const resume = { resumeTicket: `of ${this.name}`, resumeWithinMs: 15_000 };
        return { peers: [ben], node: hint(this.name), standby: others.map(hint), ...resume };
      }
      case 'produce':
        this.produced.push(data.appData.source);
        return { producerId: `${this.name}-${data.appData.source}` };
      default:
        return {};
    }
  }

  say(frame) {
    setTimeout(() => this.readyState === 1 && this.onmessage?.({ data: JSON.stringify(frame) }), 1);
  }

  end(code, reason) {
    setTimeout(() => {
      if (this.readyState === 3) return;
      this.close();
      this.onclose?.({ code, reason });
    }, 3);
  }

  close() {
    this.readyState = 3;
    this.nodes.sessions.get(this.name).delete(this);
  }
}

function consumer(node) {
  const made = fake.generateConsumerRemoteParameters({ codecMimeType: 'video/VP8' });
  const { producerId, kind, rtpParameters } = made;
  const appData = { source: 'video', peerId: 'ben' };
  const consumerId = `${node}-${made.id}`;
  return { peerId: 'ben', consumerId, producerId, kind, rtpParameters, type: 'simple', producerPaused: false, appData };
}
