// The cluster: the map, what crosses it, and its nodes.

import { useState } from 'preact/hooks';
import { Spark } from '../chart';
import { MAX_MESHED, all, bitrateBetween, links, living, lossBetween, nodes, silent, tick } from '../cluster';
import { bitrate, count, many, millis, share } from '../format';
import { grade } from '../grade';
import { type KnownNode, lives } from '../known';
import { ClusterMap } from '../map';
import { Card, Dot, Empty, Face, Meter, NodeLink, Scroll, Stat } from '../parts';
import { type Line, bpsOf, lossOf, lossOfAll } from '../rates';
import { toRoom } from '../route';
import type { PipeInfo } from '../types';

/** Lines of the list beside the map, those that carry most. */
const MAX_LINES = 12;
/** Streams of one link that are listed. */
const MAX_STREAMS = 20;

export function ClusterPage() {
  const [chosen, choose] = useState<string | null>(null);
  return (
    <>
      <h1 class="sr">Cluster</h1>
      <Figures />
      <div class="split">
        <section class="card flush" aria-label="Map"><ClusterMap chosen={chosen} /><Legend /></section>
        <Between choose={choose} />
      </div>
      <Nodes />
    </>
  );
}

function Figures() {
  void tick.value;
  const up = living.value;
  const gone = nodes.value.size - up.length;
  const sum = (of: (node: KnownNode) => number) => up.reduce((total, node) => total + of(node), 0);
  const loss = lossOfAll(links.value);
  const streams = links.value.reduce((total, line) => total + line.pipes.length, 0);
  return (
    <dl class="stats">
      <Stat name="Nodes" value={count(up.length)} grade={gone ? 'poor' : undefined}
        note={gone ? `${count(gone)} gone` : 'all are up'} />
      <Stat name="People" value={count(sum(({ info }) => info.load.peers))}
        note={`get ${many(sum(({ info }) => info.load.consumers), 'stream')}`}
        spark={<Spark series={all.people} colour="var(--accent)" least={1} />} />
      <Stat name="Media" value={bitrate(sum(({ info }) => info.cost?.bitsPerSecond ?? 0))}
        note={`${count(sum(({ info }) => info.cost?.packetsPerSecond ?? 0))} packets/s`}
        spark={<Spark series={all.bitrate} colour="var(--accent)" least={100_000} />} />
      <Stat name="Between nodes" value={bitrate(links.value.reduce((total, line) => total + bpsOf(line), 0))}
        note={`${many(links.value.length, 'link')}, ${many(streams, 'stream')}`}
        spark={<Spark series={bitrateBetween} colour="var(--accent)" least={100_000} />} />
      <Stat name="Lost between nodes" value={share(loss)} grade={loss === null ? undefined : grade(loss, 0)}
        note="before repair"
        spark={<Spark series={lossBetween} colour="var(--poor)" least={0.01} />} />
    </dl>
  );
}

function Legend() {
  return (
    <ul class="legend">
      <li><i class="line good" />carries media</li>
      <li><i class="line idle" />idle</li>
      <li><i class="line fair" />loses 0.5 %, or 150 ms</li>
      <li><i class="line poor" />loses 2 %, or 300 ms</li>
      <li><i class="ring" />how busy; inside: people</li>
    </ul>
  );
}

function Between({ choose }: { choose: (line: string | null) => void }) {
  const all = [...links.value].sort((a, b) => bpsOf(b) - bpsOf(a)).slice(0, MAX_LINES);
  return (
    <Card title="Between nodes" note={links.value.length > MAX_LINES ? `the ${MAX_LINES} of ${links.value.length} links that carry most` : undefined}>
      {!all.length && (
        <Empty title={nodes.value.size > 1 ? 'No links yet' : 'One node'}>
          {nodes.value.size > 1 ? 'Nodes find each other within a second or two.'
            : 'With a second node, what crosses between them is shown here.'}
        </Empty>
      )}
      <ul class="lines">{all.map((line) => <Crossing key={`${line.a} ${line.b}`} line={line} choose={choose} />)}</ul>
      {nodes.value.size > MAX_MESHED && (
        <p class="note">{`With more than ${MAX_MESHED} nodes, links are those of the node that serves this page; each node's page has its own.`}</p>
      )}
      {silent.value.length > 0 && <p class="note bad">{silent.value.join(', ')} did not answer for their links.</p>}
    </Card>
  );
}

