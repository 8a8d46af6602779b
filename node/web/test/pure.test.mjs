// The page's pure parts: no browser needed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load as fromClient } from '../client/test/load.mjs';

const load = (file) => fromClient(`../../src/${file}`);

const { FrameLog } = await load('frames.ts');
const { options } = await load('query.ts');
const { colour } = await load('nodes.ts');
const { wsUrl } = await fromClient('place.ts');
const { answered } = await load('descriptor.ts');
const { grid } = await load('grid.ts');
const { reading } = await load('reason.ts');

test('a silence counts from the last frame before it to the first one after it', () => {
  const log = new FrameLog();
  for (const at of [1000, 1100, 1200, 1900, 2000]) log.add(at);
  assert.equal(log.longest(1000, 2000), 700);
  assert.equal(log.longest(1500, 2000), 400);
  assert.equal(log.longest(1900, 2600), 600);
  assert.equal(log.longest(3000, 3500), 500);
  assert.deepEqual(log.silences(1000, 300), [{ at: 1200, ms: 700 }]);
});

test('a URL says who joins where, and nonsense in it changes nothing', () => {
  const wish = options('?room=r&peer=p&codec=H264&audio=0&fps=1e9&width=-3&layers=2');
  assert.equal(wish.room, 'r');
  assert.equal(wish.peer, 'p');
  assert.equal(wish.codec, 'h264');
  assert.equal(wish.audio, false);
  assert.equal(wish.video, true);
  assert.equal(wish.fps, 60);
  assert.equal(wish.width, 1280);
  assert.equal(wish.layers, 2);
  assert.equal(wish.mode, null);
  assert.equal(options('?codec=AV1&mode=L3T3_KEY').mode, 'L3T3_KEY');
  assert.equal(options('?codec=AV1').codec, 'av1');
  assert.equal(options('?codec=theora').codec, 'vp8');
  assert.equal(options('').peer, null);
  assert.equal(options('').layers, null);
});

test('nodes that are numbered in a row have different colours', () => {
  const colours = ['node-1', 'node-2', 'node-3'].map(colour);
  assert.equal(new Set(colours).size, 3);
  assert.equal(colour('starling-0'), colour('other-0'));
  assert.match(colour('a.b.example'), /^#/);
});

test('the signalling URL is the page’s own', () => {
  assert.equal(wsUrl('https://a.example:1'), 'wss://a.example:1/');
  assert.equal(wsUrl('http://localhost:4443/'), 'ws://localhost:4443/');
});

test('the key of a call stands behind the hash, where no node sees it', () => {
  assert.equal(options('?room=a&key=no').passphrase, null);
  assert.equal(options('?room=a', '#key=a%20b').passphrase, 'a b');
  assert.equal(options('?room=a', '#key=').passphrase, null);
});

test('an answer gets the dependency descriptor where the offer has it, and nowhere else', () => {
  const extension =
    'a=extmap:13 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';
  const sdp = (...lines) => `${lines.join('\r\n')}\r\n`;
  const offer = sdp('v=0', 'm=audio 9', 'a=mid:0', 'm=video 9', extension, 'm=video 9', extension);
  const answer = sdp('v=0', 'm=audio 7', 'm=video 7', 'a=mid:1', 'm=video 0 UDP');
  const with1 = sdp('v=0', 'm=audio 7', 'm=video 7', 'a=mid:1', extension, 'm=video 0 UDP');
  assert.equal(answered(offer, answer), with1);
  assert.equal(answered(offer, with1), with1);
});

test('pictures are as large as fits: all seen at a desk, and taller than wide ones on a phone', () => {
  assert.deepEqual(grid(1, 1256, 700, 10), { columns: 1, across: 1244, down: 700 });
  assert.deepEqual(grid(2, 1256, 700, 10), { columns: 2, across: 623, down: 350 });
  for (const count of [5, 12, 25]) {
    const { columns, across, down } = grid(count, 1256, 700, 10);
    assert.ok(columns * across + (columns - 1) * 10 <= 1256, `${count}`);
    const rows = Math.ceil(count / columns);
    assert.ok(rows * down + (rows - 1) * 10 <= 700, `${count}`);
  }
  const two = grid(2, 344, 600, 10);
  assert.deepEqual(two, { columns: 1, across: 344, down: 295 });
});

test('pictures are never so small that nobody is known: the page scrolls instead', () => {
  const many = grid(25, 344, 600, 10);
  assert.equal(many.columns, 2);
  assert.ok(many.across >= 150 && many.down === many.across, JSON.stringify(many));
  assert.ok(grid(100, 1000, 600, 10).across >= 150);
  assert.ok(grid(3, 120, 200, 10).across > 0, 'whatever the window');
});

test('a refusal is a sentence, what to do, and a code', () => {
  assert.deepEqual(reading("a peer 'ada' is in the room [peer_exists]"), {
    sentence: "A peer 'ada' is in the room.", hint: 'Close the other tab, or come under another name.', code: 'peer_exists',
  });
  assert.deepEqual(reading('the token has expired — ask for a new one'),
    { sentence: 'The token has expired.', hint: 'Ask for a new one.', code: '' });
  assert.deepEqual(reading('You left the call.'), { sentence: 'You left the call.', hint: '', code: '' });
});
