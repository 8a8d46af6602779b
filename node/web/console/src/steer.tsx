// What an operator may do with a room and its people, each with the question before it.

import { ask } from './api';
import { living } from './cluster';
import { many } from './format';
import { attempt, question } from './say';
import type { Muted, PeerInfo, Policy, RoomInfo } from './types';

/** What fits into a closing frame (RFC 6455 §5.5), with its code and in most scripts. */
const MAX_REASON = 60;
const MODES: Record<Policy['mode'], string> = {
  balance: 'balance: where most room is',
  spread: 'spread: over many nodes',
  pack: 'pack: on few nodes',
  region: 'region: near each client',
};

const pathOf = (room: string, ...rest: string[]): string =>
  ['/v1/rooms', ...[room, ...rest].map(encodeURIComponent)].join('/');

export function askKick(room: string, peer: PeerInfo): void {
  const name = nameOf(peer);
  question.value = {
    title: `Kick ${name}?`,
    body: (
      <>
        <p>{name} is sent out of {room} at once. Who still has a token may join again.</p>
        <label>Reason, which they are told
          <input name="reason" maxLength={MAX_REASON} placeholder="none" autocomplete="off" />
        </label>
      </>
    ),
    verb: 'Kick',
    danger: true,
    act: (form) => {
      const reason = String(form.get('reason') ?? '').trim();
      const query = reason ? `?reason=${encodeURIComponent(reason)}` : '';
      return ask('DELETE', `${pathOf(room, 'peers', peer.id)}${query}`);
    },
    done: `${name} was sent away.`,
  };
}

/** Silences somebody; what is silenced already is ticked. */
export function askMute(room: string, peer: PeerInfo): void {
  const name = nameOf(peer);
  const { audio = true, video = false } = silenced(peer) ? peer.muted! : {};
  question.value = {
    title: `Mute ${name}?`,
    body: (
      <>
        <p>Nobody gets what is ticked, wherever {name} goes on, until it is taken back here. They are told.</p>
        <div class="checks">
          <label class="check"><input type="checkbox" name="audio" defaultChecked={audio} />Microphone and other sound</label>
          <label class="check"><input type="checkbox" name="video" defaultChecked={video} />Camera and screen</label>
        </div>
      </>
    ),
    verb: 'Mute',
    danger: true,
    act: (form) => mute(room, peer, { audio: form.has('audio'), video: form.has('video') }),
    done: `What is silenced of ${name} is changed.`,
  };
}

/** Takes it back, at once: it harms nobody. */
export const unmute = (room: string, peer: PeerInfo): Promise<boolean> =>
  attempt(() => mute(room, peer, { audio: false, video: false }), `${nameOf(peer)} is not muted any more.`);

const mute = (room: string, peer: PeerInfo, muted: Muted): Promise<unknown> =>
  ask('PUT', pathOf(room, 'peers', peer.id, 'mute'), muted);

/** Whether anything is. */
export const silenced = ({ muted }: PeerInfo): boolean => Boolean(muted?.audio || muted?.video);

export const nameOf = ({ id, displayName }: PeerInfo): string => displayName || id;

export function askMovePeer(room: string, peer: PeerInfo): void {
  const name = nameOf(peer);
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

/** Where the room's people are placed, but for pins, and how many there may be. */
export function askPlace({ id, policy }: RoomInfo): void {
  const regions = [...new Set([...living.peek().map(({ info }) => info.region), ...policy.regions])].filter(Boolean);
  question.value = {
    title: `Placement of ${id}`,
    body: (
      <>
        <p>It holds for whoever joins from now on. Nobody is moved.</p>
        <label>How
          <select name="mode">
            {Object.entries(MODES).map(([mode, words]) => (
              <option key={mode} value={mode} selected={mode === policy.mode}>{words}</option>
            ))}
          </select>
        </label>
        {regions.length > 0 && (
          <fieldset class="checks">
            <legend>Only in these regions; none ticked: in all</legend>
            {regions.map((region) => (
              <label class="check" key={region}>
                <input type="checkbox" name="region" value={region} defaultChecked={policy.regions.includes(region)} />
                {region}
              </label>
            ))}
          </fieldset>
        )}
        <div class="pair-of">
          <label>Most people
            <input name="maxPeers" type="number" min="0" max="1000000" defaultValue={String(policy.maxPeers || '')} placeholder="no limit" />
          </label>
          <label>Videos of the last to speak
            <input name="lastN" type="number" min="0" max="1000" defaultValue={String(policy.lastN || '')} placeholder="all" />
          </label>
        </div>
      </>
    ),
    verb: 'Place',
    danger: false,
    act: (form) => ask('PATCH', pathOf(id, 'policy'), {
      mode: String(form.get('mode')),
      regions: form.getAll('region').map(String),
      maxPeers: Number(form.get('maxPeers')) || 0,
      lastN: Number(form.get('lastN')) || 0,
    }),
    done: `The placement of ${id} is changed.`,
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
