// What the whole console watches: nodes, links and pipes, and their figures over time. One per sign-in.

import { computed, signal } from '@preact/signals';
import { Refusal, list, pages } from './api';
import { type KnownNode, lives, remember } from './known';
import { Poll } from './poll';
import { type Line, Rates, lines, lossOfAll } from './rates';
import { route } from './route';
import { Series } from './series';
import { signOut } from './session';
import type { LinkInfo, NodeInfo, PipeInfo } from './types';

/** A death is known to the others within a second, and shown within the next half. */
const NODES_EVERY = 500;
/** The answer of a thousand nodes is half a megabyte: ten milliseconds for each node. */
const PER_NODE = 10;
/** Every node is asked for these. */
const LINKS_EVERY = 2000;
/** In larger clusters links are asked of one node: all pairs of a hundred nodes are ten thousand records. */
export const MAX_MESHED = 64;
/** Links and pipes in one answer: each page of them asks every node. */
const AT_ONCE = 10_000;
/** Nodes whose figures are kept over time: what a person can tell apart on a chart, many times over. */
const MAX_CHARTED = 64;

/** The figures of a node, or of all, over time. */
export interface Charted {
  bitrate: Series;
  packets: Series;
  people: Series;
  busy: Series;
  delay: Series;
}

const charted = (): Charted => ({
  bitrate: new Series(), packets: new Series(), people: new Series(), busy: new Series(), delay: new Series(),
});

export const nodes = signal<ReadonlyMap<string, KnownNode>>(new Map());
export const links = signal<Line[]>([]);
/** Nodes that did not answer for their links. */
export const silent = signal<string[]>([]);
/** Grows whenever the figures over time have: they are too many to be copied. */
export const tick = signal(0);
/** Nothing has been answered yet. */
export const first = signal(true);

export const all = charted();
export const lossBetween = new Series();
export const bitrateBetween = new Series();
export const each = new Map<string, Charted>();

export const living = computed(() => [...nodes.value.values()].filter(({ face }) => lives(face)));
export const here = computed(() => living.value.find(({ info }) => info.here)?.info ?? null);

let polls: { nodes: Poll; links: Poll } | null = null;
const rates = new Rates();

/** The two polls; the first one says whether the node answers. */
export const watch = signal<Poll | null>(null);

export function begin(): void {
  end();
  nodes.value = new Map();
  links.value = [];
  first.value = true;
  polls = {
    nodes: new Poll(lookAtNodes, () => Math.max(NODES_EVERY, nodes.peek().size * PER_NODE)),
    links: new Poll(lookAtLinks, () => Math.max(LINKS_EVERY, nodes.peek().size * PER_NODE * 2)),
  };
  watch.value = polls.nodes;
}

export function end(): void {
  polls?.nodes.end();
  polls?.links.end();
  polls = null;
  watch.value = null;
}

/** Something has happened to the nodes. */
export const refresh = (): void => polls?.nodes.now();

async function lookAtNodes(): Promise<void> {
  const told = await list<NodeInfo>('/v1/nodes').catch((error: unknown) => {
    // A token that may not even look is of no use here.
    if (error instanceof Refusal && error.status === 403) signOut({ sentence: error.message, hint: error.hint });
    throw error;
  });
  nodes.value = remember(nodes.peek(), told, Date.now());
  first.value = false;
  record(Date.now());
}

async function lookAtLinks(): Promise<void> {
  const of = asked();
  const [told, pulled, missing] = of === null ? await everybodys() : await oneNodes(of);
  links.value = lines(told, rates.look(told, performance.now()), pulled);
  silent.value = missing;
  const now = Date.now();
  lossBetween.add(now, lossOfAll(links.value));
  bitrateBetween.add(now, links.value.reduce((sum, { there, back }) => sum + there.bps + back.bps, 0));
}

type Told = [LinkInfo[], PipeInfo[], string[]];

async function everybodys(): Promise<Told> {
  const [told, pulled] = await Promise.all([
    pages<{ links: LinkInfo[]; missing: string[] }>(`/v1/links?limit=${AT_ONCE}`),
    pages<{ pipes: PipeInfo[] }>(`/v1/pipes?limit=${AT_ONCE}`),
  ]);
  return [told.flatMap(({ links }) => links), pulled.flatMap(({ pipes }) => pipes), told[0]?.missing ?? []];
}

async function oneNodes(id: string): Promise<Told> {
  const path = `/v1/nodes/${encodeURIComponent(id)}`;
  const [told, pulled] = await Promise.all([
    list<LinkInfo>(`${path}/links`), list<PipeInfo>(`${path}/pipes`),
  ]);
  return [told, pulled, []];
}

/** Whose links are asked for: everybody's, or in a large cluster those of the node that is looked at. */
export function asked(): string | null {
  if (nodes.peek().size <= MAX_MESHED) return null;
  const now = route.peek();
  return now.page === 'node' ? now.id : here.peek()?.id ?? null;
}

function record(now: number): void {
  const sum = { bitrate: 0, packets: 0, people: 0, busy: 0, delay: 0 };
  for (const { info, face } of nodes.peek().values()) {
    const alive = lives(face);
    const { cost, load } = info;
    const figures = {
      bitrate: cost?.bitsPerSecond ?? 0,
      packets: cost?.packetsPerSecond ?? 0,
      people: load.peers,
      busy: load.stress,
      delay: cost?.delayMs ?? 0,
    };
    put(info.id, now, alive ? figures : null);
    if (!alive) continue;
    sum.bitrate += figures.bitrate;
    sum.packets += figures.packets;
    sum.people += figures.people;
    sum.busy = Math.max(sum.busy, figures.busy);
    sum.delay = Math.max(sum.delay, figures.delay);
  }
  for (const id of each.keys()) if (!nodes.peek().has(id)) each.delete(id);
  addTo(all, now, sum);
  tick.value += 1;
}

type Figures = Record<keyof Charted, number>;

function put(id: string, now: number, figures: Figures | null): void {
  if (!each.has(id) && each.size >= MAX_CHARTED) return;
  const of = each.get(id) ?? charted();
  each.set(id, of);
  addTo(of, now, figures);
}

function addTo(of: Charted, now: number, figures: Figures | null): void {
  for (const key of Object.keys(of) as (keyof Charted)[]) of[key].add(now, figures?.[key] ?? null);
}
