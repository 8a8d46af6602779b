// What must go on, and what must be refused, while the registry is away; and that all agree afterwards.

import { sleep, until } from '../../lib/wait.mjs';

let made = 0;

const create = (cluster, node) => cluster.api(node, 'POST', '/v1/rooms', { id: `fresh-${made++}` })
  .then(() => 'made', (error) => error.message);

async function available(cluster, node) {
  const metrics = await cluster.api(node, 'GET', '/metrics');
  return /^starling_registry_available (\d)/m.exec(metrics)?.[1] === '1';
}

/** Rooms can be made through every node; answers when. */
export async function serves({ cluster, note }) {
  const began = performance.now();
  await Promise.all([...cluster.nodes.keys()].map((node) => until(
    `a room can be made through ${cluster.nodes[node].id}`, 20_000,
    async () => (await create(cluster, node)) === 'made')));
  note('rooms can be made everywhere after_ms', performance.now() - began);
}

/** A node knows that it cannot ask: new rooms are refused there, and made elsewhere. */
export async function withoutNode({ cluster, targets: [node], note, wrong }) {
  const began = performance.now();
  await until('the node notices', 15_000, async () => !(await available(cluster, node)));
  note('noticed after_ms', performance.now() - began);
  const here = await create(cluster, node);
  if (!here.includes('registry_unavailable')) wrong(`a new room on the node that was cut off: ${here}`);
  const there = await create(cluster, (node + 1) % cluster.nodes.length);
  if (there !== 'made') wrong(`a new room on another node: ${there}`);
}

/** People come into known rooms, and new rooms are refused. */
export async function down({ cluster, cast, guests, note, wrong }) {
  await sleep(8000);
  const began = performance.now();
  guests.add(await cast.people.guest(3));
  note('joined a known room after_ms', performance.now() - began);
  for (const node of cluster.nodes.keys()) {
    const answer = await create(cluster, node);
    if (!answer.includes('registry_unavailable')) wrong(`a new room while etcd is down: ${answer}`);
  }
}

/** Afterwards rooms can be made everywhere, and all know where the rooms are. */
export async function converged({ cluster, cast, note }) {
  const began = performance.now();
  await until('all know the rooms everywhere', 40_000, async () => {
    for (const node of cluster.nodes.keys()) {
      if (!(await available(cluster, node))) throw new Error(`${cluster.nodes[node].id} has no registry`);
      if ((await create(cluster, node)) !== 'made') throw new Error('no new rooms');
      for (const [room, nodes] of cast.rooms) {
        const seen = await cluster.api(node, 'GET', `/v1/rooms/${room}`);
        if (!nodes.every((id) => seen.nodes.includes(id))) throw new Error(JSON.stringify(seen));
      }
    }
    return true;
  });
  note('converged after_ms', performance.now() - began);
}
