// A call with mediasoup-client over the server's own words: POST what you want, and an event stream that tells what
// others do. See ../server.mjs.

import { Device } from 'mediasoup-client';

const { room = 'demo', name = 'somebody' } = Object.fromEntries(new URLSearchParams(location.search));
const me = {};

async function ask(what, body) {
  const answer = await fetch(`/${what}`, { method: 'POST', body: JSON.stringify({ ...body, session: me.session }) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

/** mediasoup-client says when the other side has to know something. */
function wire(transport) {
  transport.on('connect', ({ dtlsParameters }, done, failed) =>
    ask('connect', { transport: transport.id, dtlsParameters }).then(done, failed));
  transport.on('produce', ({ kind, rtpParameters, appData }, done, failed) =>
    ask('produce', { transport: transport.id, kind, rtpParameters, appData })
      .then(({ producerId }) => done({ id: producerId }), failed));
  return transport;
}

const seen = new Map();

/** Somebody sends something: take it, show it, and let it begin. */
async function consume(producerId) {
  if (seen.has(producerId)) return;
  seen.set(producerId, null);
  const made = await ask('consume', { transport: me.receive.id, producerId, rtpCapabilities: me.device.recvRtpCapabilities });
  const { consumerId: id, kind, rtpParameters, peerId } = made;
  const consumer = await me.receive.consume({ id, producerId, kind, rtpParameters, streamId: peerId });
  if (!seen.has(producerId)) return consumer.close();
  const element = document.createElement(kind);
  Object.assign(element, { autoplay: true, playsInline: true, srcObject: new MediaStream([consumer.track]) });
  element.dataset.peer = peerId;
  document.querySelector('main').append(element);
  seen.set(producerId, { consumer, element });
  await ask('resume', { consumer: id });
}

function ended(producerId) {
  const gone = seen.get(producerId);
  seen.delete(producerId);
  gone?.consumer.close();
  gone?.element.remove();
}

async function start() {
  const { session, peer, routerRtpCapabilities, send, receive } = await ask('join', { room, name });
  me.session = session;
  me.device = await Device.factory();
  await me.device.load({ routerRtpCapabilities });
  me.send = wire(me.device.createSendTransport(send));
  me.receive = wire(me.device.createRecvTransport(receive));

  const events = new EventSource(`/events?session=${session}`);
  events.onmessage = async ({ data }) => {
    const { type, peer: whose, producer } = JSON.parse(data);
    if (type === 'track.published' && whose !== peer) consume(producer).catch(console.error);
    if (type === 'track.unpublished') ended(producer);
    // The stream has just begun, or has a gap: who is here?
    if (type !== 'again') return;
    for (const { id, producers } of await ask('peers', {})) {
      if (id !== peer) producers.forEach((other) => consume(other.id).catch(console.error));
    }
  };

  const camera = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  document.querySelector('#own').srcObject = camera;
  for (const track of camera.getTracks()) {
    const encodings = track.kind === 'video' ? [4, 2, 1].map((scaleResolutionDownBy) => ({ scaleResolutionDownBy })) : undefined;
    await me.send.produce({ track, encodings, appData: { source: track.kind } });
  }
}

start().catch((error) => { document.querySelector('h1').textContent = error.message; });
