// What happens, newest first.

import { useState } from 'preact/hooks';
import { MAX_KEPT, feed, fits, lost, state, type Happening } from '../feed';
import { clock, count, many } from '../format';
import { Card, Empty, NodeLink } from '../parts';
import { toRoom } from '../route';

/** Rows that are drawn. */
const ROWS = 200;

export function EventsPage({ filter: given }: { filter: string }) {
  const [filter, setFilter] = useState(given);
  const [held, hold] = useState<readonly Happening[] | null>(null);
  const all = held ?? feed.value;
  const found = all.filter((one) => fits(one, filter));
  const fresh = held ? (feed.value[0]?.number ?? 0) - (held[0]?.number ?? 0) : 0;
  return (
    <>
      <div class="head">
        <h1>Events</h1>
        <div class="actions">
          <input type="search" placeholder="node.lost or a name" aria-label="Filter events" value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)} />
          <button type="button" aria-pressed={held !== null} onClick={() => hold(held ? null : feed.value)}>
            {held ? `Go on (${count(fresh)} new)` : 'Hold'}
          </button>
        </div>
      </div>
      <Card title="What happens" wide note={`${count(found.length)} shown, the last ${count(MAX_KEPT)} are kept`}>
        {state.value !== 'live' && state.value !== 'waiting' && <p class="note bad" role="alert">{state.value}</p>}
        {lost.value > 0 && <p class="note bad">Some are told no more, {many(lost.value, 'time')}: they were too many, or are too old.</p>}
        {!found.length && (
          <Empty title={all.length ? 'Nothing fits the filter' : 'Nothing has happened yet'}>
            {all.length ? 'Words must all be there; a word after - must not.'
              : 'From now on, who joins and leaves, what is published, and what becomes of nodes is told here.'}
          </Empty>
        )}
        {found.length > 0 && (
          <ol class="feed">
            <li class="heads" aria-hidden="true">
              <span>Time</span><span>Event</span><span>Room</span><span>Peer</span><span>Told by</span><span>More</span>
            </li>
            {found.slice(0, ROWS).map((one) => <Row key={one.number} one={one} />)}
          </ol>
        )}
      </Card>
    </>
  );
}

function Row({ one: { at, type, room, peer, by, more } }: { one: Happening }) {
  return (
    <li>
      <time class="dim" dateTime={new Date(at).toISOString()}>{clock(at)}</time>
      <span><span class={`event ${kind(type)}`}>{type}</span></span>
      <span class="of">{room && <a href={toRoom(room)} title={room}>{room}</a>}</span>
      <span class="of" title={peer}>{peer}</span>
      <span>{by && <NodeLink id={by} />}</span>
      <span class="dim more">{more}</span>
    </li>
  );
}

/** How an event is coloured: what ends badly, what begins, and the rest. */
function kind(type: string): string {
  // A stream that comes another way from now on is no harm.
  if (/^link\.down$|\.(lost|degraded|refused|died)$/.test(type)) return 'bad';
  return /\.(started|joined|published|up)$/.test(type) ? 'good' : '';
}
