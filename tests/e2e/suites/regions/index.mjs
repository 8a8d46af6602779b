// Thirty people of one room in three regions, ten in each, on two nodes of each: every one sends three layers,
// five in each region speak, and all see and hear all. Then: what crosses from region to region, beside what
// somebody there wants; how soon it stops when nobody does; and how often cameras are asked for key frames when
// twenty more come at once. REGIONS_SECONDS=20 is for how long bytes are counted.

import { Meeting } from '../../lib/meeting.mjs';
import { sleep, until } from '../../lib/wait.mjs';
import { BOUNDARIES, PER_REGION, REGIONS, RegionLab } from './lab.mjs';
import { asks, demanded } from './demand.mjs';

const ROOM = 'regions';
const PEOPLE = Number(process.env.REGIONS_PEOPLE ?? 30);
const EACH = PEOPLE / REGIONS.length;
const JOINERS = 20;
/** Between two looks at how much has crossed, in ms. */
const LOOK = 100;
const SECONDS = Number(process.env.REGIONS_SECONDS ?? 20);
/** Small, so that thirty of them fit a machine: what is counted are shares. */
const CAMERA = { ladder: '20,60,150', fps: 5 };
const VOICES = Number(process.env.REGIONS_VOICES ?? 1);
/** What people of a region want of everybody: all layers are wanted somewhere, and not everywhere. */
const WISHES = [[2, 2, 0, 0], [1, 1, 0, 0], [0]];

export async function regions({ report }) {
  const lab = new RegionLab();
  const meetings = [];
  try {
    await lab.start();
    for (const [n, name] of REGIONS.entries()) {
      const options = { far: lab.fars[n], url: lab.urls(n), room: ROOM, prefix: name, people: EACH,
        voices: VOICES, prefer: WISHES[n].join(','), 'every-ms': 200, ...CAMERA };
      meetings.push(await new Meeting().start(lab.cluster, options));
    }
    await until('everybody sees everybody', 60_000, () => meetings.every(({ last }) => seesAll(last)));
    await sleep(8000);
    await shares(lab, meetings, report);
    await crossings(lab, report);
    await unused(lab, meetings, report);
    await joiners(lab, meetings, report);
  } finally {
    for (const meeting of meetings) meeting.stop();
    await lab.stop();
  }
}

function seesAll(row) {
  return pictures(row) === EACH * (PEOPLE - 1);
}

/** Streams of cameras that are seen, as far as the sums of all who see a camera tell. */
function pictures(row) {
  const seen = row?.got.filter(({ kind, streams, frames }) => kind === 'video' && frames > streams) ?? [];
  return seen.reduce((sum, { streams }) => sum + streams, 0);
}

/** Bytes on links beside the union of what somebody behind them gets. */
async function shares(lab, meetings, report) {
  const ends = [];
  for (let end = 0; end < 2; end++) {
    const at = Date.now();
    const counts = await Promise.all(BOUNDARIES.map(async ([from, to]) =>
      ({ ...(await lab.carried(from, to)), ip: lab.crossed(from, to) })));
    ends.push({ at, counts });
    if (!end) await sleep(SECONDS * 1000);
  }
  let [carried, wanted, ip] = [0, 0, 0];
  for (const [n, [from, to]] of BOUNDARIES.entries()) {
    const grown = (what) => ends[1].counts[n][what] - ends[0].counts[n][what];
    const want = demanded(meetings[from], meetings[to], ends[0].at, ends[1].at);
    const name = `${REGIONS[from]}_to_${REGIONS[to]}`;
    report.put(`${name}_demanded_kbps`, (8 * want) / (ends[1].at - ends[0].at));
    report.put(`${name}_carried_of_demanded`, grown('bytes') / want);
    [carried, wanted, ip] = [carried + grown('bytes'), wanted + want, ip + grown('ip')];
  }
  const n = `n${BOUNDARIES.length}x${SECONDS}s`;
  report.check(`carried_of_demanded_${n}`, carried / wanted, (share) => share <= 1.05, '<= 1.05');
  report.put(`ip_of_demanded_${n}`, ip / wanted);
  const losses = meetings.flatMap(({ last }) => last.got);
  const missing = losses.reduce((sum, one) => sum + one.missing, 0);
  const packets = losses.reduce((sum, one) => sum + one.packets, 0);
  report.put(`left_pct_n${packets}`, (100 * missing) / packets);
}

