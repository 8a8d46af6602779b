// A session on nodes that are not there: what a page sees of deaths, moves and refusals.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';
import { Nodes, track } from './nodes.mjs';

const { join } = await load('index.ts');

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, holds, within = 3000) {
  for (let waited = 0; waited < within; waited += 10) {
    if (holds()) return;
    await pause(10);
  }
  assert.fail(`not within ${within} ms: ${what}`);
}

/** Ada is on `a` and sees ben. */
async function seated(...names) {
  const nodes = new Nodes(...names);
  const heard = [];
  const session = await join({
    url: nodes.url('a'), room: 'r', peer: 'ada', here: true, device: nodes.device,
  });
  for (const name of ['streamMoved', 'streamEnded', 'state', 'end']) {
    session.on(name, (what) => heard.push(typeof what === 'string' ? `${name} ${what}` : name));
  }
  await session.send(track('video'));
  await until('ben is seen', () => session.streams.has('ben/video'));
  const stream = session.streams.get('ben/video');
  return { nodes, session, heard, stream, media: stream.media };
}

test('a death is a gap in media that goes on', async () => {
  const { nodes, session, heard, stream, media } = await seated('a', 'b', 'c');
  const [before] = media.getTracks();
  nodes.frames = false;
  nodes.kill('a');
  await until('it is on another node', () => session.node.nodeId === 'b' && session.state === 'in');
  assert.deepEqual(nodes.opened, [['a', null], ['b', 'of a']]);
  await until('ben comes from there', () => heard.includes('streamMoved'));
  assert.deepEqual(media.getTracks(), [before], 'the old picture stays until there is a new one');
  nodes.frames = true;
  await until('the new picture', () => media.getTracks()[0] !== before);
  assert.equal(media.getTracks().length, 1);
  assert.equal(session.streams.get('ben/video'), stream);
  await until('it sends as before', () => nodes.joined()[0]?.produced.includes('video'));
  assert.deepEqual(heard, ['state rejoining', 'state in', 'streamMoved']);
  assert.equal(nodes.most, 1, 'never two at once');
  session.leave();
  assert.equal(nodes.joined().length, 0);
});

test('a node that says nothing any more is left after about a second', async () => {
  const { nodes, session } = await seated('a', 'b');
  const began = performance.now();
  nodes.mute.add('a');
  await until('it is on another node', () => session.node.nodeId === 'b' && session.state === 'in');
  const took = performance.now() - began;
  assert.ok(took > 700 && took < 1800, `${took} ms`);
  assert.equal(nodes.most, 1);
  session.leave();
});

test('a move joins there before it leaves here, and nobody sees a state of it', async () => {
  const { nodes, session, heard, media } = await seated('a', 'b');
  const [before] = media.getTracks();
  nodes.frames = false;
  nodes.tell('a', 'moveTo', { nodes: [{ nodeId: 'b', url: nodes.url('b'), region: '' }], reason: 'drain' });
  await until('it is on both', () => nodes.joined().length === 2);
  await until('it sends there', () => session.node.nodeId === 'b' && session.producers.has('video'));
  await pause(100);
  assert.equal(nodes.joined().length, 2, 'until something comes from there');
  nodes.frames = true;
  await until('it has left', () => nodes.joined().length === 1);
  assert.notEqual(media.getTracks()[0], before);
  assert.deepEqual(heard, ['state in', 'streamMoved']);
  session.leave();
});

test('a move leaves the old node when others can have found the new one', async () => {
  const { nodes, session } = await seated('a', 'b');
  nodes.sends = false;
  nodes.tell('a', 'moveTo', { nodes: [{ nodeId: 'b', url: nodes.url('b'), region: '' }], reason: 'drain' });
  await until('it is on both', () => nodes.joined().length === 2);
  await pause(700);
  assert.equal(nodes.joined().length, 2, 'nothing was sent yet');
  nodes.sends = true;
  const began = performance.now();
  await until('it has left', () => nodes.joined().length === 1);
  const took = performance.now() - began;
  assert.ok(took > 450 && took < 1000, `${took} ms`);
  session.leave();
});

