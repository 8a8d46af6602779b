// A room: who is where, what they get of each other, and what an operator may do about it.

import { useEffect, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { Refusal, get, list } from '../api';
import { here } from '../cluster';
import { many } from '../format';
import { byName } from '../known';
import { MatrixCard, kind } from '../matrix';
import { Card, Copy, Empty, NodeLink } from '../parts';
import { People } from '../people';
import { ExplainCard } from '../explain';
import { Poll } from '../poll';
import { askMoveRoom, askPin, askPlace } from '../steer';
import type { Matrix, PeerInfo, RoomInfo } from '../types';
import { limits, placed } from './rooms';

const PEERS_EVERY = 1000;
/** Each node of the room is asked, and each of them asks its planes. */
const MATRIX_EVERY = 2000;

interface Looked {
  id: string;
  room: RoomInfo | null;
  peers: PeerInfo[];
}

const looked = signal<Looked | null>(null);
const matrix = signal<Matrix | null>(null);

export function RoomPage({ id }: { id: string }) {
  const [explained, explain] = useState(false);
  useEffect(() => watch(id), [id]);
  const now = looked.value?.id === id ? looked.value : null;
  if (!now) return <Empty title="Asking the node…" />;
  if (!now.room) {
    return (
      <Empty title={`Nobody is in a room ${id}`}>
        It begins when somebody joins. <a href="#/rooms">All rooms</a>
      </Empty>
    );
  }
  const { room, peers } = now;
  return (
    <>
      <Head room={room} peers={peers} explain={() => explain(!explained)} explained={explained} />
      {explained && <ExplainCard room={id} />}
      <People room={room} peers={peers} />
      {peers.length > 0 && <MatrixCard peers={peers} matrix={matrix.value?.room === id ? matrix.value : null} />}
      <Card title="Publish and play" note="from OBS, ffmpeg, GStreamer or any player" wide>
        <div class="urls">
          <Copy name="WHIP" text={`${api()}/whip/${encodeURIComponent(id)}`} />
          <Copy name="WHEP" text={`${api()}/whep/${encodeURIComponent(id)}`} />
        </div>
        <p class="note">Each needs a token for the room as its bearer token:{' '}
          <code>{`starling token create --room ${id} --peer obs --publish`}</code></p>
      </Card>
    </>
  );
}

function watch(id: string): () => void {
  const path = `/v1/rooms/${encodeURIComponent(id)}`;
  const people = new Poll(async () => {
    try {
      const room = await get<RoomInfo>(path);
      // A room without people may be known to this node only by name.
      const peers = room.nodes.length ? await list<PeerInfo>(`${path}/peers`) : [];
      looked.value = { id, room, peers: peers.sort((a, b) => byName(a.id, b.id)) };
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 404) throw error;
      looked.value = { id, room: null, peers: [] };
    }
  }, () => PEERS_EVERY);
  const cells = new Poll(async () => {
    if (looked.peek()?.room) matrix.value = await get<Matrix>(`${path}/matrix?kind=${kind.peek()}`);
  }, () => MATRIX_EVERY);
  const changed = kind.subscribe(cells.now);
  return () => {
    changed();
    people.end();
    cells.end();
    looked.value = null;
    matrix.value = null;
  };
}

const api = (): string => here.value?.apiUrl ?? location.origin;

function Head({ room, peers, explain, explained }:
{ room: RoomInfo; peers: PeerInfo[]; explain: () => void; explained: boolean }) {
  return (
    <div class="head">
      <div>
        <p class="crumb"><a href="#/rooms">Rooms</a></p>
        <h1>{room.id}</h1>
        <p class="facts">
          {room.nodes.length === 0 ? <span>nobody is in it</span> : (
            <span>
              {many(peers.length, 'person', 'people')} on
              {[...room.nodes].sort(byName).map((node) => <NodeLink key={node} id={node} />)}
            </span>
          )}
          <span>placement: {placed(room.policy)}</span>
          {limits(room) !== '–' && <span>{limits(room)}</span>}
        </p>
      </div>
      <div class="actions">
        <button type="button" aria-expanded={explained} onClick={explain}>Explain</button>
        <button type="button" onClick={() => askPlace(room)}>Place…</button>
        <button type="button" onClick={() => askPin(room)}>Pin…</button>
        <button type="button" onClick={() => askMoveRoom(room, peers.length)}>Move…</button>
      </div>
    </div>
  );
}
