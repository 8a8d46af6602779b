// Nodes as the page sees them: colours, and the switches of `starling dev`.
// Never does: hold a connection.

import { problem } from '@starling/client';

/** A node of a `starling dev` process. */
export interface DevNode {
  id: string;
  url: string;
  alive: boolean;
}

/** Distinct on dark ground, also for most people who see few colours; with the name beside it. */
const COLOURS = [
  '#5cc8ff', '#ffb454', '#7ee787', '#ff8fb3', '#c4a7ff', '#f6e05e', '#4fd1c5', '#ff9e80',
];

/** The colour of a node: by the number in its name, so that neighbours differ. */
export function colour(node: string): string {
  const digits = /(\d+)\D*$/.exec(node)?.[1];
  let index = digits ? Number(digits) - 1 : 0;
  if (!digits) for (const letter of node) index = (index * 31 + letter.charCodeAt(0)) >>> 0;
  return COLOURS[((index % COLOURS.length) + COLOURS.length) % COLOURS.length]!;
}

/** The nodes of a `starling dev` process, or null if this is none. */
export async function devNodes(origin: string): Promise<DevNode[] | null> {
  const response = await fetch(`${origin}/dev/nodes`, { signal: AbortSignal.timeout(1500) });
  const json = response.headers.get('content-type')?.includes('json');
  return response.ok && json ? response.json() : null;
}

/** Kills or starts a node of a `starling dev` process, through another one of it. */
export async function devSwitch(origin: string, id: string, what: 'kill' | 'start'): Promise<void> {
  const response = await fetch(`${origin}/dev/nodes/${encodeURIComponent(id)}/${what}`, {
    method: 'POST',
    signal: AbortSignal.timeout(3000),
  });
  if (!response.ok) throw await problem(response);
}
