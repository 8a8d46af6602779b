// Four people on three nodes: everybody sees and hears everybody, at each layer, without a freeze, and
// with losses, too.

import { join } from 'node:path';
import { Browser, CAMERA } from '../lib/browser.mjs';
import { MEDIA } from '../lib/cluster.mjs';
import { lose, loseNothing } from '../lib/namespace.mjs';
import { reports } from '../lib/paths.mjs';
import { percentile } from '../lib/report.mjs';
import { sleep, until } from '../lib/wait.mjs';

const SECONDS = Number(process.env.E2E_SECONDS ?? 30);
/** Streams need a moment after a change of layers or losses until they flow evenly. */
const SETTLE = 3000;
const WIDTH = Number(CAMERA.width);

/** @param {object} at cluster, its name, the codec and the report */
export async function call({ cluster, name, codec, report, losses = 2, kill = false }) {
  const browser = new Browser();
  const key = `${name}_${codec}`;
  try {
    const people = await join4(cluster, browser, codec, `call-${key}`);
    await everybodySees(people);
    console.log(`  ${key}: everybody sees everybody`);
    await layers(people, report, key);
    await steady(people, report, key, 500);
    await hears(people, report, key, codec);
    await picture(people, `e2e-${key}.png`);
    if (losses > 0) {
      lose(losses, MEDIA);
      try {
        await steady(people, report, `${key}_loss${losses}pct`, 1000);
      } finally {
        report.put(`${key}_loss${losses}pct_datagrams_dropped`, loseNothing());
      }
    }
    if (kill) await killButton(cluster, people, report, key);
    for (const person of people) {
      for (const error of person.errors) report.fail(`${key}: ${person.name}: ${error}`);
    }
  } finally {
    await browser.stop();
  }
}

async function join4(cluster, browser, codec, room) {
  const names = ['ada', 'ben', 'cleo', 'dan'];
  const people = [];
  for (const [n, name] of names.entries()) {
    const person = await browser.person(name);
    const node = n % cluster.nodes.length;
    await person.open(await cluster.page(node, room, name, { ...CAMERA, codec }));
    people.push(person);
  }
  return people;
}

/** Waits until each page decodes each other's video. */
export async function everybodySees(people, senders = people, within = 30_000) {
  for (const person of people) {
    await until(`${person.name} sees all others`, within, async () => {
      const videos = await person.videos();
      const wanted = senders.filter((sender) => sender !== person);
      const missing = wanted.filter((sender) => {
        const video = videos.get(`${sender.name}/video`);
        return !video || video.framesDecoded < 5;
      });
      if (missing.length) throw new Error(`misses ${missing.map((sender) => sender.name)}`);
      return true;
    });
  }
}

/** Asks for each layer of each stream and waits until its size arrives. */
async function layers(people, report, key) {
  const times = [];
  let wanted = 0;
  for (const [layer, width] of [[0, WIDTH / 4], [1, WIDTH / 2], [2, WIDTH]]) {
    const began = performance.now();
    await Promise.all(people.map(async (person) => {
      const missing = new Set((await person.videos()).keys());
      wanted += missing.size;
      for (const stream of missing) await person.prefer(stream, layer);
      await until(`${person.name} gets layer ${layer} of ${[...missing]}`, 15_000, async () => {
        for (const [stream, { frameWidth }] of await person.videos()) {
          if (frameWidth !== width || !missing.delete(stream)) continue;
          times.push(performance.now() - began);
        }
        return missing.size === 0;
      }).catch((error) => report.fail(`${key}: ${error.message}`));
    }));
  }
  const n = times.length;
  report.check(`${key}_layers_reached_of_${wanted}`, n, (n) => n === wanted, `${wanted}`);
  report.put(`${key}_layer_change_ms_p50_n${n}`, percentile(times, 50));
  report.put(`${key}_layer_change_ms_max_n${n}`, Math.max(...times));
}

