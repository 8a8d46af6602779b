// The console's pure parts: no browser needed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load as fromClient } from '../../client/test/load.mjs';

const load = (file) => fromClient(`../../console/src/${file}`);

const { JOINING_FOR, LEFT_FOR, LOST_FOR, MAX_GONE, byName, remember } = await load('known.ts');
const { MAX_POINTS, Series, ceiling } = await load('series.ts');
const { ENOUGH, Rates, between, lines, lossOf, lossOfAll } = await load('rates.ts');
const { grade, gradeLoad, gradeScore, worse } = await load('grade.ts');
const { layout } = await load('layout.ts');
const { Reader } = await load('sse.ts');
const format = await load('format.ts');
const { following } = await load('api.ts');
const { fragment } = await load('session.ts');
const { pause } = await load('poll.ts');
const { read: route } = await load('route.ts');
const { fits, happened } = await load('feed.ts');
const { latencyOf } = await load('latency.ts');
const { doorOf, elsewhere } = await load('doors.ts');

const node = (id, more = {}) => ({
  id, epoch: 1, region: '', state: 'up', cordoned: false, here: false, linked: true,
  load: { peers: 2 }, ...more,
});
const faces = (known) => Object.fromEntries([...known].map(([id, { face }]) => [id, face]));

test('a node that nobody reaches, or that is told no more, is lost, and is shown for a while', () => {
  const all = [node('node-1', { here: true, linked: false }), node('node-2'), node('node-10')];
  let known = remember(new Map(), all, 0);
  assert.deepEqual(faces(known), { 'node-1': 'up', 'node-2': 'up', 'node-10': 'up' });
  assert.deepEqual([...known.keys()], ['node-1', 'node-2', 'node-10']);
  known = remember(known, [all[0], node('node-2', { linked: false }), all[2]], 500);
  assert.equal(faces(known)['node-2'], 'lost');
  known = remember(known, [all[0], all[2]], 1000);
  assert.equal(known.get('node-2').face, 'lost');
  assert.equal(known.get('node-2').since, 500);
  known = remember(known, [all[0], all[2]], 500 + LOST_FOR);
  assert.equal(known.has('node-2'), false);
});

test('a node that is new, or in a new life, joins until there is a link', () => {
  let known = remember(new Map(), [node('a', { linked: false })], 0);
  assert.equal(faces(known).a, 'joining');
  known = remember(known, [node('a', { linked: false })], 500);
  assert.equal(faces(known).a, 'joining');
  assert.equal(faces(remember(known, [node('a', { linked: false })], JOINING_FOR)).a, 'lost', 'nobody ever reached it');
  known = remember(known, [node('a')], 1000);
  assert.equal(faces(known).a, 'up');
  known = remember(known, [node('a', { linked: false, epoch: 2 })], 1500);
  assert.equal(faces(known).a, 'joining');
});

test('three regions are apart, in the picture, and what is between the outer ones does not cross the one between', () => {
  const all = ['eu', 'us', 'ap'].flatMap((region) => [1, 2, 3, 4].map((n) => ({ id: `${region}-${n}`, region })));
  for (const [width, height] of [[857, 428], [330, 396]]) {
    const { areas, spots } = layout(all, width, height);
    for (const { x, y, r } of areas) {
      assert.ok(x - r >= 0 && x + r <= width && y - r >= 0 && y + r <= height, `${width}`);
      for (const other of areas) {
        if (other.x !== x || other.y !== y) assert.ok(Math.hypot(x - other.x, y - other.y) >= r + other.r, `${width}`);
      }
    }
    assert.equal(spots.size, 12);
  }
  const { areas: [left, { region }, right], spots } = layout(all, 857, 428);
  const between = [...spots.values()].filter(({ id }) => id.startsWith(region));
  assert.ok(left.y === right.y && between.every(({ y, r }) => y + r < left.y));
});

test('a node that was emptied before it went has left, and one with people on it is lost', () => {
  const draining = { state: 'draining', load: { peers: 0 } };
  let known = remember(new Map(), [node('a', draining), node('b', { ...draining, load: { peers: 3 } }),
    node('c', { state: 'draining', cordoned: true })], 0);
  assert.deepEqual(faces(known), { a: 'draining', b: 'draining', c: 'cordoned' });
  known = remember(known, [], 500);
  assert.deepEqual(faces(known), { a: 'left', b: 'lost', c: 'lost' });
  known = remember(known, [], 500 + LEFT_FOR);
  assert.deepEqual(faces(known), { b: 'lost', c: 'lost' });
});

test('nodes that are gone are remembered up to a bound', () => {
  const many = Array.from({ length: MAX_GONE + 50 }, (_, n) => node(`n${n}`));
  const known = remember(remember(new Map(), many, 0), [node('here', { here: true })], 500);
  assert.equal(known.size, MAX_GONE + 1);
  assert.equal(byName('node-2', 'node-10') < 0, true);
});

