// Where to go when a node is lost, and when: a pure plan. Never does: go there.

/** Waits between rounds over all nodes, in milliseconds; the last one holds for the rest. */
const BACKOFF = [0, 250, 500, 1000];

/** One try. */
export interface Try {
  url: string;
  /** How long to wait before it. */
  wait: number;
}

/** The n-th try: every node of the list at once after the other, then again after a pause. */
export function attempt(n: number, urls: string[]): Try {
  const round = Math.floor(n / urls.length);
  const first = n % urls.length === 0;
  const wait = first ? BACKOFF[Math.min(round, BACKOFF.length - 1)]! : 0;
  return { url: urls[n % urls.length]!, wait };
}

/** Standby nodes in their order, then the one that was lost, each once. */
export function destinations(standby: string[], own: string): string[] {
  return [...new Set([...standby, own])].filter((url) => url !== '');
}
