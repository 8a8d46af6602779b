// All rooms: found by name, or by where they are.

import { useEffect, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { list } from '../api';
import { count, many } from '../format';
import { byName } from '../known';
import { Card, Empty, NodeLink, Scroll } from '../parts';
import { Poll } from '../poll';
import { toRoom } from '../route';
import type { Policy, RoomInfo } from '../types';

const EVERY = 2000;
/** Rows that are drawn at first, and more with each wish: a browser draws a hundred in a frame. */
const ROWS = 100;
/** Nodes of a room that are named in its row. */
const NODES = 3;

const rooms = signal<RoomInfo[] | null>(null);

export function RoomsPage({ node }: { node: string }) {
  const [filter, setFilter] = useState('');
  const [rows, setRows] = useState(ROWS);
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    const poll = new Poll(async () => {
      try {
        rooms.value = (await list<RoomInfo>('/v1/rooms')).sort((a, b) => byName(a.id, b.id));
        setTrouble('');
      } catch (error) {
        setTrouble(error instanceof Error ? error.message : String(error));
        throw error;
      }
    }, () => Math.max(EVERY, (rooms.peek()?.length ?? 0) * 2));
    return () => poll.end();
  }, []);
  const all = rooms.value ?? [];
  const found = all.filter(({ id, nodes }) =>
    id.toLowerCase().includes(filter.trim().toLowerCase()) && (!node || nodes.includes(node)));
  return (
    <>
      <div class="head">
        <h1>Rooms</h1>
        <div class="actions">
          {node && <a class="chip" href="#/rooms" title="Rooms of all nodes">on {node} ×</a>}
          <input type="search" placeholder="Find a room" aria-label="Find a room" value={filter}
            onInput={(event) => { setFilter(event.currentTarget.value); setRows(ROWS); }} />
        </div>
      </div>
      <Card title="All rooms" wide note={rooms.value === null ? '' : note(found.length, all.length)}>
        {trouble && <p class="note bad" role="alert">{trouble}</p>}
        {rooms.value === null && !trouble && <Empty title="Asking the node…" />}
        {rooms.value !== null && !found.length && (
          <Empty title={all.length ? 'No room is called so' : 'No rooms yet'}>
            {all.length ? 'Part of the name is enough.' : 'A room begins when somebody joins it.'}
          </Empty>
        )}
        {found.length > 0 && (
          <Scroll label="Rooms">
            <table>
              <thead><tr><th>Room</th><th>Nodes</th><th>Placement</th><th>Limits</th></tr></thead>
              <tbody>{found.slice(0, rows).map((room) => <Row key={room.id} room={room} />)}</tbody>
            </table>
          </Scroll>
        )}
        {found.length > rows && (
          <button type="button" class="more" onClick={() => setRows(rows + ROWS)}>
            {`Show ${count(Math.min(ROWS, found.length - rows))} more`}
          </button>
        )}
      </Card>
    </>
  );
}

function Row({ room }: { room: RoomInfo }) {
  const on = [...room.nodes].sort(byName);
  return (
    <tr>
      <td><a href={toRoom(room.id)}>{room.id}</a></td>
      <td class="nodes">
        {!room.nodes.length && <span class="dim">nobody is in it</span>}
        {on.slice(0, NODES).map((id) => <NodeLink key={id} id={id} />)}
        {on.length > NODES && <a class="dim" href={toRoom(room.id)} title={on.join(', ')}>and {on.length - NODES} more</a>}
      </td>
      <td>{placed(room.policy)}</td>
      <td>{limits(room)}</td>
    </tr>
  );
}

const note = (found: number, all: number): string =>
  found === all ? many(all, 'room') : `${count(found)} of ${many(all, 'room')}`;

/** Where a room's people may be, in words. */
export function placed({ mode, pinnedNodes, regions }: Policy): string {
  const where = pinnedNodes.length ? `pinned to ${pinnedNodes.join(', ')}`
    : regions.length ? `in ${regions.join(', ')}` : '';
  return [mode, where].filter(Boolean).join(', ');
}

export function limits({ policy, persistent }: RoomInfo): string {
  const parts = [
    policy.maxPeers ? `at most ${count(policy.maxPeers)} people` : '',
    policy.lastN ? `last ${policy.lastN} videos` : '',
    persistent ? 'stays when empty' : '',
  ];
  return parts.filter(Boolean).join(', ') || '–';
}