/** Nothing freezes for `SECONDS`. */
async function steady(people, report, key, most) {
  await sleep(SETTLE);
  const before = await Promise.all(people.map((person) => person.videos()));
  await Promise.all(people.map((person) => person.resetGaps()));
  await sleep(SECONDS * 1000);
  const gaps = await Promise.all(people.map((person) => person.gaps()));
  const after = await Promise.all(people.map((person) => person.videos()));
  const frames = [];
  const longest = [];
  let lost = 0;
  for (const [n, person] of people.entries()) {
    for (const other of people.filter((other) => other !== person)) {
      const stream = `${other.name}/video`;
      const [was, is] = [before[n].get(stream), after[n].get(stream)];
      frames.push(is && was ? is.framesDecoded - was.framesDecoded : 0);
      lost += is && was ? is.packetsLost - was.packetsLost : 0;
      longest.push(gaps[n].gaps[stream] ?? SECONDS * 1000);
    }
  }
  const least = SECONDS * Number(CAMERA.fps) * 0.5;
  const n = frames.length;
  report.check(`${key}_frames_decoded_min_n${n}`, Math.min(...frames), (x) => x >= least, `>= ${least}`);
  const worst = Math.max(...longest);
  if (!report.check(`${key}_gap_ms_max_n${n}`, worst, (x) => x < most, `< ${most}`)) {
    await explain(people, most);
  }
  report.put(`${key}_packets_lost`, lost);
  report.put(`${key}_page_stall_ms_max`, Math.max(...gaps.map((gap) => gap.stallMs)));
  console.log(`  ${key}: longest gap ${Math.round(Math.max(...longest))} ms in ${SECONDS} s`);
}

/** Prints what each page noted around its silences. */
export async function explain(people, least) {
  for (const person of people) {
    for (const { stream, at, ms, events } of await person.silences(least)) {
      console.log(`    ${person.name} saw nothing of ${stream} for ${Math.round(ms)} ms at `
        + `${Math.round(at)}:\n      ${events.join('\n      ')}`);
    }
  }
}

/** Audio of each other carries energy, and the codec is the one that was asked for. */
async function hears(people, report, key, codec) {
  const energies = [];
  for (const person of people) {
    const before = await person.stats();
    await sleep(2500);
    const after = await person.stats();
    for (const other of people.filter((other) => other !== person)) {
      const of = (stats) => stats.consumers.find(
        (stream) => stream.kind === 'audio' && stream.peerId === other.name);
      const grown = (of(after)?.totalAudioEnergy ?? 0) - (of(before)?.totalAudioEnergy ?? 0);
      energies.push(grown);
      const video = after.consumers.find(
        (stream) => stream.kind === 'video' && stream.peerId === other.name);
      if (video?.codec.toLowerCase() !== `video/${codec}`) {
        report.fail(`${key}: ${person.name} gets ${other.name} as ${video?.codec}`);
      }
    }
  }
  // Silence has 0; the fake microphone's beep gives about 0.2 in a second.
  const name = `${key}_audio_energy_min_n${energies.length}`;
  report.check(name, Math.min(...energies), (x) => x > 0.01, '> 0.01');
}

/** A person kills a node with the page's button, and goes on seeing who was on it. */
async function killButton(cluster, people, report, key) {
  const [ada, ben] = people;
  await ada.page.setViewportSize({ width: 1280, height: 800 });
  await ada.page.click('button[aria-label="Nodes"]', { timeout: 5000 });
  await ben.ask((stream) => window.starling.follow(stream), `${ada.name}/video`);
  await sleep(1000);
  const node = cluster.nodes[1].id;
  await Promise.all([ada.resetGaps(), ben.resetGaps()]);
  await ada.page.click(`[aria-label="Kill ${node}"]`, { timeout: 5000 });
  await until(`${ben.name} is on another node`, 15_000, async () => (await ben.stats()).node !== node);
  await sleep(2500);
  await ada.page.screenshot({ path: join(reports, `e2e-${key}-killed.png`) });
  const gap = (await ada.gaps()).gaps[`${ben.name}/video`];
  report.check(`${key}_kill_button_gap_ms`, gap, (ms) => ms < 2000, '< 2000');
  // Who was on it sees the others again: in the page's tiles, and in media that a page sets up once.
  const { gaps: seen } = await ben.gaps();
  const own = seen[`${ada.name}/video`];
  const media = seen[`media:${ada.name}/video`];
  report.check(`${key}_kill_button_own_gap_ms`, own, (ms) => ms < 1500, '< 1500');
  report.check(`${key}_kill_button_media_gap_ms`, media, (ms) => ms < 1500, '< 1500');
  console.log(`  ${key}: ${node} killed, ${Math.round(gap)} ms without ${ben.name}, who saw nothing of `
    + `${ada.name} for ${Math.round(own)} ms, ${Math.round(media)} ms in media set up once`);
}

async function picture([person], file) {
  await person.page.setViewportSize({ width: 1280, height: 800 });
  await sleep(1500);
  await person.page.screenshot({ path: join(reports, file) });
  await person.page.setViewportSize({ width: 560, height: 360 });
}
