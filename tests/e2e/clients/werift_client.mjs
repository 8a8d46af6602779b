// werift (WebRTC in TypeScript) as a WHIP publisher or a WHEP player. It has no encoders: the publisher
// takes VP8 and Opus as RTP on two UDP ports, for which any encoder does; the player counts packets and
// frames (packets with the marker bit).
//
//     werift_client.mjs publish URL SECONDS VIDEO_PORT AUDIO_PORT
//     werift_client.mjs play URL SECONDS VIDEO:AUDIO
//
// A publisher goes on until SIGTERM, a player until it has so many frames and packets of sound, both SECONDS
// at most. Prints one line of JSON.

import { createSocket } from 'node:dgram';
import {
  MediaStreamTrack, RTCPeerConnection, useOPUS, useSdesMid, useVP8,
} from 'werift';

const [what, url, seconds, ...rest] = process.argv.slice(2);
const counts = { audio: 0, video: 0, frames: 0 };
let finish;
const finished = new Promise((done) => { finish = done; });

const peer = new RTCPeerConnection({
  iceServers: [],
  iceAdditionalHostAddresses: ['127.0.0.1'],
  bundlePolicy: 'max-bundle',
  codecs: { audio: [useOPUS()], video: [useVP8()] },
  headerExtensions: { audio: [useSdesMid()], video: [useSdesMid()] },
});

function inlet(kind, port) {
  const track = new MediaStreamTrack({ kind });
  const socket = createSocket('udp4');
  socket.on('message', (packet) => {
    if (packet.length < 12) return;
    counts[kind] += 1;
    if (packet[1] & 0x80) counts.frames += kind === 'video' ? 1 : 0;
    track.writeRtp(packet);
  });
  socket.bind(Number(port), '127.0.0.1');
  return track;
}

if (what === 'publish') {
  peer.addTransceiver(inlet('audio', rest[1]), { direction: 'sendonly' });
  peer.addTransceiver(inlet('video', rest[0]), { direction: 'sendonly' });
  process.on('SIGTERM', finish);
} else {
  const [frames, audio] = rest[0].split(':').map(Number);
  for (const kind of ['audio', 'video']) {
    peer.addTransceiver(kind, { direction: 'recvonly' }).onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe((rtp) => {
        counts[kind] += 1;
        if (kind === 'video' && rtp.header.marker) counts.frames += 1;
        if (counts.frames >= frames && counts.audio >= audio) finish();
      });
    });
  }
  // A decoder would ask by itself.
  setInterval(() => {
    for (const receiver of peer.getReceivers()) {
      if (receiver.kind === 'video' && !counts.frames) {
        receiver.tracks.forEach((track) => receiver.sendRtcpPLI(track.ssrc).catch(() => {}));
      }
    }
  }, 1000).unref();
}

await peer.setLocalDescription(await peer.createOffer());
const answer = await fetch(url, {
  method: 'POST',
  headers: { 'content-type': 'application/sdp' },
  body: peer.localDescription.sdp,
});
if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
setTimeout(finish, Number(seconds) * 1000);
await finished;
counts.state = peer.connectionState;
await fetch(answer.headers.get('location'), { method: 'DELETE' });
console.log(JSON.stringify(counts));
process.exit(0);
