// WHIP and WHEP from Chromium, by the text of RFC 9725 and draft-ietf-wish-whep: simulcast to a player and to
// somebody with mediasoup-client, each layer of it; candidates and ICE restarts by PATCH; a redirect to the
// room's node; coturn as the only way; and nodes that die.

import { randomBytes } from 'node:crypto';
import { Browser, CAMERA } from '../lib/browser.mjs';
import { MEDIA } from '../lib/cluster.mjs';
import { Turn, everyWay, relaysOnly } from '../lib/turn.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { HttpPerson } from '../lib/whip.mjs';

const WIDTH = Number(CAMERA.width);
const width = (layer) => WIDTH / 2 ** (2 - layer);
const PARTS = { simulcast, redirect, relay, relay_tcp: relayed('tcp'), relay_tls: relayed('tls'), deaths };
const wanted = (process.env.WHIP ?? Object.keys(PARTS).join(',')).split(',');

const turn = new Turn(randomBytes(32).toString('base64'));

/** Of every node. Pages of the first are other origins to the others. */
export const settings = {
  CORS_ORIGINS: 'http://localhost:4443',
  ICE_SERVERS: turn.urls,
  ICE_SECRET: turn.secret,
};

export async function whip({ cluster, report }) {
  await turn.start(cluster.logs);
  for (const name of wanted) {
    const browser = new Browser();
    const people = [];
    const enter = async (who) => {
      people.push(await HttpPerson.in(cluster, browser, who, { flags: [turn.flag] }));
      return people.at(-1);
    };
    try {
      await PARTS[name]({ cluster, report, browser, enter });
      console.log(`  whip: ${name} done`);
    } catch (error) {
      report.fail(`whip ${name}: ${error.message}`);
    } finally {
      for (const { person, errors } of people) {
        errors.forEach((error) => report.fail(`whip ${name}: ${person.name}: ${error}`));
      }
      await browser.stop();
    }
  }
  await turn.stop();
}

async function simulcast({ cluster, report, browser, enter }) {
  const room = 'whip-simulcast';
  const ada = await enter('ada');
  await ada.publish(0, room);
  await until('all layers are sent', 30_000, async () => {
    const { sent } = await ada.look();
    return sent.length === 3 && sent.every(({ framesSent }) => framesSent > 0);
  });
  const ben = await browser.person('ben');
  await ben.open(await cluster.page(1, room, 'ben', { audio: '0', video: '0' }));
  const cleo = await enter('cleo');
  await cleo.play(2, room);
  report.put('whip_player_first_pictures_ms', await cleo.sees(0));
  await cleo.call('listen', ['layers', 'viewercount']);
  for (const layer of [2, 0, 1, 2]) {
    const status = await cleo.call('layer', { mediaId: '1', spatialLayerId: layer });
    report.check(`whip_layer_${layer}_status`, status, (n) => n === 200, '200');
    report.put(`whip_player_layer_${layer}_ms`, await cleo.sees(width(layer)));
    await ben.prefer('ada/video', layer);
    await until(`ben sees layer ${layer}`, 20_000, async () => {
      const seen = (await ben.videos()).get('ada/video')?.frameWidth;
      if (seen !== width(layer)) throw new Error(`${seen}`);
      return true;
    });
  }
  await cleo.call('layer', { spatialLayerId: 0 });
  await cleo.sees(width(0));
  report.check('whip_no_wish_status', await cleo.call('layer', {}), (n) => n === 200, '200');
  await cleo.sees(width(2));
  const { events } = await until('events come', 5000, async () => {
    const seen = await cleo.look();
    if (seen.events.layers?.['1']?.some(({ bitrate }) => bitrate > 0)) return seen;
    throw new Error(JSON.stringify(seen.events));
  });
  report.check('whip_layers_told', new Set(events.layers['1'].map((it) => it.spatialLayerId)).size, (n) => n === 3, '3');
  report.check('whip_viewers_told', events.viewercount.viewercount, (n) => n === 1, '1');
  await patches({ report, ada, cleo });
  report.check('whip_delete_status', await ada.call('end'), (n) => n === 200, '200');
  await until('ada has left', 5000, async () => {
    const peers = await cluster.api(1, 'GET', `/v1/rooms/${room}/peers`);
    return peers.every(({ id }) => id !== 'ada');
  });
}

/** RFC 9725 §4.3: trickle, its preconditions, and a restart, on both sides. */
async function patches({ report, ada, cleo }) {
  for (const [name, person] of Object.entries({ publisher: ada, player: cleo })) {
    const trickled = (await person.look()).patches;
    report.check(`whip_${name}_trickled`, trickled.length, (n) => n > 0 && trickled.every((it) => it === 204), `204: ${trickled}`);
    const patch = async (lines, etag) => (await person.call('patch', lines, etag)).status;
    report.check(`whip_${name}_patch_without_etag`, await patch([], null), (n) => n === 428, '428');
    report.check(`whip_${name}_patch_of_another`, await patch([], '"other"'), (n) => n === 412, '412');
    const before = (await person.look()).local.ufrag;
    const { ufrag } = await person.call('restart');
    const after = await until('the new pair is in use', 10_000, async () => {
      const { local, state } = await person.look();
      if (local?.ufrag === before) throw new Error(`${state}, ${ufrag}`);
      return local?.ufrag;
    });
    report.put(`whip_${name}_restarted`, after === before ? 0 : 1);
    await cleo.sees(0);
  }
}

