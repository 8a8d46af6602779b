// A node: what it does, on which cores, with whom; and taking it out and in again.

import { useEffect } from 'preact/hooks';
import { signal } from '@preact/signals';
import { get } from '../api';
import { each, links, nodes, tick } from '../cluster';
import { Chart } from '../chart';
import { colour } from '../../../src/nodes';
import * as dev from '../dev';
import { askCordon, askDrain, Progress, undrain } from '../drain';
import { ago, bitrate, count, many, mebibytes, millis, share } from '../format';
import { grade, gradeLoad } from '../grade';
import { type KnownNode, byName, lives } from '../known';
import { Card, Dot, Empty, Face, Meter, NodeLink, Scroll, Stat } from '../parts';
import { Poll } from '../poll';
import { type Line, lossOf } from '../rates';
import { toRoom } from '../route';
import type { NodeInfo, WorkersInfo } from '../types';

const EVERY = 1000;
/** Rooms that are listed here; the page of rooms has all of them. */
const MAX_ROOMS = 60;

const workers = signal<{ id: string; info: WorkersInfo } | null>(null);

export function NodePage({ id }: { id: string }) {
  useEffect(() => {
    const poll = new Poll(async () => {
      workers.value = { id, info: await get<WorkersInfo>(`/v1/nodes/${encodeURIComponent(id)}/workers`) };
    }, () => EVERY);
    return () => {
      poll.end();
      workers.value = null;
    };
  }, [id]);
  const node = nodes.value.get(id);
  if (!node) return <Empty title={`There is no node ${id}`}><a href="#/">All nodes</a></Empty>;
  const alive = lives(node.face);
  return (
    <>
      <Head node={node} />
      {!alive && (
        <p class="banner bad" role="alert">
          {node.face === 'lost'
            ? `Nobody reaches ${id} since ${ago(Date.now() - node.since)}: its people are going on on other nodes. What is below is the last that was known.`
            : `${id} was emptied and has left.`}
        </p>
      )}
      {alive && <Progress id={id} />}
      <Figures info={node.info} />
      <Charts id={id} />
      <div class="split even">
        <div class="stack">
          <Cores of={workers.value?.id === id ? workers.value.info : null} alive={alive} />
          <Rooms id={id} of={workers.value?.id === id ? workers.value.info.routerIds : []} />
        </div>
        <Links id={id} />
      </div>
    </>
  );
}

function Head({ node: { info, face } }: { node: KnownNode }) {
  const where = [info.region, info.zone].filter(Boolean).join(' / ');
  return (
    <div class="head">
      <div>
        <p class="crumb"><a href="#/">Cluster</a> / nodes</p>
        <h1><Dot id={info.id} />{info.id} <Face face={face} /></h1>
        <p class="dim">
          {where && `${where} · `}release {info.version} · clients at <code>{info.apiUrl}</code>
          {info.here && ' · serves this page'}
        </p>
      </div>
      {!lives(face) && dev.ids.value.has(info.id) && (
        <button type="button" class="primary" onClick={() => void dev.start(info.id)}>Start again</button>
      )}
      {lives(face) && (
        <div class="actions">
          {dev.ids.value.has(info.id)
            && <button type="button" class="danger" onClick={() => dev.askKill(info.id, info.here)}>Kill…</button>}
          {face === 'up' && <button type="button" onClick={() => askCordon(info)}>Cordon</button>}
          {face !== 'draining' && <button type="button" class="danger" onClick={() => askDrain(info)}>Drain…</button>}
          {(face === 'draining' || face === 'cordoned')
            && <button type="button" class="primary" onClick={() => void undrain(info)}>Undrain</button>}
        </div>
      )}
    </div>
  );
}

function Figures({ info: { load, cost } }: { info: NodeInfo }) {
  return (
    <dl class="stats">
      <Stat name="Busy" value={share(load.stress)} grade={gradeLoad(load.stress)} note="its scarcest resource" />
      <Stat name="People" value={count(load.peers)}
        note={`${many(load.rooms, 'room')}${load.maxPeers ? `, at most ${count(load.maxPeers)}` : ''}`} />
      <Stat name="Media" value={bitrate(cost?.bitsPerSecond ?? Number.NaN)}
        note={`${count(cost?.packetsPerSecond ?? Number.NaN)} packets/s`} />
      <Stat name="Processor" value={share(cost?.cpu)} note="mean of its media cores" />
      <Stat name="Event-loop delay" value={millis(cost?.delayMs)} note="how late its timers are" />
      <Stat name="Memory" value={share(cost?.memory)}
        note={workers.value ? `${mebibytes(workers.value.info.resourceUsage.ru_maxrss)} at most so far` : ''} />
    </dl>
  );
}

