// How nodes end: in an emergency and by SIGTERM, under somebody who does not go when told to, and as the second
// process of one id. The others notice nothing.

import WebSocket from 'ws';
import { Fleet } from '../lib/fleet.mjs';
import { sleep, until } from '../lib/wait.mjs';

const FLEET = { room: 'ends', rooms: 2, members: 9, publishers: 1, fps: 10, sounds: 5 };
const DEADLINE = 5_000;
/** From the deadline to the end: the cut, the last requests, the links' and the registry's farewell. */
const WAY_OUT = 3_000;
/** However long the deadline is (`decide::drain`): spot instances get 30 s. */
const EMERGENCY = 25_000;
/** Two leases of etcd and a try: for so long a second process waits for the first one's end. */
const TAKEN = 12_000;
const SAYS = 'a living node has this id; give this one another id, or stop the other';

export const settings = { DRAIN_DEADLINE: `${DEADLINE}ms` };

export async function ends({ cluster, report }) {
  const fleet = await new Fleet(cluster, FLEET, cluster.logs).start();
  try {
    await fleet.mark();
    await emergency(cluster, report);
    await terminated(cluster, report);
    await twin(cluster, report);
    const rows = await fleet.streams();
    const told = (event) => fleet.events.filter((row) => row.event === event).length;
    report.check('ends_fleet_in', fleet.last.in, (n) => n === fleet.last.members, 'all');
    report.check('ends_fleet_lost', told('lost') + told('gone'), (n) => n === 0, '0');
    report.put('ends_fleet_moved', told('moved'));
    report.check('ends_fleet_older', rows.reduce((sum, row) => sum + row.older, 0), (n) => n === 0, '0');
  } finally {
    fleet.stop();
  }
}

/** Somebody whose client does not know `moveTo`; `closed`: when, and with what code, the node ended it. */
async function stubborn(cluster, node) {
  const room = `stubborn-${node}`;
  const query = new URLSearchParams({ roomId: room, peerId: 'dora', token: await cluster.token(room, 'dora') });
  const url = cluster.nodes[node].url.replace(/^http/, 'ws');
  const socket = new WebSocket(`${url}/?${query}`, 'protoo');
  const closed = new Promise((done) => socket.on('close', done));
  const joined = new Promise((done) => socket.on('message', (text) => JSON.parse(text).response && done()));
  await new Promise((done, failed) => socket.once('open', done).once('error', failed));
  const data = { displayName: 'dora', device: { name: 'stubborn' } };
  socket.send(JSON.stringify({ request: true, id: 1, method: 'join', data }));
  await joined;
  // Not the promise itself, which would be waited for.
  return { closed };
}

async function emergency(cluster, report) {
  const { closed } = await stubborn(cluster, 0);
  const path = `/v1/nodes/${cluster.nodes[0].id}/drain`;
  const began = performance.now();
  await cluster.api(0, 'POST', path, { emergency: true, deadlineMs: 600_000 });
  const info = () => cluster.api(0, 'GET', path);
  await until('all but one have gone', EMERGENCY, async () => (await info()).left === 1);
  report.check('ends_emergency_asked_all_ms', performance.now() - began, (ms) => ms <= 15_000, '<= 15000');
  const code = await closed;
  report.check('ends_emergency_ms', performance.now() - began, (ms) => ms <= EMERGENCY, `<= ${EMERGENCY}`);
  report.check('ends_emergency_closed_with', code, (it) => it === 4001, '4001');
  await cluster.api(0, 'POST', `/v1/nodes/${cluster.nodes[0].id}/undrain`);
}

async function terminated(cluster, report) {
  const { closed } = await stubborn(cluster, 1);
  const child = cluster.children[1];
  const began = performance.now();
  child.signal('SIGTERM');
  const how = await child.ended;
  const took = performance.now() - began;
  report.check('ends_sigterm_ms', took, (ms) => ms >= DEADLINE && ms <= DEADLINE + WAY_OUT,
    `${DEADLINE} to ${DEADLINE + WAY_OUT}`);
  report.check('ends_sigterm_exit', how, (it) => it === 0, '0');
  report.check('ends_sigterm_closed_with', await closed, (it) => it === 4001, '4001');
  cluster.startNode(1);
  await cluster.whole();
}

/** A process that is given the id of a node that lives ends by itself, and says why. */
async function twin(cluster, report) {
  const n = cluster.nodes.length;
  cluster.nodes.push({ id: cluster.nodes[2].id, url: `http://localhost:${cluster.port + n}` });
  try {
    const began = performance.now();
    cluster.startNode(n);
    const child = cluster.children[n];
    await sleep(2_000);
    const ready = await fetch(`${cluster.nodes[n].url}/readyz`).then((answer) => answer.status, () => 0);
    report.check('ends_twin_ready', ready, (status) => status !== 200, 'not 200');
    const how = await child.ended;
    report.check('ends_twin_ms', performance.now() - began, (ms) => ms <= TAKEN + 8_000, `<= ${TAKEN + 8_000}`);
    report.check('ends_twin_exit', how, (it) => it !== 0, 'not 0');
    report.check('ends_twin_says', child.tail(20).includes(SAYS), (it) => it, SAYS);
  } finally {
    cluster.nodes.pop();
    cluster.children.splice(n, 1);
  }
  await cluster.whole();
}
