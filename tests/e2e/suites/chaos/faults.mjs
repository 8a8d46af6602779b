// What is done to a cluster of four, to whom, for how long, and what may come of it. A fault says how it is
// struck, how it is seen to have struck, and how it ends.

import { readFileSync } from 'node:fs';
import { until } from '../../lib/wait.mjs';
import * as registry from './registry.mjs';

/** What a stream may stand still at most, in ms, when its node is killed, and when it hangs or a link is cut. */
const KILLED = { subscriber: 1500, publisher: 2000, both: 2000 };
const SILENT = { subscriber: 3000, publisher: 3000, both: 3000, across: 3000 };

/** What a fault of some nodes is for a stream from node `of` to somebody on node `by`. */
function ofNodes(by, of, nodes) {
  const [here, there] = [nodes.includes(by), nodes.includes(of)];
  if (here && there) return 'both';
  if (here) return 'subscriber';
  return there ? 'publisher' : 'neither';
}

/** And what a fault between two. */
function across(by, of, [one, other]) {
  return (by === one && of === other) || (by === other && of === one) ? 'across' : 'neither';
}

const untouched = () => 'neither';

/** The n-th trial's node, and the one `step` after it. */
const nth = (trial, nodes) => trial % nodes;
const pair = (trial, nodes) => {
  const step = 1 + (Math.floor(trial / nodes) % (nodes - 1));
  return [nth(trial, nodes), (nth(trial, nodes) + step) % nodes];
};

async function killed(cluster, nodes) {
  const children = nodes.map((node) => cluster.children[node]);
  await Promise.all(children.map((child) => child.kill()));
  return () => children.every((child) => child.how === 'SIGKILL');
}

function stopped(cluster, [node]) {
  const child = cluster.children[node];
  const state = () => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${child.process.pid}/status`, 'utf8'))?.[1];
  child.signal('SIGSTOP');
  return { struck: () => state() === 'T', end: () => child.signal('SIGCONT') };
}

function cutOff(cut, ways) {
  return { struck: () => cut.dropped().filter((count) => count > 0).length === ways, end: () => cut.lift() };
}

/** Starts nodes that were killed. */
async function started(cluster, nodes) {
  for (const node of nodes) if (!cluster.children[node].alive) cluster.startNode(node);
}

/** A fault that kills nodes, which are started when all has been seen, or at once if nobody is left. */
const kill = (how) => ({
  role: ofNodes,
  bounds: KILLED,
  sees: (nodes, all) => all.filter((node) => !nodes.includes(node)).flatMap((by) => nodes.map((of) => ({ by, of }))),
  dead: (nodes) => nodes,
  strike: async (cluster, nodes) => ({ struck: await killed(cluster, nodes) }),
  restore: started,
  ...how,
});

const stop = (seconds, how) => ({
  name: `SIGSTOP for ${seconds} s`,
  targets: (trial, all) => [nth(trial, all)],
  role: ofNodes,
  bounds: SILENT,
  hold: seconds * 1000,
  sees: ([node], all) => all.filter((by) => by !== node).map((by) => ({ by, of: node })),
  dead: (nodes) => nodes,
  // Nobody who left may be there again when it goes on.
  ghosts: true,
  strike: stopped,
  ...how,
});

const cutLink = (both, how) => ({
  targets: pair,
  role: across,
  bounds: SILENT,
  hold: 8000,
  sees: ([one, other]) => [{ by: one, of: other }, { by: other, of: one }],
  strike: (cluster, [one, other]) => cutOff(cluster.cutLink(one, other, both), both ? 2 : 1),
  ...how,
});

const etcd = (how) => ({ targets: (trial, all) => [nth(trial, all)], role: untouched, bounds: {}, ...how });

/** Shares are of TRIALS; `seconds` is what one trial takes, for the estimate. */
export const FAULTS = {
  kill: kill({ name: 'SIGKILL', share: 1, seconds: 9, targets: (trial, all) => [nth(trial, all)] }),
  stop3: stop(3, { share: 0.5, seconds: 13 }),
  stop30: stop(30, { share: 0.1, seconds: 40 }),
  cut: cutLink(true, { name: 'link cut for 8 s', share: 0.4, seconds: 14 }),
  oneway: cutLink(false, { name: 'link cut one way for 8 s', share: 0.4, seconds: 14 }),
  two: kill({ name: 'SIGKILL of two nodes', share: 0.2, seconds: 10, targets: pair }),
  all: kill({
    name: 'SIGKILL of all nodes',
    share: 0.1,
    seconds: 11,
    targets: (_, all) => Array.from({ length: all }, (_, node) => node),
    role: () => 'everybody',
    // They are away for as long as it takes to start them.
    bounds: {},
    sees: () => [],
    dead: () => [],
    strike: async (cluster, nodes) => {
      const struck = await killed(cluster, nodes);
      await started(cluster, nodes);
      return { struck };
    },
  }),
  etcdcut: etcd({
    name: 'node cut from etcd for 20 s',
    share: 0.1,
    seconds: 27,
    hold: 20_000,
    strike: (cluster, [node]) => cutOff(cluster.cutEtcd(node), 2),
    during: registry.withoutNode,
    after: registry.converged,
  }),
  leader: etcd({
    name: "etcd's leader killed",
    share: 0.2,
    seconds: 9,
    strike: async (cluster) => {
      const old = await until('etcd has a leader', 10_000, async () => {
        const leader = await cluster.etcd.leader();
        return leader === null ? null : { leader };
      });
      await cluster.etcd.kill(old.leader);
      return { struck: () => !cluster.etcd.members[old.leader].alive };
    },
    during: registry.serves,
    restore: (cluster) => cluster.startEtcd(),
  }),
  down: etcd({
    name: 'all of etcd down for 120 s',
    share: 0.02,
    seconds: 130,
    hold: 120_000,
    strike: async (cluster) => {
      await Promise.all(cluster.etcd.members.map((_, member) => cluster.etcd.kill(member)));
      return {
        struck: () => cluster.etcd.members.every((member) => !member.alive),
        end: () => cluster.startEtcd(),
      };
    },
    during: registry.down,
    after: registry.converged,
  }),
};

/** How often each of `names` is tried. */
export function plan(names, trials) {
  return names.map((name) => {
    const fault = FAULTS[name];
    if (!fault) throw new Error(`FAULTS: ${name} is none of ${Object.keys(FAULTS)}`);
    return { key: name, fault, times: Math.max(1, Math.round(trials * fault.share)) };
  });
}
