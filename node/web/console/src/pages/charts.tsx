// The cluster and its nodes over the time that the page is open.

import { useState } from 'preact/hooks';
import { all, bitrateBetween, each, lossBetween, nodes, tick } from '../cluster';
import { Chart, type ChartLine } from '../chart';
import type { Charted } from '../cluster';
import { bitrate, count, millis, share } from '../format';
import { Dot } from '../parts';
import { colourOf } from './node';

/** Lines that can be told apart in one chart. */
const MAX_LINES = 12;

export function ChartsPage() {
  void tick.value;
  const [split, setSplit] = useState(false);
  const ids = [...nodes.value.keys()].filter((id) => each.has(id)).slice(0, MAX_LINES);
  const lines = (key: keyof Charted): ChartLine[] => split
    ? ids.map((id) => ({ name: id, series: each.get(id)![key], colour: colourOf(id) }))
    : [{ name: '', series: all[key], colour: 'var(--accent)' }];
  const one = (series: typeof lossBetween, colour: string) => [{ name: '', series, colour }];
  return (
    <>
      <div class="head">
        <h1>Charts</h1>
        <div class="actions switch" role="group" aria-label="What is drawn">
          <button type="button" aria-pressed={!split} onClick={() => setSplit(false)}>Cluster</button>
          <button type="button" aria-pressed={split} onClick={() => setSplit(true)}>Each node</button>
        </div>
      </div>
      {split && (
        <ul class="legend inline">
          {ids.map((id) => <li key={id}><Dot id={id} />{id}</li>)}
          {each.size > MAX_LINES && <li>and {each.size - MAX_LINES} more, each on its own page</li>}
        </ul>
      )}
      <div class="charts big">
        <Chart title="Media" lines={lines('bitrate')} say={bitrate} least={100_000} />
        <Chart title="Packets per second" lines={lines('packets')} say={count} least={100} />
        <Chart title="People" lines={lines('people')} say={count} least={2} />
        <Chart title={split ? 'Busy' : 'Busiest node'} lines={lines('busy')} say={share} least={0.2} />
        <Chart title="Between nodes" lines={one(bitrateBetween, 'var(--accent)')} say={bitrate} least={100_000} />
        <Chart title="Lost between nodes" lines={one(lossBetween, 'var(--poor)')} say={share} least={0.01} />
        <Chart title={split ? 'Event-loop delay' : 'Event-loop delay, latest node'} lines={lines('delay')} say={millis} least={5} />
      </div>
    </>
  );
}
