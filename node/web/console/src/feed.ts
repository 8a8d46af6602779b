// What happens in the cluster, as the node tells it: the last of it, in bounded memory; and who wants to know at once.

import { signal } from '@preact/signals';
import { Refusal, stream } from './api';
import { pause } from './poll';
import { Reader, type Told } from './sse';

/** Something that happened. */
export interface Happening {
  /** Of this page, growing. */
  number: number;
  /** Of the event. */
  id: string;
  at: number;
  type: string;
  by: string;
  room: string;
  peer: string;
  /** The rest of it, for people. */
  more: string;
}

/** Happenings that are kept: some screens full. */
export const MAX_KEPT = 500;
/** Longest text of one that is shown. */
const MAX_MORE = 240;

export const feed = signal<readonly Happening[]>([]);
/** `live`, `waiting` for the node, or why there is none. */
export const state = signal<string>('waiting');
/** How often some were told no more, because they were too many or are too old. */
export const lost = signal(0);

let abort: AbortController | null = null;
let number = 0;

export function begin(onHappening: (type: string) => void): void {
  end();
  feed.value = [];
  lost.value = 0;
  abort = new AbortController();
  void run(abort.signal, onHappening);
}

export function end(): void {
  abort?.abort();
  abort = null;
}

async function run(signal: AbortSignal, onHappening: (type: string) => void): Promise<void> {
  let last: string | null = null;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = last === null ? {} : { 'last-event-id': last };
      const answer = await stream('/v1/events', headers, signal);
      state.value = 'live';
      failures = 0;
      const reader = new Reader();
      const body = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await body.read();
        if (done) break;
        const told = reader.take(value);
        last = reader.last ?? last;
        take(told, onHappening);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && error.status < 500) {
        state.value = `${error.message}. ${error.hint}`;
        if (error.status === 401) return;
      }
    }
    if (state.peek() === 'live') state.value = 'waiting';
    failures += 1;
    await new Promise((done) => setTimeout(done, pause(failures)));
  }
}

function take(told: readonly Told[], onHappening: (type: string) => void): void {
  const fresh: Happening[] = [];
  const known = new Set(feed.peek().map(({ id }) => id));
  for (const one of told) {
    if (one.event === 'lost' || one.event === 'gap') {
      lost.value += 1;
      // What is known of the nodes is then to be read anew.
      onHappening('node.gap');
      continue;
    }
    const happening = happened(one.data, number + 1);
    // After a break the last second or two are told again.
    if (!happening || known.has(happening.id)) continue;
    number += 1;
    known.add(happening.id);
    fresh.push(happening);
    onHappening(happening.type);
  }
  if (fresh.length) feed.value = [...fresh.reverse(), ...feed.peek()].slice(0, MAX_KEPT);
}

/** Reads one; null if it is none. */
export function happened(data: string, number: number): Happening | null {
  let read: Record<string, unknown>;
  try {
    read = JSON.parse(data) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (typeof read !== 'object' || read === null) return null;
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  const { id, at, by, type, room, peer, ...rest } = read;
  if (typeof type !== 'string') return null;
  const more = Object.entries(rest).map(([name, value]) =>
    `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return {
    number,
    id: text(id) || `${number}`,
    at: Date.parse(text(at)) || Date.now(),
    type,
    by: text(by),
    room: text(room),
    peer: text(peer),
    more: more.join(' · ').slice(0, MAX_MORE),
  };
}

/** Whether all words of a filter are in a happening; `-word` must not be. */
export function fits(happening: Happening, filter: string): boolean {
  const { type, by, room, peer, more } = happening;
  const text = `${type} ${by} ${room} ${peer} ${more}`.toLowerCase();
  return filter.toLowerCase().split(/\s+/).filter(Boolean).every((word) =>
    word.startsWith('-') && word.length > 1 ? !text.includes(word.slice(1)) : text.includes(word));
}
