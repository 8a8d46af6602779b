// A client that nobody here wrote: werift's peer connection, protoo over a plain WebSocket. One transport
// each way, data channels only, agreed on over signalling as mediasoup-client does.

import { RTCPeerConnection } from 'werift';
import WebSocket from 'ws';
import { sleep, until } from './wait.mjs';

/**
 * Bytes that may wait here before we wait. Each message that waits is a promise that werift wakes for every
 * packet it sends: with 64 KiB of short ones waiting it sends 38 a second, with one KiB 15,000.
 */
const WAITING = 1024;
/** The nodes are on loopback, which werift leaves out. */
const OPTIONS = { iceServers: [], iceAdditionalHostAddresses: ['127.0.0.1'] };

export class WeriftPeer {
  pending = new Map();
  heard = new Map();
  channels = new Map();
  transports = {};
  requests = 1;
  streams = 0;

  constructor(name) {
    this.name = name;
  }

  async join(url, roomId, token) {
    const query = new URLSearchParams({ roomId, peerId: this.name });
    if (token) query.set('token', token);
    this.socket = new WebSocket(`${url.replace(/^http/, 'ws')}/?${query}`, 'protoo');
    this.socket.on('message', (text) => void this.onFrame(JSON.parse(text)));
    await new Promise((done, failed) => this.socket.once('open', done).once('error', failed));
    for (const direction of ['producer', 'consumer']) {
      const info = await this.request('createWebRtcTransport', { appData: { direction } });
      this.transports[direction] = { info, pc: new RTCPeerConnection(OPTIONS), up: null };
    }
    await this.request('join', { displayName: this.name, device: { name: 'werift' } });
  }

  leave() {
    this.socket?.close();
    for (const { pc } of Object.values(this.transports)) void pc.close();
  }

  counted(label) {
    return this.heard.get(label) ?? { next: 0, other: 0, wrong: 0 };
  }

  async say(label, text) {
    const channel = await this.channel(label);
    while (channel.bufferedAmount > WAITING) await new Promise(setImmediate);
    channel.send(text);
  }

  /** Says the numbers below `count` on a channel, each with `padding` more characters. */
  async count(label, count, padding) {
    const rest = '.'.repeat(padding);
    for (let n = 0; n < count; n++) await this.say(label, `${n} ${rest}`);
  }

  channel(label) {
    if (!this.channels.has(label)) this.channels.set(label, this.open(label));
    return this.channels.get(label);
  }

  async open(label) {
    const transport = this.transports.producer;
    const streamId = this.streams++;
    const channel = transport.pc.createDataChannel(label, { negotiated: true, id: streamId, ordered: true });
    await this.connect(transport);
    await this.request('produceData', {
      transportId: transport.info.transportId, label, protocol: '',
      sctpStreamParameters: { streamId, ordered: true }, appData: { channel: label },
    });
    await until(`werift's channel ${label} is open`, 15_000, () => channel.readyState === 'open');
    return channel;
  }

  async listen({ label, sctpStreamParameters }) {
    const transport = this.transports.consumer;
    const options = { negotiated: true, id: sctpStreamParameters.streamId, ordered: sctpStreamParameters.ordered };
    const channel = transport.pc.createDataChannel(label, options);
    channel.onMessage.subscribe((data) => this.hear(label, data.toString()));
    await this.connect(transport);
  }

  hear(label, text) {
    const counted = this.counted(label);
    this.heard.set(label, counted);
    const number = /^(\d+) /.exec(text)?.[1];
    if (number === undefined) counted.other++;
    else if (Number(number) === counted.next) counted.next++;
    else counted.wrong++;
  }

  connect(transport) {
    transport.up ??= this.shake(transport);
    return transport.up;
  }

  /** Offer and answer; the answer is written here, from what the node says of its transport. */
  async shake({ info, pc }) {
    await pc.setLocalDescription(await pc.createOffer());
    const fingerprint = /a=fingerprint:(\S+) (\S+)/.exec(pc.localDescription.sdp);
    const [, algorithm, value] = fingerprint;
    await pc.setRemoteDescription({ type: 'answer', sdp: answer(info) });
    await this.request('connectWebRtcTransport', {
      transportId: info.transportId,
      dtlsParameters: { role: 'client', fingerprints: [{ algorithm, value }] },
    });
  }

  request(method, data) {
    const id = this.requests++;
    this.socket.send(JSON.stringify({ request: true, id, method, data }));
    return new Promise((done, failed) => this.pending.set(id, { done, failed }));
  }

  async onFrame(frame) {
    if (frame.response) {
      const { done, failed } = this.pending.get(frame.id) ?? {};
      this.pending.delete(frame.id);
      if (frame.ok) done?.(frame.data);
      else failed?.(new Error(frame.errorReason));
    } else if (frame.request) {
      const known = frame.method === 'newDataConsumer';
      if (known) await this.listen(frame.data);
      const answer = known ? { ok: true, data: {} } : { ok: false, errorCode: 404, errorReason: 'no' };
      this.socket.send(JSON.stringify({ response: true, id: frame.id, ...answer }));
    }
  }
}

function answer({ iceParameters, iceCandidates, dtlsParameters, sctpParameters }) {
  const { algorithm, value } = dtlsParameters.fingerprints.find((it) => it.algorithm === 'sha-256');
  const candidates = iceCandidates.filter(({ protocol }) => protocol === 'udp')
    .map((it) => `a=candidate:${it.foundation} 1 udp ${it.priority} ${it.ip} ${it.port} typ host`);
  return [
    'v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=ice-lite', 'a=group:BUNDLE 0',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=mid:0',
    `a=ice-ufrag:${iceParameters.usernameFragment}`, `a=ice-pwd:${iceParameters.password}`,
    `a=fingerprint:${algorithm} ${value}`, 'a=setup:passive',
    `a=sctp-port:${sctpParameters.port}`, `a=max-message-size:${sctpParameters.maxMessageSize}`,
    ...candidates, 'a=end-of-candidates', '',
  ].join('\r\n');
}
