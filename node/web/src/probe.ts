// `window.starling`: what the call measures about itself, for tests and for a look from the console.
// Never does: change anything but wishes for layers, or say anything but numbers.

import type { How, Layers, Session, Stream } from '@starling/client';
import { type Received, received, sent } from './figures';
import { Stall, watch } from './frames';
import type { Stage } from './stage';

/** Something that happened, in milliseconds of performance.now(). */
export interface Happened {
  at: number;
  what: string;
  detail?: unknown;
}

/** Events that are kept. */
const EVENTS = 1000;

export interface Consumed extends Received {
  /** Longest interval without a frame since the last `resetGaps()`, in milliseconds. */
  maxFrameGapMs: number;
}

interface Counted {
  next: number;
  other: number;
  wrong: number;
  twice: number;
  /** Out of order, each once. */
  ahead: Set<number>;
}

export class Probe {
  readonly events: Happened[] = [];
  /** By channel: numbers heard in order, what was none, came out of order, or was heard before. */
  readonly counted = new Map<string, Counted>();
  private readonly stall = new Stall();
  private since = performance.now();

  constructor(
    private readonly session: () => Session | null,
    private readonly stage: Stage,
  ) {}

  log(what: string, detail?: unknown): void {
    this.events.push({ at: performance.now(), what, detail });
    if (this.events.length > EVENTS) this.events.shift();
  }

  /** Where this page is, whom it knows and what it receives and sends. */
  async stats() {
    const session = this.session();
    const seated = session?.state === 'in';
    const now = performance.now();
    const list = seated ? await Promise.all([...session.streams.values()].map(received)) : [];
    const consumers: Consumed[] = list
      .filter((stream) => stream !== null)
      .map((stream) => {
        const log = this.stage.log(`${stream.peerId}/${stream.source}`);
        const maxFrameGapMs = stream.kind === 'video' ? log.longest(this.since, now) : 0;
        return { ...stream, maxFrameGapMs };
      });
    const producers = seated
      ? await Promise.all([...session.producers].map(async ([source, producer]) => ({
          source,
          producerId: producer.id,
          paused: producer.paused,
          layers: await sent(producer),
        })))
      : [];
    const peers = [...(session?.peers.values() ?? [])];
    return { now, node: seated ? session.node?.nodeId ?? null : null, peers, consumers, producers };
  }

  /** Gaps are measured from now on; returns performance.now(). */
  resetGaps(): number {
    this.since = performance.now();
    this.stall.take();
    return this.since;
  }

  /** The longest interval without a frame by `peer/source`, and how long this page stood still itself. */
  gaps(from = this.since, to = performance.now()) {
    const gaps: Record<string, number> = {};
    for (const [id, log] of this.stage.logs) {
      if (!id.startsWith(' ')) gaps[id] = log.longest(from, to);
    }
    return { gaps, stallMs: this.stall.take() };
  }

  /** Silences of at least `least` milliseconds by `peer/source`. */
  silences(least: number, from = this.since) {
    const all = [...this.stage.logs].filter(([id]) => !id.startsWith(' '));
    return all.flatMap(([stream, log]) =>
      log.silences(from, least).map((silence) => ({ stream, ...silence })));
  }

  /** One stream of somebody else, by its consumer's id or by `peer/source`. */
  stream(consumer: string): Stream | undefined {
    const all = [...(this.session()?.streams.values() ?? [])];
    return all.find((stream) => stream.consumer.id === consumer || stream.key === consumer);
  }

  /** Counts the frames of a stream's own media, as a page that knows of no nodes would show it. */
  follow(key: string): void {
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = this.stream(key)?.media ?? null;
    video.style.cssText = 'position:fixed;right:0;bottom:0;width:64px';
    document.body.append(video);
    watch(video, this.stage.log(`media:${key}`), () => {});
    void video.play();
  }

  /** Wishes for layers of a consumer, by its id or by `peer/source`. */
  setLayers(consumer: string, spatialLayer: number, temporalLayer?: number): boolean {
    const stream = this.stream(consumer);
    if (stream) this.session()?.prefer(stream, { spatialLayer, temporalLayer });
    return stream !== undefined;
  }

  /** The layers of a consumer that flow, as its node says. */
  layers(consumer: string): Layers | undefined {
    return this.stream(consumer)?.current;
  }

  /** Says the numbers below `count` on a channel, each with `padding` more characters. */
  async count(label: string, count: number, padding = 0, how?: How): Promise<void> {
    const rest = '.'.repeat(padding);
    for (let n = 0; n < count; n++) await this.session()!.say(label, `${n} ${rest}`, how);
  }

  /** Says one thing on a channel. */
  async say(label: string, text: string, how?: How): Promise<void> {
    await this.session()!.say(label, text, how);
  }

  /** Somebody said something: if it is a number, whether it is the next one. */
  heard(label: string, text: string): void {
    const counted = this.counted.get(label) ?? { next: 0, other: 0, wrong: 0, twice: 0, ahead: new Set() };
    this.counted.set(label, counted);
    const number = Number(/^(\d+) /.exec(text)?.[1]);
    if (Number.isNaN(number)) counted.other++;
    else if (number === counted.next && !counted.ahead.has(number)) counted.next++;
    else {
      if (number < counted.next || counted.ahead.has(number)) counted.twice++;
      counted.ahead.add(number);
      counted.wrong++;
    }
  }

  leave(): void {
    this.session()?.leave();
  }
}
