// What the nodes themselves say: when they hold another one for gone, whether somebody who left is back, and what they
// dropped.

import { sleep } from '../../lib/wait.mjs';

/** Between two looks: what is measured is some hundred milliseconds. */
const LOOK = 50;
/** How long nobody may be seen in two places, and between two looks at that: each is a list of all people. */
const [HAUNT, GLANCE] = [4000, 500];

/** Notes when node `by` has no link to node `of` any more, for each of `pairs`; `stop` answers the times. */
export function detect(cluster, pairs) {
  const began = performance.now();
  const times = new Map();
  let over = false;
  for (const by of new Set(pairs.map((pair) => pair.by))) {
    const watched = pairs.filter((pair) => pair.by === by);
    void (async () => {
      while (!over && watched.some((pair) => !times.has(pair))) {
        const nodes = await cluster.api(by, 'GET', '/v1/nodes').catch(() => null);
        for (const pair of watched) {
          const seen = nodes?.find(({ id }) => id === cluster.nodes[pair.of].id);
          if (nodes && !seen?.linked && !times.has(pair)) times.set(pair, performance.now() - began);
        }
        await sleep(LOOK);
      }
    })();
  }
  return {
    stop() {
      over = true;
      return [...times.values()];
    },
  };
}

/** A node goes on after others have held it for dead: those who left it must not be back there. */
export async function ghosts(cluster, cast, [node], wrong) {
  const old = cluster.nodes[node].id;
  const seen = new Set();
  for (const end = performance.now() + HAUNT; performance.now() < end; ) {
    for (const [room] of cast.rooms) {
      for (const [by, { id }] of cluster.nodes.entries()) {
        const peers = await cluster.api(by, 'GET', `/v1/rooms/${room}/peers`).catch(() => []);
        for (const peer of peers) {
          if (peer.node === old && by !== node) seen.add(`${id} has ${peer.id} on ${old} again`);
          const times = peers.filter((other) => other.id === peer.id).length;
          if (times > 1) seen.add(`${id} has ${peer.id} ${times} times`);
        }
      }
    }
    await sleep(GLANCE);
  }
  for (const ghost of seen) wrong(ghost);
}

/** Counters of every node that lives: what was dropped, shed, lost or not understood. */
export async function drops(cluster) {
  const counts = new Map();
  for (const [node, { id }] of cluster.nodes.entries()) {
    const text = await cluster.api(node, 'GET', '/metrics').catch(() => '');
    for (const [, name, value] of text.matchAll(/^(starling_\S*(?:drop|shed|lost|oversize|full)\S*) (\d+)$/gm)) {
      counts.set(`${id} ${name}`, Number(value));
    }
  }
  return counts;
}

/** Those that grew, in words. */
export function grown(before, after) {
  const more = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)]);
  return more.filter(([, count]) => count > 0).map(([name, count]) => `${name} +${count}`);
}
