// Where nodes are drawn: each region a circle, its nodes around its middle. The same nodes are always in the same
// places, so that a map that changes shows what changed. Pure.

import { byName } from './known';

export interface Spot {
  id: string;
  x: number;
  y: number;
  r: number;
}

export interface Area {
  region: string;
  x: number;
  y: number;
  r: number;
}

export interface Layout {
  spots: Map<string, Spot>;
  areas: Area[];
}

/** Radius of a node that has room, and the least that can be hit. */
const NODE = { most: 32, least: 7 };
/** More nodes than these fill the whole of their region. */
const MOST_ON_A_RING = 14;
/** Room for names under nodes, and between neighbours. */
const NAME = 26;

export function layout(
  nodes: readonly { id: string; region: string }[],
  width: number,
  height: number,
): Layout {
  const regions = [...new Set(nodes.map(({ region }) => region))].sort(byName);
  const spots = new Map<string, Spot>();
  const areas: Area[] = [];
  // Two regions are side by side where that gives more room, and one above the other on a phone.
  const tall = width < height * 1.3;
  const centres = regions.length === 3 ? three(width, height, tall)
    : tall ? ring(regions.length, width / 2, height / 2, width * 0.24, height * 0.26, -Math.PI / 2)
    : ring(regions.length, width / 2, height / 2, width * 0.3, height * 0.24);
  regions.forEach((region, index) => {
    const of = nodes.filter((node) => node.region === region).map(({ id }) => id).sort(byName);
    const alone = regions.length === 1;
    const [x, y] = alone ? [width / 2, height / 2 - NAME / 3] : centres[index]!;
    const r = alone ? Math.min(width, height) / 2 : roomOf(centres, width, height);
    if (!alone) areas.push({ region, x, y, r });
    const across = alone ? Math.min(width * 0.36, r * 1.5) : r * 0.6;
    const down = alone ? height / 2 - NODE.most - NAME : r * 0.52;
    const many = of.length > MOST_ON_A_RING;
    const size = many ? seedSize(of.length, across, down) : sizeOf(of.length, across, down);
    const turn = alone ? undefined : beside(Math.atan2(y - height / 2, x - width / 2) + Math.PI / 2);
    const places = many ? seeds(of.length, x, y, across, down) : ring(of.length, x, y, across, down, turn);
    places.forEach(([sx, sy], place) => {
      spots.set(of[place]!, { id: of[place]!, x: sx, y: sy, r: size });
    });
  });
  return { spots, areas };
}

/** Side by side, the middle one higher, so that what crosses between the outer ones does not cross it; on a phone two above
 *  one. */
function three(width: number, height: number, tall: boolean): [number, number][] {
  if (tall) return [[width / 4, height * 0.27], [width * 0.75, height * 0.27], [width / 2, height * 0.73]];
  const high = height * 0.34;
  return [[width / 6, height - high], [width / 2, high], [(width * 5) / 6, height - high]];
}

/** So many places on an ellipse, the first at its top; two are side by side, one is in the middle. */
function ring(
  count: number,
  x: number,
  y: number,
  across: number,
  down: number,
  turn = count === 2 ? Math.PI : -Math.PI / 2,
): [number, number][] {
  if (count === 1) return [[x, y]];
  return Array.from({ length: count }, (_, n) => {
    const angle = turn + (2 * Math.PI * n) / count;
    return [x + across * Math.cos(angle), y + down * Math.sin(angle)];
  });
}

/** Nodes of a region stand beside the way to the middle, so that links to other regions do not lie upon each other; the
 *  first of them on top, or on the left. */
function beside(turn: number): number {
  const [x, y] = [Math.cos(turn), Math.sin(turn)];
  return y > 0.01 || (Math.abs(y) <= 0.01 && x > 0) ? turn + Math.PI : turn;
}

/** So many places that fill an ellipse evenly, as a sunflower's seeds do. */
function seeds(count: number, x: number, y: number, across: number, down: number): [number, number][] {
  const golden = Math.PI * (3 - Math.sqrt(5));
  return Array.from({ length: count }, (_, n) => {
    const far = Math.sqrt((n + 0.5) / count);
    return [x + far * across * Math.cos(n * golden), y + far * down * Math.sin(n * golden)];
  });
}

function seedSize(count: number, across: number, down: number): number {
  return Math.max(3, Math.min(NODE.most, (0.75 * Math.min(across, down)) / Math.sqrt(count)));
}

/** The greatest radius at which regions neither touch nor leave the picture. */
function roomOf(centres: [number, number][], width: number, height: number): number {
  let room = Math.min(width, height) / 2;
  centres.forEach(([x, y], n) => {
    room = Math.min(room, x - 6, width - x - 6, y - 6, height - y - 6);
    for (const [u, v] of centres.slice(n + 1)) room = Math.min(room, Math.hypot(x - u, y - v) / 2 - 6);
  });
  return Math.max(room, 20);
}

function sizeOf(count: number, across: number, down: number): number {
  if (count === 1) return Math.min(NODE.most, Math.max(NODE.least, down * 0.6));
  const apart = (2 * Math.PI * Math.sqrt((across ** 2 + down ** 2) / 2)) / count;
  return Math.max(NODE.least, Math.min(NODE.most, apart * 0.3, down * 0.42));
}