test('a series keeps the whole time in bounded memory, and means stay means', () => {
  const series = new Series();
  for (let second = 0; second < 10_000; second++) series.add(second * 1000, second % 2 ? 10 : 0);
  assert.ok(series.points.length < MAX_POINTS);
  assert.equal(series.points[0].at, 0);
  assert.ok(series.points.at(-1).at > 9_900_000);
  for (const { value } of series.points) assert.ok(Math.abs(value - 5) < 0.7, String(value));
  assert.equal(series.step, 32_000);
});

test('what is not known is a gap in a series, not a zero', () => {
  const series = new Series();
  [3, null, null, 4, 5].forEach((value, second) => series.add(second * 1000, value));
  assert.deepEqual(series.points.map(({ value }) => value), [3, Number.NaN, Number.NaN, 4]);
  assert.deepEqual(series.summary(), { last: 4, max: 4, mean: 3.5 });
  assert.equal(ceiling(0), 1);
  assert.deepEqual([0.3, 1, 7, 1.2e6].map(ceiling), [0.5, 1, 10, 2e6]);
});

const link = (from, to, more = {}) => ({
  from, to, rttMs: 2, rttP99Ms: 4, packetsSent: 0, bytesSent: 0, quicPacketsLost: 0, shedVideo: 0,
  shedAudio: 0, ...more,
});

test('a way is what was counted between two looks, and a link that came anew begins at zero', () => {
  const rates = new Rates();
  rates.look([link('a', 'b', { packetsSent: 100, bytesSent: 1000 })], 1000);
  const later = link('a', 'b', { packetsSent: 195, bytesSent: 126_000, quicPacketsLost: 5, shedVideo: 4 });
  assert.deepEqual(rates.look([later], 3000).get('a>b'), { bps: 500_000, loss: 0.05, shed: 2 });
  assert.equal(rates.look([link('a', 'b', { packetsSent: 10, bytesSent: 100 })], 5000).get('a>b').bps, 0);
  const few = between(link('a', 'b'), link('a', 'b', { packetsSent: ENOUGH - 2, quicPacketsLost: 1 }), 1);
  assert.equal(few.loss, null);
});

test('both ends of a link are one line, whose loss is that of its worse way', () => {
  const ways = new Map([['b>a', { bps: 10, loss: 0.03, shed: 0 }], ['a>b', { bps: 30, loss: 0.01, shed: 1 }]]);
  const pipe = { room: 'r', from: 'b', to: 'a' };
  const [line, ...rest] = lines([link('b', 'a', { rttMs: 9 }), link('a', 'b')], ways, [pipe, { ...pipe, from: undefined }]);
  assert.equal(rest.length, 0);
  assert.deepEqual([line.a, line.b, line.there.bps, line.back.bps, line.rttMs], ['a', 'b', 30, 10, 9]);
  assert.deepEqual(line.pipes, [pipe]);
  assert.equal(lossOf(line), 0.03);
  assert.equal(lossOfAll([line]), (0.03 * 10 + 0.01 * 30) / 40);
  assert.equal(lossOfAll([]), null);
});

test('grades are the bounds that the legend names', () => {
  assert.deepEqual([grade(null, 1), grade(0.004, 149), grade(0.005, 1), grade(0, 150), grade(0.02, 0), grade(0, 300)],
    ['good', 'good', 'fair', 'fair', 'poor', 'poor']);
  assert.deepEqual([0.79, 0.8, 0.95].map(gradeLoad), ['good', 'fair', 'poor']);
  assert.deepEqual([10, 7, 4].map(gradeScore), ['good', 'fair', 'poor']);
  assert.equal(worse('good', 'fair'), 'fair');
});

for (const [count, regions] of [[1, 1], [2, 1], [3, 1], [12, 3], [32, 1], [40, 5]]) {
  test(`${count} nodes in ${regions} regions are inside the map and do not cover each other`, () => {
    const all = Array.from({ length: count }, (_, n) => ({ id: `n${n}`, region: `r${n % regions}` }));
    for (const [width, height] of [[900, 450], [330, 300]]) {
      const { spots, areas } = layout(all, width, height);
      assert.equal(spots.size, count);
      assert.equal(areas.length, regions === 1 ? 0 : regions);
      const placed = [...spots.values()];
      for (const [at, { x, y, r }] of placed.entries()) {
        assert.ok(x - r >= 0 && x + r <= width && y - r >= 0 && y + r <= height, `${x} ${y} ${r}`);
        for (const other of placed.slice(at + 1)) {
          const apart = Math.hypot(x - other.x, y - other.y);
          assert.ok(width < 400 || apart > r + other.r, `${apart} of ${r + other.r}`);
        }
      }
    }
  });
}

test('events are read however their text is cut, and what is no event is left out', () => {
  const text = ': hello\n\nevent: observed\nid: 7\ndata: {"a":1}\n\nretry: 5\n\ndata: x\ndata: y\r\n\r\n';
  const whole = [{ event: 'observed', data: '{"a":1}' }, { event: 'message', data: 'x\ny' }];
  assert.deepEqual(new Reader().take(text), whole);
  const reader = new Reader();
  assert.deepEqual(reader.take('id: 9\n\n'), []);
  assert.equal(reader.last, '9');
  assert.deepEqual([...text].flatMap((letter) => reader.take(letter)), whole);
  const endless = new Reader();
  for (let n = 0; n < 400; n++) endless.take('x'.repeat(1000));
  assert.ok(endless.held.length < 300_000);
});

