// How long a packet takes. Pure.

import type { Line } from './rates';
import type { Cell } from './types';

/** From the publisher's node to the receiver: half the round trips of the link and of the receiver, and the node. */
export function latencyOf(cell: Cell, from: string, all: readonly Line[]): number {
  const [a, b] = cell.node < from ? [cell.node, from] : [from, cell.node];
  const between = a === b ? 0 : all.find((line) => line.a === a && line.b === b)?.rttMs ?? 0;
  return between / 2 + cell.rttMs / 2 + (cell.addedMs ?? 0);
}