/** A room that is pinned to a node is joined there, whichever is asked; a browser's token goes with it. */
async function redirect({ cluster, report, enter }) {
  const room = 'whip-pinned';
  await cluster.api(0, 'POST', '/v1/rooms', { id: room });
  await cluster.api(0, 'PUT', `/v1/rooms/${room}/policy`, { pinnedNodes: ['node-3'], regions: [], maxPeers: 0, lastN: 0 });
  const [ada, cleo] = [await enter('ada'), await enter('cleo')];
  const there = cluster.nodes[2].url;
  for (const [name, made] of [['publish', await ada.publish(1, room)], ['play', await cleo.play(0, room)]]) {
    const right = made.redirected && made.posted.startsWith(there) && made.url.startsWith(there);
    report.check(`whip_${name}_redirected`, right ? 1 : 0, (n) => n === 1, `1: ${made.posted}`);
  }
  report.put('whip_redirected_first_pictures_ms', await cleo.sees(0));
}

/** Nothing but coturn's relays reaches the nodes: publisher, player, and mediasoup-client in the page. */
async function relay({ cluster, report, browser, enter }) {
  const room = 'whip-relay';
  relaysOnly(MEDIA, 'udp');
  try {
    const ada = await enter('ada');
    await ada.publish(0, room);
    const cleo = await enter('cleo');
    await cleo.play(1, room);
    report.put('whip_relayed_first_pictures_ms', await cleo.sees(0, 30_000));
    const before = await cleo.look();
    await sleep(5000);
    const after = await cleo.look();
    const frames = after.video.framesDecoded - before.video.framesDecoded;
    report.check('whip_relayed_frames_5s', frames, (n) => n >= 30, '>= 30');
    const sound = after.audio.packetsReceived - before.audio.packetsReceived;
    report.check('whip_relayed_sound_packets_5s', sound, (n) => n >= 150, '>= 150');
    for (const person of [ada, cleo]) {
      const { local } = await person.look();
      report.check(`whip_${person.person.name}_is_relayed`, local?.type === 'relay' ? 1 : 0, (n) => n === 1, `1: ${local?.type}`);
    }
    const ben = await browser.person('ben');
    await ben.open(await cluster.page(1, room, 'ben', { audio: '0', video: '0' }));
    await until('ben sees ada over mediasoup-client', 30_000, async () => {
      const seen = (await ben.videos()).get('ada/video');
      return seen?.framesDecoded > 20;
    });
  } finally {
    report.check('whip_packets_besides_relays', everyWay(), (n) => n > 0, '> 0');
  }
}

/** The same, where not even UDP to the TURN server gets through: over TCP, or over TLS alone. */
function relayed(way) {
  return async ({ cluster, report, enter }) => {
    const room = `whip-relay-${way}`;
    relaysOnly(MEDIA, way);
    try {
      const [ada, cleo] = [await enter('ada'), await enter('cleo')];
      await ada.publish(0, room, { simulcast: false });
      await cleo.play(1, room);
      report.put(`whip_relayed_${way}_first_pictures_ms`, await cleo.sees(0, 40_000));
      const before = await cleo.look();
      await sleep(3000);
      const frames = (await cleo.look()).video.framesDecoded - before.video.framesDecoded;
      report.check(`whip_relayed_${way}_frames_3s`, frames, (n) => n >= 18, '>= 18');
      for (const person of [ada, cleo]) {
        const { local } = await person.look();
        const right = local?.type === 'relay' && local.way === way;
        report.check(`whip_${person.person.name}_is_relayed_by_${way}`, right ? 1 : 0, (n) => n === 1, `1: ${local?.type} ${local?.way}`);
      }
    } finally {
      report.check(`whip_packets_besides_${way}`, everyWay(), (n) => n > 0, '> 0');
    }
  };
}

/** Who loses its node POSTs to another. A player goes on by itself when its publisher did so. */
async function deaths({ cluster, report, enter }) {
  const room = 'whip-deaths';
  const [ada, cleo] = [await enter('ada'), await enter('cleo')];
  await ada.publish(2, room);
  await cleo.play(1, room);
  await cleo.sees(0);
  const kill = async (node, person) => {
    const began = performance.now();
    await cluster.children[node].kill();
    await until(`${person.person.name} notices`, 40_000, async () => (await person.look()).state !== 'connected');
    report.put(`whip_${person.person.name}_notices_ms`, performance.now() - began);
    return began;
  };
  let began = await kill(2, ada);
  await ada.publish(0, room);
  await cleo.sees(0, 30_000);
  report.put('whip_publisher_moved_ms', performance.now() - began);
  began = await kill(1, cleo);
  await cleo.play(0, room);
  await cleo.sees(0, 30_000);
  report.put('whip_player_moved_ms', performance.now() - began);
}