test('an old node that ends the session while the new one begins ends nothing', async () => {
  const { nodes, session, heard } = await seated('a', 'b');
  nodes.frames = false;
  nodes.tell('a', 'moveTo', { nodes: [{ nodeId: 'b', url: nodes.url('b'), region: '' }], reason: 'drain' });
  await until('it is on both', () => nodes.joined().length === 2);
  for (const old of nodes.sessions.get('a')) old.end(4000, 'the peer continued on another node');
  await until('it is there', () => session.node.nodeId === 'b' && session.state === 'in');
  nodes.frames = true;
  await pause(200);
  assert.ok(!heard.includes('state over') && !heard.includes('streamEnded'), String(heard));
  session.leave();
});

test('who is refused for good is told why', async () => {
  const nodes = new Nodes('a');
  nodes.refusals.set('a', { code: 4000, reason: "a peer 'ada' is in the room [peer_exists]" });
  const joined = join({ url: nodes.url('a'), room: 'r', peer: 'ada', here: true, device: nodes.device });
  await assert.rejects(joined, /is in the room \[peer_exists\]/);
  assert.equal(nodes.opened.length, 1);
});

test('a busy node is asked again when it says so, and not before', async () => {
  const nodes = new Nodes('a');
  const moveTo = { nodes: [], reason: 'busy', retryAfterMs: 600 };
  nodes.refusals.set('a', { code: 1013, reason: 'this node takes in as many as it can [busy]', moveTo });
  const began = performance.now();
  setTimeout(() => nodes.refusals.clear(), 100);
  const session = await join({
    url: nodes.url('a'), room: 'r', peer: 'ada', here: true, device: nodes.device,
  });
  const took = performance.now() - began;
  assert.ok(took >= 600 && took < 1500, `${took} ms`);
  session.leave();
});

test('who leaves from a handler leaves nothing open', async () => {
  const { nodes, session, heard } = await seated('a', 'b');
  session.on('state', (state) => {
    if (state === 'rejoining') session.leave();
  });
  nodes.kill('a');
  await until('it is over', () => heard.includes('state over'));
  await pause(200);
  assert.deepEqual(nodes.opened.map(([name]) => name), ['a']);
  assert.equal(nodes.joined().length, 0);
});

test('what an operator silences is told, also on the next node, and until it is taken back', async () => {
  const { nodes, session } = await seated('a', 'b');
  const told = [];
  session.on('muted', (muted) => told.push(muted));
  nodes.tell('a', 'muted', { audio: true, video: false });
  await until('it is told', () => told.length === 1, 500);
  assert.deepEqual(session.muted, { audio: true, video: false });
  nodes.muted = { audio: true, video: false };
  nodes.kill('a');
  await until('it is on another node', () => session.node.nodeId === 'b' && session.state === 'in');
  await until('it is muted there', () => session.muted.audio);
  nodes.tell('b', 'muted', { audio: false, video: false });
  await until('it is taken back', () => !session.muted.audio);
  assert.deepEqual(told.map(({ audio }) => audio), [true, false], 'nothing between the nodes');
  session.leave();
});

test('what an admin of the room pauses is paused here, also on the next node, and can be resumed', async () => {
  const { nodes, session } = await seated('a', 'b');
  const told = [];
  session.on('paused', (source, paused) => told.push([source, paused]));
  nodes.tell('a', 'producerPaused', { producerId: 'a-video' });
  await until('it is told', () => told.length === 1, 500);
  assert.deepEqual(told, [['video', true]]);
  assert.equal(session.producers.get('video').paused, true);
  nodes.kill('a');
  await until('it sends from another node', () => session.node.nodeId === 'b' && session.producers.has('video'));
  await until('it is paused there', () => session.producers.get('video').paused);
  session.pause('video', false);
  assert.equal(session.producers.get('video').paused, false);
  session.leave();
});
