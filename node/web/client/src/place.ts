// Addresses of nodes, and the question where to join a room. Never does: hold a connection.

/** A node to connect to. */
export interface NodeHint {
  nodeId: string;
  /** `ws://…/`, without query. */
  url: string;
  region: string;
}

/** Longest wait for a placement if nobody gives it up before, in milliseconds. */
const PLACE = 4000;

/** Where to join, or why not: a browser shows its page no status of a failed WebSocket, but this one. */
export class Unplaced extends Error {
  constructor(
    readonly status: number,
    sentence: string,
  ) {
    super(sentence);
  }
}

/** The signalling URL of a node, from whatever address of it a person has. */
export function wsUrl(address: string): string {
  const url = new URL(address.replace(/^http/, 'ws'));
  url.search = url.hash = '';
  return url.href;
}

/** A refusal as the API words it. */
export async function problem(response: Response): Promise<Unplaced> {
  const body = await response.json().catch(() => ({}));
  const sentence = body.detail ?? body.title ?? body.message ?? `HTTP ${response.status}`;
  return new Unplaced(response.status, body.hint ? `${sentence} — ${body.hint}` : sentence);
}

/** Asks the node at `url` where to join `room`. */
export async function placement(
  url: string,
  room: string,
  token: string | null,
  signal: AbortSignal = AbortSignal.timeout(PLACE),
): Promise<NodeHint> {
  const { origin } = new URL(url.replace(/^ws/, 'http'));
  const response = await fetch(`${origin}/v1/rooms/${encodeURIComponent(room)}/placement`, {
    headers: token ? { authorization: `Bearer ${token}` } : {},
    signal,
  });
  if (!response.ok) throw await problem(response);
  const body = await response.json();
  return { nodeId: body.node, url: body.url, region: '' };
}
