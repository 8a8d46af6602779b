// @starling/client: a room that spans nodes, and survives them.

import { type JoinOptions, Session } from './session.js';

export type { How, Said } from './channels.js';
export { ladder, type SendOptions } from './encodings.js';
export { type NodeHint, placement, problem, wsUrl } from './place.js';
export { ClientSession, type Closed, type End, type Input, type Offer, type Output } from './rejoin.js';
export type { Encryption, Muted, Peer } from './seat.js';
export { type JoinOptions, Session, type SessionEvents, type State } from './session.js';
export { keyOf, type Layers, Stream } from './stream.js';

/** Joins a room; the session then stays in it whatever happens to its node. */
export function join(options: JoinOptions): Promise<Session> {
  return new Session(options).join();
}