function Crossing({ line, choose }: { line: Line; choose: (line: string | null) => void }) {
  const name = `${line.a} ${line.b}`;
  const loss = lossOf(line);
  const streams = [...line.pipes].sort((a, b) => b.bitrate - a.bitrate).slice(0, MAX_STREAMS);
  return (
    <li class={bpsOf(line) > 0 || loss ? grade(loss, line.rttMs) : 'idle'}
      onMouseEnter={() => choose(name)} onMouseLeave={() => choose(null)}
      onFocusCapture={() => choose(name)} onBlurCapture={() => choose(null)}>
      <details>
        <summary>
          <span class="pair"><Dot id={line.a} />{line.a}<span class="dim"> – </span><Dot id={line.b} />{line.b}</span>
          <span class="figure">{bitrate(bpsOf(line))}</span>
          <span class="dim">{millis(line.rttMs)} · {share(loss)} lost · {many(line.pipes.length, 'stream')}</span>
        </summary>
        <dl class="pairs">
          <dt>{line.a} → {line.b}</dt><dd>{bitrate(line.there.bps)}, {share(line.there.loss)} lost</dd>
          <dt>{line.b} → {line.a}</dt><dd>{bitrate(line.back.bps)}, {share(line.back.loss)} lost</dd>
          <dt>Round trip, 99 of 100</dt><dd>{millis(line.rttP99Ms)}</dd>
          <dt>Left out, too full</dt><dd>{count(line.there.shed + line.back.shed)} packets/s</dd>
        </dl>
        <ul class="streams">{streams.map((pipe) => <Stream key={`${pipe.producer} ${pipe.to}`} pipe={pipe} />)}</ul>
        {line.pipes.length > MAX_STREAMS && <p class="note">and {line.pipes.length - MAX_STREAMS} more</p>}
      </details>
    </li>
  );
}

function Stream({ pipe }: { pipe: PipeInfo }) {
  const layers = pipe.kind === 'video' && pipe.layers.length ? ` layers ${pipe.layers.join(', ')}` : '';
  return (
    <li>
      <span><a href={toRoom(pipe.room)}>{pipe.room}</a> {pipe.kind}{layers} → {pipe.to}</span>
      <span class="figure">{bitrate(pipe.bitrate)}</span>
    </li>
  );
}

function Nodes() {
  const all = [...nodes.value.values()];
  return (
    <Card title="Nodes" wide>
      <Scroll label="Nodes">
        <table>
          <thead>
            <tr>
              <th>Node</th><th>State</th><th>Region</th><th class="number">People</th><th class="number">Rooms</th>
              <th>Busy</th><th class="number">Media</th><th class="number">Packets/s</th><th class="number">Loop delay</th>
              <th class="number">Round trip</th><th>Release</th>
            </tr>
          </thead>
          <tbody>{all.map((node) => <Row key={node.info.id} node={node} />)}</tbody>
        </table>
      </Scroll>
    </Card>
  );
}

function Row({ node: { info, face } }: { node: KnownNode }) {
  const alive = lives(face);
  const { cost, load } = info;
  return (
    <tr class={alive ? '' : 'gone'}>
      <td><NodeLink id={info.id} /></td>
      <td><Face face={face} /></td>
      <td>{[info.region, info.zone].filter(Boolean).join(' / ') || <span class="dim">–</span>}</td>
      <td class="number">{alive ? count(load.peers) : '–'}</td>
      <td class="number">{alive ? count(load.rooms) : '–'}</td>
      <td>{alive ? <Meter of={`${info.id} busy`} value={load.stress} /> : '–'}</td>
      <td class="number">{alive ? bitrate(cost?.bitsPerSecond ?? Number.NaN) : '–'}</td>
      <td class="number">{alive ? count(cost?.packetsPerSecond ?? Number.NaN) : '–'}</td>
      <td class="number">{alive ? millis(cost?.delayMs) : '–'}</td>
      <td class="number">{info.here ? <span class="dim">here</span> : millis(alive ? info.rttMs : undefined)}</td>
      <td class="dim">{info.version}</td>
    </tr>
  );
}
