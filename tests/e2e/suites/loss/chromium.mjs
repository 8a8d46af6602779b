// One Chromium sends and another receives, each behind a lossy link of its own: Starling repairs both.

import { Browser, CAMERA } from '../../lib/browser.mjs';
import { film } from '../../lib/camera.mjs';
import { Lab } from '../../lib/lab.mjs';
import { until } from '../../lib/wait.mjs';
import { DELAY, lossy, SECONDS, SHARES } from './shares.mjs';

export async function chromiumLoss(report) {
  const lab = new Lab('loss-chromium');
  const browser = new Browser();
  try {
    await lab.start();
    const sending = await lab.another();
    const wires = [lab.wire, sending.wire];
    for (const wire of wires) await wire.set('both', DELAY);
    const { executable, flags } = lab.farBrowser(sending.far);
    const camera = { executable, flags: [...flags, ...film(CAMERA)] };
    const ada = await browser.person('ada', undefined, camera);
    const ben = await browser.person('ben', undefined, lab.farBrowser());
    for (const person of [ada, ben]) await person.page.addInitScript(keepConnections);
    await ada.open(await lab.behind('loss', 'ada', CAMERA));
    await ben.open(await lab.behind('loss', 'ben'));
    await until('ben sees ada', 30_000, async () =>
      (await ben.videos()).get('ada/video')?.framesDecoded > 5);
    const both = async () => ({ sent: await rtp(ada, 'outbound-rtp'), got: await rtp(ben, 'inbound-rtp') });
    for (const percent of SHARES) {
      judge(report, percent, await lossy(wires, percent, both));
    }
    for (const person of [ada, ben]) {
      for (const error of person.errors) report.fail(`${person.name}: ${error}`);
    }
  } finally {
    await browser.stop();
    await lab.stop();
  }
}

/** Runs in the page before it does: the page shows fewer of the browser's statistics than are needed. */
function keepConnections() {
  const connections = (window.connections = []);
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };
}

/** The browser's sums over all streams of a type, by kind. */
function rtp(person, type) {
  return person.ask(async (type) => {
    const sums = { audio: {}, video: {} };
    for (const connection of window.connections) {
      (await connection.getStats()).forEach((entry) => {
        if (entry.type !== type) return;
        const sum = sums[entry.kind];
        for (const [key, value] of Object.entries(entry)) {
          if (typeof value === 'number') sum[key] = (sum[key] ?? 0) + value;
        }
      });
    }
    return sums;
  }, type);
}

function judge(report, percent, { before, first, losing, last }) {
  const over = (side, kind, what, end = last) =>
    (end[side][kind][what] ?? 0) - (first[side][kind][what] ?? 0);
  const got = (what, end) => over('got', 'video', what, end);
  const lost = got('packetsLost', losing);
  const whole = (what) => (last.got.video[what] ?? 0) - (before.got.video[what] ?? 0);
  const packets = got('packetsReceived', losing) - got('retransmittedPacketsReceived', losing) + lost;
  const key = `loss_${percent}pct_chromium`;
  report.put(`${key}_lost_pct_n${packets}`, (100 * lost) / packets);
  // From before the first loss to after the last repair. Some came twice: less than none is left then.
  const left = Math.max(0, whole('packetsLost') - whole('retransmittedPacketsReceived'));
  const all = whole('packetsReceived');
  report.put(`${key}_left_after_repair_pct_n${all}`, (100 * left) / all);
  const minutes = SECONDS / 60;
  report.put(`${key}_freezes_per_minute_n${SECONDS}s`, got('freezeCount') / minutes);
  report.put(`${key}_frames_per_second_n${SECONDS}s`, got('framesDecoded', losing) / SECONDS);
  const bytes = got('bytesReceived', losing);
  const share = (100 * got('retransmittedBytesReceived', losing)) / bytes;
  report.put(`${key}_sent_again_to_receiver_pct_n${packets}`, share);
  const up = over('sent', 'video', 'retransmittedBytesSent', losing);
  const sent = over('sent', 'video', 'bytesSent', losing) - up;
  report.put(`${key}_sent_again_by_sender_pct`, (100 * up) / sent);
  report.put(`${key}_key_frames_asked`, got('pliCount') + got('firCount'));
  report.put(`${key}_video_kbps`, (8 * bytes) / SECONDS / 1000);
  const samples = over('got', 'audio', 'totalSamplesReceived', losing);
  const concealed = over('got', 'audio', 'concealedSamples', losing);
  report.put(`${key}_audio_concealed_pct`, (100 * concealed) / samples);
}