function Charts({ id }: { id: string }) {
  void tick.value;
  const of = each.get(id);
  if (!of) return null;
  const line = (series: typeof of.bitrate) => [{ name: '', series, colour: colourOf(id) }];
  return (
    <div class="charts">
      <Chart title="Media" lines={line(of.bitrate)} say={bitrate} least={100_000} height={96} />
      <Chart title="Packets per second" lines={line(of.packets)} say={count} least={100} height={96} />
      <Chart title="People" lines={line(of.people)} say={count} least={2} height={96} />
      <Chart title="Event-loop delay" lines={line(of.delay)} say={millis} least={5} height={96} />
    </div>
  );
}

export const colourOf = (id: string): string => `color-mix(in srgb, ${colour(id)} var(--ink), #000)`;

function Cores({ of, alive }: { of: WorkersInfo | null; alive: boolean }) {
  return (
    <Card title="Cores" note="one media thread each">
      {!of && <Empty title={alive ? 'Asking the node…' : 'It does not answer'} />}
      {of && (
        <Scroll label="Cores">
          <table>
            <thead>
              <tr>
                <th>Core</th><th>Awake</th><th class="number">Turn, most</th><th class="number">People</th>
                <th class="number">Transports</th><th class="number">Producers</th><th class="number">Consumers</th>
              </tr>
            </thead>
            <tbody>
              {of.workers.map((worker) => (
                <tr key={worker.index}>
                  <td>{worker.index}{worker.dead && <span class="face lost">ended</span>}</td>
                  <td><Meter of={`core ${worker.index} awake`} value={worker.busy} /></td>
                  <td class="number">{millis(worker.longestTurnMs)}</td>
                  <td class="number">{count(worker.peers)}</td>
                  <td class="number">{count(worker.transports)}</td>
                  <td class="number">{count(worker.producers)}</td>
                  <td class="number">{count(worker.consumers)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  );
}

function Links({ id }: { id: string }) {
  const other = ({ a, b }: Line) => (a === id ? b : a);
  const own = links.value.filter(({ a, b }) => a === id || b === id).sort((x, y) => byName(other(x), other(y)));
  return (
    <Card title="Links" note="to other nodes">
      {!own.length && <Empty title="It has none" />}
      {own.length > 0 && (
        <Scroll label="Links">
          <table>
            <thead>
              <tr>
                <th>To</th><th class="number">Round trip</th><th class="number">Sends</th><th class="number">Gets</th>
                <th class="number">Lost</th><th class="number">Shed/s</th><th class="number">Streams</th>
              </tr>
            </thead>
            <tbody>
              {own.map((line) => {
                const [sends, gets] = line.a === id ? [line.there, line.back] : [line.back, line.there];
                return (
                  <tr key={other(line)}>
                    <td><NodeLink id={other(line)} /></td>
                    <td class={`number ${grade(null, line.rttMs)}`}>{millis(line.rttMs)}</td>
                    <td class="number">{bitrate(sends.bps)}</td>
                    <td class="number">{bitrate(gets.bps)}</td>
                    <td class={`number ${grade(lossOf(line), 0)}`}>{share(lossOf(line))}</td>
                    <td class="number">{count(sends.shed)}</td>
                    <td class="number">{count(line.pipes.length)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  );
}

function Rooms({ id, of }: { id: string; of: string[] }) {
  return (
    <Card title="Rooms" wide note={of.length > MAX_ROOMS ? `${MAX_ROOMS} of ${of.length}` : undefined}
      tools={<a class="more" href={`#/rooms?node=${encodeURIComponent(id)}`}>All of its rooms</a>}>
      {!of.length && <Empty title="Nobody is in a room here" />}
      <ul class="chips">{of.slice(0, MAX_ROOMS).map((room) => <li key={room}><a href={toRoom(room)}>{room}</a></li>)}</ul>
    </Card>
  );
}
