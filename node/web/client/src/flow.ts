// Whether something flows, as the browser's statistics say. Never does: wait for it.

import type { types } from 'mediasoup-client';

/** Between two looks, in milliseconds: a frame of a camera takes as long. */
export const LOOK = 40;

/** A picture of it was decoded, or sound came. */
export function comes(consumer: types.Consumer): Promise<boolean> {
  return counts(consumer, 'inbound-rtp', consumer.kind === 'video' ? 'framesDecoded' : 'packetsReceived');
}

/** Something of it was sent. */
export function goes(producer: types.Producer): Promise<boolean> {
  return counts(producer, 'outbound-rtp', 'packetsSent');
}

async function counts(
  of: { getStats(): Promise<RTCStatsReport> },
  type: string,
  field: string,
): Promise<boolean> {
  const report = await of.getStats().catch(() => null);
  let count = 0;
  report?.forEach((entry: Record<string, unknown>) => {
    if (entry.type === type) count += Number(entry[field] ?? 0);
  });
  return count > 0;
}
