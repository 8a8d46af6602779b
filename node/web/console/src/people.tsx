// Who is in a room, where, and what they send.

import { useState } from 'preact/hooks';
import { colour } from '../../src/nodes';
import { many } from './format';
import { Icon, type IconName } from './icons';
import { Card, Empty, NodeLink } from './parts';
import { askKick, askMovePeer, askMute, nameOf, silenced, unmute } from './steer';
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
        <ul class="people">
          {found.slice(0, rows).map((peer) => (
            <Row key={peer.id} room={room} peer={peer} speaks={room.activeSpeaker === peer.id} />
          ))}
        </ul>
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
        <span key={node} style={{ flexGrow: count, '--node': colour(node) }} title={`${count} on ${node}`}><b>{node} · </b>{count}</span>
      ))}
    </div>
  );
}

function Row({ room, peer, speaks }: { room: RoomInfo; peer: PeerInfo; speaks: boolean }) {
  const name = nameOf(peer);
  const quiet = silenced(peer);
  return (
    <li class={peer.lost ? 'gone' : ''}>
      <span class="who">
        <strong>{name}</strong>{name !== peer.id && <span class="dim">{peer.id}</span>}
        {speaks && <span class="tag good">speaks</span>}
        {quiet && <span class="tag poor" title="By an operator">{mutedOf(peer)}</span>}
        {peer.hidden && <span class="tag" title="The others are not told of it; only its own node lists it">hidden</span>}
        {peer.lost && <span class="tag poor" title="Its node is gone; its place is kept for a while">on its way</span>}
      </span>
      <NodeLink id={peer.node} />
      <span class="sends">
        {peer.producers.map((producer) => (
          <Sends key={producer.id} producer={producer} muted={Boolean(peer.muted?.[producer.kind])} />
        ))}
        {peer.dataProducers.length > 0 && <span class="send"><Icon name="data" size={15} />data</span>}
        {!peer.producers.length && !peer.dataProducers.length && <span class="dim">sends nothing</span>}
      </span>
      <span class="buttons">
        {quiet
          ? <button type="button" aria-label={`Unmute ${name}`} onClick={() => void unmute(room.id, peer)}>Unmute</button>
          : <button type="button" aria-label={`Mute ${name}`} disabled={peer.hidden} onClick={() => askMute(room.id, peer)}>
              Mute…
            </button>}
        <button type="button" aria-label={`Move ${name}`} onClick={() => askMovePeer(room.id, peer)}>Move…</button>
        <button type="button" class="danger" aria-label={`Kick ${name}`} onClick={() => askKick(room.id, peer)}>
          Kick…
        </button>
      </span>
    </li>
  );
}

const mutedOf = ({ muted }: PeerInfo): string =>
  muted?.audio && muted.video ? 'muted and unseen' : muted?.video ? 'unseen' : 'muted';

function Sends({ producer: { kind, source, paused, mimeType, type }, muted }: { producer: ProducerInfo; muted: boolean }) {
  const icon: IconName = kind === 'audio' ? 'mic' : source.startsWith('screen') ? 'screen' : 'camera';
  const codec = mimeType.split('/')[1] ?? mimeType;
  const still = muted ? 'muted' : paused ? 'paused' : '';
  return (
    <span class={still ? 'send paused' : 'send'} title={`${source}: ${[mimeType, type, still].filter(Boolean).join(', ')}`}>
      <Icon name={icon} size={15} />{codec}{type !== 'simple' && <small class="type">{type}</small>}{still && <small>{still}</small>}
    </span>
  );
}
