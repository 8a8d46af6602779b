// What an operator may do with a room and its people, each with the question before it.

import { ask } from './api';
import { living } from './cluster';
import { many } from './format';
import { question } from './say';
import type { PeerInfo, RoomInfo } from './types';

const pathOf = (room: string, ...rest: string[]): string =>
  ['/v1/rooms', ...[room, ...rest].map(encodeURIComponent)].join('/');

export function askKick(room: string, peer: PeerInfo): void {
  const name = peer.displayName || peer.id;
  question.value = {
    title: `Kick ${name}?`,
    body: <p>{name} is sent out of {room} at once. Who still has a token may join again.</p>,
    verb: 'Kick',
    danger: true,
    act: () => ask('DELETE', pathOf(room, 'peers', peer.id)),
    done: `${name} was sent away.`,
  };
}

export function askMovePeer(room: string, peer: PeerInfo): void {
  const name = peer.displayName || peer.id;
  question.value = {
    title: `Move ${name}`,
    body: (
      <>
        <p>{name} goes on there, make before break: nobody sees a gap.</p>
        <Nodes without={[peer.node]} best="Where placement says" />
      </>
    ),
    verb: 'Move',
    danger: false,
    act: (form) => {
      const to = String(form.get('node') ?? '');
      return ask('POST', pathOf(room, 'peers', peer.id, 'move'), to ? { to } : {});
    },
    done: `${name} has moved.`,
  };
}

export function askMoveRoom(room: RoomInfo, people: number): void {
  question.value = {
    title: `Move ${room.id}`,
    body: (
      <>
        <p>
          {many(people, 'person goes', 'people go')} to one node, in batches and make before break. It does not stay
          there by that: pin it for that.
        </p>
        <Nodes without={[]} best={null} />
      </>
    ),
    verb: 'Move',
    danger: true,
    act: (form) => ask('POST', pathOf(room.id, 'move'), { to: String(form.get('node')) }),
    done: `${room.id} is on its way.`,
  };
}

export function askPin(room: RoomInfo): void {
  const { pinnedNodes } = room.policy;
  question.value = {
    title: `Pin ${room.id}`,
    body: (
      <>
        <p>Whoever joins is placed on these nodes, while any of them is up. None chosen: anywhere. Nobody is moved.</p>
        <div class="checks">
          {living.peek().map(({ info: { id } }) => (
            <label class="check" key={id}>
              <input type="checkbox" name="node" value={id} defaultChecked={pinnedNodes.includes(id)} />{id}
            </label>
          ))}
        </div>
      </>
    ),
    verb: 'Pin',
    danger: false,
    act: (form) => ask('PATCH', pathOf(room.id, 'policy'), { pinnedNodes: form.getAll('node').map(String) }),
    done: `The placement of ${room.id} is changed.`,
  };
}

/** The nodes that may be gone to. */
function Nodes({ without, best }: { without: string[]; best: string | null }) {
  const open = living.peek().filter(({ info, face }) => face === 'up' && !without.includes(info.id));
  return (
    <label>To
      <select name="node" required={best === null}>
        {best !== null && <option value="">{best}</option>}
        {open.map(({ info: { id, region, load } }) => (
          <option key={id} value={id}>
            {`${id}${region ? ` (${region})` : ''}, ${many(load.peers, 'person', 'people')}`}
          </option>
        ))}
      </select>
    </label>
  );
}