/** Each stream is pulled into a region by one of its nodes. */
async function crossings(lab, report) {
  let [most, streams] = [0, 0];
  for (const [from, to] of BOUNDARIES) {
    const times = new Map();
    for (const [producer] of await lab.pulls(ROOM, from, to)) {
      times.set(producer, (times.get(producer) ?? 0) + 1);
    }
    streams += times.size;
    most = Math.max(most, ...times.values());
  }
  report.check(`crossings_of_a_stream_max_n${streams}`, most, (n) => n === 1, '1');
}

/** Everybody wants the lowest layer only: when the last packet of a higher one has crossed. */
async function unused(lab, meetings, report) {
  await settle(lab, meetings, [[2], [2], [2]]);
  const before = await rates(lab, 2000);
  for (const meeting of meetings) meeting.prefer([0]);
  const [began, seen] = [performance.now(), []];
  while (performance.now() - began < 6000) {
    seen.push({ at: performance.now() - began, bytes: BOUNDARIES.map(([from, to]) => lab.crossed(from, to)) });
    await sleep(LOOK);
  }
  const after = await rates(lab, 3000);
  // The first moment after which no more crosses in a second than does in the end, with a tenth to spare.
  const stops = BOUNDARIES.map((_, n) => {
    const late = seen.findLast(({ at, bytes }) => {
      const next = seen.find((row) => row.at >= at + 1000);
      return next && (next.bytes[n] - bytes[n]) / (next.at - at) > after[n] * 1.1 + 0.5;
    });
    // A thirtieth of that second is enough to show; looks are a tenth apart.
    return (late?.at ?? -LOOK) + LOOK;
  });
  report.put('unused_kbps_before', 8 * before.reduce((a, b) => a + b, 0));
  report.put('unused_kbps_after', 8 * after.reduce((a, b) => a + b, 0));
  report.check(`unused_layers_stop_ms_max_n${stops.length}`, Math.max(...stops), (ms) => ms <= 2000, '<= 2000');
}

async function settle(lab, meetings, wishes) {
  for (const [n, meeting] of meetings.entries()) meeting.prefer(wishes[n]);
  await sleep(8000);
}

/** Bytes per ms across each boundary. */
async function rates(lab, ms) {
  const read = () => BOUNDARIES.map(([from, to]) => lab.crossed(from, to));
  const [began, before] = [performance.now(), read()];
  await sleep(ms);
  const after = read();
  return after.map((bytes, n) => (bytes - before[n]) / (performance.now() - began));
}

/** Twenty come at once, spread over all nodes, who only look and listen. */
async function joiners(lab, meetings, report) {
  await settle(lab, meetings, WISHES);
  const began = Date.now();
  const sizes = REGIONS.map((_, n) => Math.floor((JOINERS + n) / REGIONS.length));
  const guests = await Promise.all(REGIONS.map((name, n) => new Meeting().start(lab.cluster, {
    far: lab.fars[n], url: lab.urls(n), room: ROOM, prefix: `guest-${name}`, people: sizes[n], cameras: 0,
    voices: 0, 'every-ms': 100,
  })));
  await sleep(10_000);
  const told = asks(meetings, began - 500, Date.now());
  for (const guest of guests) guest.stop();
  const nodes = PER_REGION * REGIONS.length;
  report.put(`joiners_n${JOINERS}_nodes_n${nodes}_asks`, told.all);
  const good = (n) => n <= 2;
  report.check(`asks_per_producer_and_second_max_n${told.producers}`, told.most, good, '<= 2');
  report.put('asks_per_layer_and_second_max', told.mostOfLayer);
  report.put('joined_ms_max', Math.max(...guests.map(({ joinedMs }) => joinedMs)));
  report.put('all_pictures_ms_max', Math.max(...guests.map((guest, n) => {
    const row = guest.rows.find((one) => pictures(one) === sizes[n] * PEOPLE);
    return row ? row.wall_ms - began : Infinity;
  })));
  const seen = guests.every(({ last }) => last.got.filter(({ kind, frames }) => kind === 'video' && frames > 0)
    .reduce((sum, { streams }) => sum + streams, 0) >= last.got.length / 2);
  if (!seen) report.fail('some who came see not everybody');
}
