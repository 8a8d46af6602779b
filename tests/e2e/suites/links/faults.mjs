// What is done to a link, both ways, and for how long.

/** A path within a continent: 20 ms each way. */
export const PATH = { delay_ms: 20 };

/** Each is on top of [`PATH`]. A narrow path has a router's queue before it. */
export const FAULTS = [
  { name: 'loss_1pct', is: { loss_pct: 1 } },
  { name: 'loss_5pct', is: { loss_pct: 5 } },
  { name: 'loss_20pct', is: { loss_pct: 20 } },
  { name: 'delay_50_20ms', is: { delay_ms: 50, jitter_ms: 20 } },
  { name: 'reorder_10pct', is: { reorder_pct: 10, reorder_ms: 15 } },
  { name: 'rate_1mbps', is: { rate_kbps: 1000, queue_ms: 200 } },
  { name: 'mtu_1280', is: { mtu: 1280 } },
];

/** Undoes each of them. */
export const NONE = {
  loss_pct: 0, jitter_ms: 0, reorder_pct: 0, reorder_ms: 0, rate_kbps: 0, queue_ms: 0, mtu: 0, ...PATH,
};

export const SECONDS = Number(process.env.LINK_SECONDS ?? 20);
