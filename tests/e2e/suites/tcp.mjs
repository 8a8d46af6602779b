// A network that lets no UDP through: two people on two nodes see and hear each other over TCP. Afterwards
// somebody whose UDP comes through uses that.

import { Browser, CAMERA } from '../lib/browser.mjs';
import { MEDIA } from '../lib/cluster.mjs';
import { lose, loseNothing } from '../lib/namespace.mjs';
import { sleep } from '../lib/wait.mjs';
import { everybodySees } from './call.mjs';

const SECONDS = Number(process.env.E2E_SECONDS ?? 20);
const ROOM = 'tcp';

export async function tcp({ cluster, report }) {
  const browser = new Browser();
  try {
    lose(100, MEDIA);
    const people = [];
    const began = performance.now();
    for (const [node, name] of ['ada', 'ben'].entries()) {
      const person = await browser.person(name);
      await person.open(await cluster.page(node, ROOM, name, CAMERA));
      people.push(person);
    }
    await everybodySees(people);
    report.put('tcp_seconds_to_first_pictures', (performance.now() - began) / 1000);
    await steady(cluster, people, report);
    const streams = await figure(cluster, 'starling_tcp_connections');
    report.check('tcp_streams_of_two_people', streams, (n) => n >= 4, '>= 4');
    report.check('tcp_udp_datagrams_dropped', loseNothing(), (n) => n > 0, '> 0');
    await udpFirst(cluster, browser, people, report);
    for (const person of people) {
      for (const error of person.errors) report.fail(`tcp: ${person.name}: ${error}`);
    }
  } finally {
    await browser.stop();
  }
}

/** Pictures and sound go on, all of it over TCP. */
async function steady(cluster, people, report) {
  await sleep(3000);
  const udp = await figure(cluster, 'starling_udp_datagrams_received_total');
  const sent = await figure(cluster, 'starling_tcp_datagrams_sent_total');
  const before = await Promise.all(people.map((person) => person.stats()));
  await Promise.all(people.map((person) => person.resetGaps()));
  await sleep(SECONDS * 1000);
  const gaps = await Promise.all(people.map((person) => person.gaps()));
  const after = await Promise.all(people.map((person) => person.stats()));
  for (const [n, person] of people.entries()) {
    const other = people[1 - n].name;
    const of = (stats, kind) => stats.consumers.find((stream) => stream.kind === kind);
    const frames = of(after[n], 'video').framesDecoded - of(before[n], 'video').framesDecoded;
    const least = SECONDS * Number(CAMERA.fps) * 0.5;
    report.check(`tcp_${person.name}_frames`, frames, (n) => n >= least, `>= ${least}`);
    const sound = of(after[n], 'audio').packetsReceived - of(before[n], 'audio').packetsReceived;
    report.check(`tcp_${person.name}_sound_packets`, sound, (n) => n > SECONDS * 30, '30 a second');
    report.put(`tcp_${person.name}_longest_freeze_ms`, gaps[n].gaps[`${other}/video`] ?? 0);
  }
  const more = await figure(cluster, 'starling_tcp_datagrams_sent_total') - sent;
  report.check('tcp_datagrams_sent', more, (n) => n > SECONDS * 50, '> 50 a second');
  const got = await figure(cluster, 'starling_udp_datagrams_received_total') - udp;
  report.check('tcp_udp_datagrams_received', got, (n) => n === 0, '0');
}

async function udpFirst(cluster, browser, people, report) {
  const streams = await figure(cluster, 'starling_tcp_connections');
  const before = await figure(cluster, 'starling_udp_datagrams_sent_total');
  const cleo = await browser.person('cleo');
  await cleo.open(await cluster.page(0, ROOM, 'cleo', CAMERA));
  await everybodySees([cleo], [...people, cleo]);
  await sleep(3000);
  const sent = await figure(cluster, 'starling_udp_datagrams_sent_total') - before;
  report.check('tcp_udp_used_where_it_comes_through', sent, (n) => n > 100, '> 100');
  report.put('tcp_streams_beside_it', await figure(cluster, 'starling_tcp_connections') - streams);
}

/** A figure of all nodes, once the workers have told it. */
async function figure(cluster, name) {
  await sleep(600);
  const texts = await Promise.all(cluster.nodes.map((_, n) => cluster.api(n, 'GET', '/metrics')));
  const values = texts.flatMap((text) =>
    [...text.matchAll(new RegExp(`^${name}\\{.*\\} (.*)$`, 'gm'))].map((hit) => Number(hit[1])));
  return values.reduce((sum, value) => sum + value, 0);
}
