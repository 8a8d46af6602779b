// Who is in a room, where, and what they send.

import { useState } from 'preact/hooks';
import { colour } from '../../src/nodes';
import { many } from './format';
import { Icon, type IconName } from './icons';
import { Card, Empty, NodeLink, Scroll } from './parts';
import { askKick, askMovePeer } from './steer';
import type { PeerInfo, ProducerInfo, RoomInfo } from './types';

/** Rows at first; a room may have thousands. */
const ROWS = 50;

export function People({ room, peers }: { room: RoomInfo; peers: PeerInfo[] }) {
  const [rows, setRows] = useState(ROWS);
  const [filter, setFilter] = useState('');
  const wanted = filter.trim().toLowerCase();
  const found = peers.filter(({ id, displayName, node }) =>
    `${id} ${displayName} ${node}`.toLowerCase().includes(wanted));
  const tools = peers.length > 8 && (
    <input type="search" placeholder="Find somebody" aria-label="Find somebody" value={filter}
      onInput={(event) => setFilter(event.currentTarget.value)} />
  );
  return (
    <Card title="People" wide tools={tools} note={many(peers.length, 'person', 'people')}>
      <Spread peers={peers} />
      {!found.length && <Empty title={peers.length ? 'Nobody is called so' : 'Nobody is here'} />}
      {found.length > 0 && (
        <Scroll label="People">
          <table>
            <thead><tr><th>Who</th><th>Node</th><th>Sends</th><th><span class="sr">What to do</span></th></tr></thead>
            <tbody>
              {found.slice(0, rows).map((peer) => (
                <Row key={peer.id} room={room} peer={peer} speaks={room.activeSpeaker === peer.id} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {found.length > rows && (
        <button type="button" class="more" onClick={() => setRows(rows + ROWS)}>Show more</button>
      )}
    </Card>
  );
}

/** On which nodes a room is, as a bar. */
function Spread({ peers }: { peers: PeerInfo[] }) {
  const on = new Map<string, number>();
  for (const { node } of peers) on.set(node, (on.get(node) ?? 0) + 1);
  if (on.size < 2) return null;
  return (
    <div class="spread" role="img"
      aria-label={[...on].map(([node, count]) => `${count} on ${node}`).join(', ')}>
      {[...on].map(([node, count]) => (
        <span key={node} style={{ flexGrow: count, '--node': colour(node) }}>{node} · {count}</span>
      ))}
    </div>
  );
}

function Row({ room, peer, speaks }: { room: RoomInfo; peer: PeerInfo; speaks: boolean }) {
  const name = peer.displayName || peer.id;
  return (
    <tr class={peer.lost ? 'gone' : ''}>
      <td>
        <strong>{name}</strong>{name !== peer.id && <span class="dim"> {peer.id}</span>}
        {speaks && <span class="tag good">speaks</span>}
        {peer.lost && <span class="tag poor" title="Its node is gone; its place is kept for a while">on its way</span>}
      </td>
      <td><NodeLink id={peer.node} /></td>
      <td>
        <span class="sends">
          {peer.producers.map((producer) => <Sends key={producer.id} producer={producer} />)}
          {peer.dataProducers.length > 0 && <span class="send"><Icon name="data" size={15} />data</span>}
          {!peer.producers.length && !peer.dataProducers.length && <span class="dim">nothing</span>}
        </span>
      </td>
      <td class="buttons">
        <button type="button" aria-label={`Move ${name}`} onClick={() => askMovePeer(room.id, peer)}>Move…</button>
        <button type="button" class="danger" aria-label={`Kick ${name}`} onClick={() => askKick(room.id, peer)}>
          Kick…
        </button>
      </td>
    </tr>
  );
}

function Sends({ producer: { kind, source, paused, mimeType, type } }: { producer: ProducerInfo }) {
  const icon: IconName = kind === 'audio' ? 'mic' : source.startsWith('screen') ? 'screen' : 'camera';
  const codec = mimeType.split('/')[1] ?? mimeType;
  return (
    <span class={paused ? 'send paused' : 'send'} title={`${source}: ${mimeType}, ${type}${paused ? ', paused' : ''}`}>
      <Icon name={icon} size={15} />{codec}{type !== 'simple' && <small>{type}</small>}{paused && <small>paused</small>}
    </span>
  );
}
