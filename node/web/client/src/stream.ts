// One stream of somebody else, whichever node it comes from. Never does: ask for one.

import type { types } from 'mediasoup-client';
import { comes, LOOK } from './flow.js';

/** Layers of a stream. */
export interface Layers {
  spatialLayer: number;
  temporalLayer?: number;
}

/** A stream as it comes on one seat. */
export interface Incoming {
  peerId: string;
  source: string;
  consumer: types.Consumer;
  /** How many encodings there are to choose from. */
  layers: number;
  /** Those that flow, as the node says. */
  current?: Layers;
  producerPaused: boolean;
}

/** A stream of a peer's source, over all moves. */
export class Stream {
  /**
   * For an element's `srcObject`, once: when the stream comes from another node, its new track takes the old
   * one's place in here as soon as its first frame is there.
   */
  readonly media = new MediaStream();
  /** The layers that are wished for. */
  preferred?: Layers;
  private shown: Incoming | null = null;

  constructor(private incoming: Incoming) {
    this.show(incoming);
  }

  get peerId(): string {
    return this.incoming.peerId;
  }

  get source(): string {
    return this.incoming.source;
  }

  /** What it is called on all nodes. */
  get key(): string {
    return keyOf(this.incoming);
  }

  get kind(): string {
    return this.incoming.consumer.kind;
  }

  /** mediasoup-client's consumer on the node of now. */
  get consumer(): types.Consumer {
    return this.incoming.consumer;
  }

  /** The track of now; [`Stream.media`] has one that shows something. */
  get track(): MediaStreamTrack {
    return this.incoming.consumer.track;
  }

  /** How many encodings there are to choose from. */
  get layers(): number {
    return this.incoming.layers;
  }

  /** Those that flow, as the node says. */
  get current(): Layers | undefined {
    return this.incoming.current;
  }

  /** Paused by its peer. */
  get producerPaused(): boolean {
    return this.incoming.producerPaused;
  }

  /** @internal Whether this is what it comes as now. */
  is(incoming: Incoming): boolean {
    return this.incoming === incoming;
  }

  /** @internal Whether something of these is shown. */
  shows(incoming: Map<string, Incoming>): boolean {
    return this.shown !== null && incoming.get(this.shown.consumer.id) === this.shown;
  }

  /** @internal It comes from another node now; true as soon as something of it is there. */
  async adopt(incoming: Incoming): Promise<boolean> {
    this.incoming = incoming;
    while (this.is(incoming) && !incoming.consumer.closed && !incoming.producerPaused) {
      if (await comes(incoming.consumer)) break;
      await new Promise((done) => setTimeout(done, LOOK));
    }
    if (!this.is(incoming)) return false;
    this.show(incoming);
    return true;
  }

  /** @internal Shows what it comes as now, whether something came or not. */
  settle(): void {
    this.show(this.incoming);
  }

  private show(incoming: Incoming): void {
    const old = this.shown?.consumer.track;
    if (this.shown === incoming) return;
    this.shown = incoming;
    this.media.addTrack(incoming.consumer.track);
    if (old) this.media.removeTrack(old);
  }
}

/** A stream's peer and source. */
export function keyOf({ peerId, source }: { peerId: string; source: string }): string {
  return `${peerId}/${source}`;
}