test('figures are short, and what is unknown is a dash', () => {
  assert.deepEqual([0, 950, 999_499, 999_600, 1.25e7, 2.5e9, Number.NaN].map(format.bitrate),
    ['0 kb/s', '1 kb/s', '999 kb/s', '1.0 Mb/s', '13 Mb/s', '2.50 Gb/s', '–']);
  assert.deepEqual([0, 999, 9_994, 12_340, 2e6].map(format.count), ['0', '999', '9994', '12.3 k', '2.0 M']);
  assert.deepEqual([null, 0, 0.0005, 0.034, 0.5].map(format.share), ['–', '0 %', '< 0.1 %', '3.4 %', '50 %']);
  assert.deepEqual([undefined, 0.05, 3.14, 42, 12_000].map(format.millis), ['–', '< 0.1 ms', '3.1 ms', '42 ms', '12 s']);
  assert.equal(format.many(1, 'room'), '1 room');
});

test('a token in the fragment is taken out of it, and the page behind it stays', () => {
  assert.deepEqual(fragment('#token=a%26b%25'), { token: 'a&b%', rest: '' });
  assert.deepEqual(fragment('#token=a%&/rooms/x'), { token: 'a%', rest: '#/rooms/x' });
  assert.deepEqual(fragment('#/rooms'), { token: null, rest: '#/rooms' });
  assert.deepEqual(fragment(''), { token: null, rest: '' });
});

test('an address is a page, whatever is in its names', () => {
  assert.deepEqual(route(''), { page: 'cluster' });
  assert.deepEqual(route('#/nodes/node-1'), { page: 'node', id: 'node-1' });
  assert.deepEqual(route('#/rooms/a%2Fb'), { page: 'room', id: 'a/b' });
  assert.deepEqual(route('#/rooms?node=n%201'), { page: 'rooms', node: 'n 1' });
  assert.deepEqual(route('#/rooms/%'), { page: 'room', id: '%' });
  assert.deepEqual(route('#/elsewhere'), { page: 'unknown' });
});

test('a list goes on where its Link header says', () => {
  assert.equal(following('</v1/rooms?cursor=abc>; rel="next"'), '/v1/rooms?cursor=abc');
  assert.equal(following('</a>; rel="prev", </b>; rel="next"'), '/b');
  assert.equal(following(''), null);
});

test('a node that does not answer is asked more and more seldom', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map(pause), [0, 500, 1000, 2000, 4000, 8000, 8000]);
});

test('an event is a line of words that can be looked for', () => {
  const told = { id: 'node-1.1.2', at: '2026-11-30T04:05:06.789Z', by: 'node-1', type: 'peer.moved',
    room: 'r', peer: 'ada', from: 'node-1', to: 'node-2' };
  const event = happened(JSON.stringify(told), 7);
  assert.deepEqual(event, { number: 7, id: told.id, at: Date.parse(told.at), type: 'peer.moved', by: 'node-1', room: 'r', peer: 'ada',
    more: 'from node-1 · to node-2' });
  assert.ok(fits(event, '') && fits(event, 'PEER ada') && fits(event, 'node-2 -joined') && fits(event, '-'));
  assert.ok(!fits(event, 'ben') && !fits(event, 'peer -moved'));
  for (const bad of ['', 'null', '7', '{"a":1}', '{"type":7}', '{']) assert.equal(happened(bad, 1), null, bad);
  assert.ok(happened(JSON.stringify({ type: 'x', info: 'y'.repeat(9999) }), 1).more.length < 300);
});

test('latency is half of each round trip on the way, and what the node adds', () => {
  const all = [{ a: 'n1', b: 'n2', rttMs: 10 }];
  assert.equal(latencyOf({ node: 'n2', rttMs: 4, addedMs: 1 }, 'n1', all), 8);
  assert.equal(latencyOf({ node: 'n1', rttMs: 4 }, 'n1', all), 2);
  assert.equal(latencyOf({ node: 'n3', rttMs: 4 }, 'n1', all), 2);
});

test('where the admin API is beside the clients, other nodes have a console there, on the same page and signed in', () => {
  const at = (id, apiUrl) => ({ ...node(id), apiUrl });
  const all = [at('a', 'http://a:4443'), at('b', 'http://b:4443/'), at('c', 'ftp://c')];
  const doors = elsewhere(all[0], all, 'http://a:4443');
  assert.deepEqual(doors.map(({ id }) => id), ['b']);
  assert.equal(doorOf(doors[0], '#/rooms/x y', 't&k'), 'http://b:4443/console/#token=t%26k&/rooms/x y');
  assert.deepEqual(fragment('#token=t%26k&/rooms/x'), { token: 't&k', rest: '#/rooms/x' });
  assert.deepEqual(elsewhere(all[0], all, 'http://127.0.0.1:9400'), [], 'nobody knows where it is then');
  assert.deepEqual(elsewhere(null, all, 'http://a:4443'), []);
});
