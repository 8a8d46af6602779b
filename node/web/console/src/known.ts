// What is known of the nodes: those that are told, and those that were and are no more. Pure: `now` is an argument.

import type { NodeInfo } from './types';

/** How a node looks: `joining` has no link yet, `left` was emptied before it went, `lost` was not. */
export type Face = 'up' | 'joining' | 'cordoned' | 'draining' | 'lost' | 'left';

export interface KnownNode {
  info: NodeInfo;
  face: Face;
  /** Since when it looks so. */
  since: number;
}

/** A node has links to all others within a second or two; one that has none for so long is lost, though this page has never
 *  seen it otherwise. */
export const JOINING_FOR = 5000;
/** A lost node is shown for so long: whoever comes to look after an alert should still find it. */
export const LOST_FOR = 600_000;
/** One that left by itself. */
export const LEFT_FOR = 20_000;
/** Most nodes that are gone: a thousand nodes replaced once. */
export const MAX_GONE = 1000;

/** What is known after a node has told all that it knows. */
export function remember(
  before: ReadonlyMap<string, KnownNode>,
  told: readonly NodeInfo[],
  now: number,
): Map<string, KnownNode> {
  const after = new Map<string, KnownNode>();
  for (const info of told) after.set(info.id, aged(before.get(info.id), info, faceOf(info, before.get(info.id), now), now));
  const gone = [...before.values()].filter(({ info }) => !after.has(info.id));
  const kept = gone.map((node) => aged(node, node.info, without(node), now))
    .filter(({ face, since }) => now - since < (face === 'left' ? LEFT_FOR : LOST_FOR))
    .sort((a, b) => b.since - a.since)
    .slice(0, MAX_GONE);
  for (const node of kept) after.set(node.info.id, node);
  return new Map([...after].sort(([a], [b]) => byName(a, b)));
}

/** Names with numbers in their order: node-2 before node-10. */
export function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function faceOf(info: NodeInfo, before: KnownNode | undefined, now: number): Face {
  if (!info.here && !info.linked) {
    if (before?.info.epoch !== info.epoch) return 'joining';
    return before.face === 'joining' && now - before.since < JOINING_FOR ? 'joining' : 'lost';
  }
  if (info.cordoned) return 'cordoned';
  return info.state === 'draining' ? 'draining' : 'up';
}

/** The face of a node that is told no more. */
function without({ info, face }: KnownNode): Face {
  if (face === 'lost' || face === 'left') return face;
  return face === 'draining' && info.load.peers === 0 ? 'left' : 'lost';
}

function aged(before: KnownNode | undefined, info: NodeInfo, face: Face, now: number): KnownNode {
  return { info, face, since: before?.face === face ? before.since : now };
}

/** Whether it serves people. */
export function lives(face: Face): boolean {
  return face !== 'lost' && face !== 'left';
}

/** For people. */
export const WORDS: Record<Face, string> = {
  up: 'ready', joining: 'joining', cordoned: 'cordoned', draining: 'draining', lost: 'lost', left: 'left',
};
