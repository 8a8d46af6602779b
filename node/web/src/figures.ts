// What arrives and what is sent, read from the browser's statistics. Never does: show it.

import type { Stream } from '@starling/client';
import type { types } from 'mediasoup-client';

/** A stream's figures over the last interval. */
export interface StreamFigures {
  bitrate: number;
  fps: number;
  width: number;
  height: number;
  /** Percent of packets. */
  lost: number;
}

/** Statistics of a received stream, as the tests read them. */
export interface Received {
  consumerId: string;
  peerId: string;
  source: string;
  kind: string;
  producerPaused: boolean;
  layers: number;
  spatialLayer: number | null;
  temporalLayer: number | null;
  packetsReceived: number;
  packetsLost: number;
  retransmittedPacketsReceived: number;
  bytesReceived: number;
  jitter: number;
  framesReceived: number;
  framesDecoded: number;
  framesDropped: number;
  keyFramesDecoded: number;
  freezeCount: number;
  totalFreezesDuration: number;
  nackCount: number;
  pliCount: number;
  frameWidth: number;
  frameHeight: number;
  framesPerSecond: number;
  audioLevel: number;
  totalAudioEnergy: number;
  concealedSamples: number;
  codec: string;
  decoder: string;
}

type Entry = Record<string, unknown> & { type: string };

/** All statistics of one received stream. */
export async function received(stream: Stream): Promise<Received | null> {
  const { consumer } = stream;
  if (consumer.closed) return null;
  const report = await consumer.getStats().catch(() => null);
  let inbound: Entry | undefined;
  report?.forEach((entry: Entry) => {
    if (entry.type === 'inbound-rtp') inbound = entry;
  });
  if (!inbound) return null;
  const number = (name: string) => Number(inbound![name] ?? 0);
  return {
    consumerId: consumer.id,
    peerId: stream.peerId,
    source: stream.source,
    kind: consumer.kind,
    producerPaused: stream.producerPaused,
    layers: stream.layers,
    spatialLayer: stream.current?.spatialLayer ?? null,
    temporalLayer: stream.current?.temporalLayer ?? null,
    packetsReceived: number('packetsReceived'),
    packetsLost: number('packetsLost'),
    retransmittedPacketsReceived: number('retransmittedPacketsReceived'),
    bytesReceived: number('bytesReceived'),
    jitter: number('jitter'),
    framesReceived: number('framesReceived'),
    framesDecoded: number('framesDecoded'),
    framesDropped: number('framesDropped'),
    keyFramesDecoded: number('keyFramesDecoded'),
    freezeCount: number('freezeCount'),
    totalFreezesDuration: number('totalFreezesDuration'),
    nackCount: number('nackCount'),
    pliCount: number('pliCount'),
    frameWidth: number('frameWidth'),
    frameHeight: number('frameHeight'),
    framesPerSecond: number('framesPerSecond'),
    audioLevel: number('audioLevel'),
    totalAudioEnergy: number('totalAudioEnergy'),
    concealedSamples: number('concealedSamples'),
    codec: consumer.rtpParameters.codecs[0]?.mimeType ?? '',
    decoder: String(inbound.decoderImplementation ?? ''),
  };
}

/** The sent encodings of a producer. */
export async function sent(producer: types.Producer): Promise<Entry[]> {
  const report = producer.closed ? null : await producer.getStats().catch(() => null);
  const layers: Entry[] = [];
  report?.forEach((entry: Entry) => {
    if (entry.type === 'outbound-rtp') layers.push(entry);
  });
  return layers;
}

/** Turns counters into rates between two readings of the same stream. */
export class Rates {
  private readonly last = new Map<string, { at: number; bytes: number; lost: number; all: number }>();

  of(id: string, now: number, figures: Received): StreamFigures {
    const all = figures.packetsReceived + figures.packetsLost;
    const read = { at: now, bytes: figures.bytesReceived, lost: figures.packetsLost, all };
    const before = this.last.get(id) ?? { ...read, at: now - 1000 };
    this.last.set(id, read);
    const seconds = Math.max(0.1, (now - before.at) / 1000);
    const packets = all - before.all;
    return {
      bitrate: Math.max(0, ((read.bytes - before.bytes) * 8) / seconds),
      fps: figures.framesPerSecond,
      width: figures.frameWidth,
      height: figures.frameHeight,
      lost: packets > 0 ? Math.max(0, ((read.lost - before.lost) * 100) / packets) : 0,
    };
  }

  /** Bits per second of a counter of bytes. */
  rate(id: string, now: number, bytes: number): number {
    const before = this.last.get(id) ?? { at: now - 1000, bytes };
    this.last.set(id, { at: now, bytes, lost: 0, all: 0 });
    return Math.max(0, ((bytes - before.bytes) * 8000) / Math.max(100, now - before.at));
  }

  keep(ids: Set<string>): void {
    for (const id of this.last.keys()) if (!ids.has(id)) this.last.delete(id);
  }
}
