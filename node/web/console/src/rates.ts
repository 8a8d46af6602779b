// Counters to rates, and links from both ends to one line. Pure: time is an argument.

import type { LinkInfo, PipeInfo } from './types';

/** What a node sends another one over their link, per second since the last look. */
export interface Way {
  bps: number;
  /** Share of packets lost on the way, or null: too few were sent to say. */
  loss: number | null;
  shed: number;
}

/** A link as a line of the map; `a` is the first of both names. */
export interface Line {
  a: string;
  b: string;
  rttMs: number;
  rttP99Ms: number;
  there: Way;
  back: Way;
  pipes: PipeInfo[];
}

/** Fewer packets than so many say nothing about a share: one lost of ten is no ten per cent. */
export const ENOUGH = 20;

const STILL: Way = { bps: 0, loss: null, shed: 0 };

/** How links run, between two answers of the node. */
export class Rates {
  private before = new Map<string, LinkInfo>();
  private at = 0;

  /** The way of each link by `from>to`. Holds no more than the answer does. */
  look(links: readonly LinkInfo[], now: number): Map<string, Way> {
    const seconds = Math.max((now - this.at) / 1000, 0.001);
    const ways = new Map<string, Way>();
    for (const link of links) {
      const key = `${link.from}>${link.to}`;
      ways.set(key, between(this.before.get(key), link, seconds));
    }
    this.before = new Map(links.map((link) => [`${link.from}>${link.to}`, link]));
    this.at = now;
    return ways;
  }
}

export function between(before: LinkInfo | undefined, link: LinkInfo, seconds: number): Way {
  // A link that came up anew counts from zero.
  if (!before || link.packetsSent < before.packetsSent) return STILL;
  const grown = (field: 'packetsSent' | 'bytesSent' | 'quicPacketsLost' | 'shedVideo' | 'shedAudio') =>
    Math.max(link[field] - before[field], 0);
  const [packets, lost] = [grown('packetsSent'), grown('quicPacketsLost')];
  return {
    bps: (grown('bytesSent') * 8) / seconds,
    loss: packets + lost >= ENOUGH ? Math.min(lost / (packets + lost), 1) : null,
    shed: (grown('shedVideo') + grown('shedAudio')) / seconds,
  };
}

/** Both ends' tellings and what is pulled, as one line for each pair of nodes. */
export function lines(
  links: readonly LinkInfo[],
  ways: ReadonlyMap<string, Way>,
  pipes: readonly PipeInfo[],
): Line[] {
  const found = new Map<string, Line>();
  for (const link of links) {
    const [a, b] = link.from < link.to ? [link.from, link.to] : [link.to, link.from];
    const line = found.get(`${a} ${b}`)
      ?? { a, b, rttMs: 0, rttP99Ms: 0, there: STILL, back: STILL, pipes: [] };
    const way = ways.get(`${link.from}>${link.to}`) ?? STILL;
    if (link.from === a) line.there = way;
    else line.back = way;
    line.rttMs = Math.max(line.rttMs, link.rttMs);
    line.rttP99Ms = Math.max(line.rttP99Ms, link.rttP99Ms);
    found.set(`${a} ${b}`, line);
  }
  for (const pipe of pipes) {
    if (!pipe.from) continue;
    const [a, b] = pipe.from < pipe.to ? [pipe.from, pipe.to] : [pipe.to, pipe.from];
    found.get(`${a} ${b}`)?.pipes.push(pipe);
  }
  return [...found.values()];
}

/** Share of packets that a line loses, on the worse of its ways. */
export function lossOf({ there, back }: Line): number | null {
  if (there.loss === null) return back.loss;
  return Math.max(there.loss, back.loss ?? 0);
}

export const bpsOf = ({ there, back }: Line): number => there.bps + back.bps;

/** Share of all packets that links have lost since the last look. */
export function lossOfAll(all: readonly Line[]): number | null {
  const known = all.flatMap(({ there, back }) => [there, back]).filter(({ loss }) => loss !== null);
  const sum = known.reduce((bps, way) => bps + way.bps, 0);
  return sum > 0 ? known.reduce((lost, way) => lost + way.loss! * way.bps, 0) / sum : null;
}
