// Who gets what of whom: rows receive, columns send.

import { useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { colour } from '../../src/nodes';
import { links } from './cluster';
import { bitrate, millis, share } from './format';
import { type Grade, grade, gradeScore, worse } from './grade';
import { latencyOf } from './latency';
import { Card, Empty, Scroll } from './parts';
import type { Cell, Matrix, PeerInfo } from './types';

/** Rows and columns that are drawn: more cannot be taken in, and are found by name. */
const MAX_SIDE = 30;

/** What is shown, and therefore asked for. */
export const kind = signal<'video' | 'audio'>('video');

type Show = 'layer' | 'loss' | 'score' | 'latency' | 'bitrate';
/** More columns than these are narrow, with their names upright. */
const MANY = 8;
const SHOWS: Show[] = ['layer', 'loss', 'score', 'latency', 'bitrate'];

export function MatrixCard({ peers, matrix }: { peers: PeerInfo[]; matrix: Matrix | null }) {
  const [show, setShow] = useState<Show>('layer');
  const senders = peers.filter(({ producers }) => producers.some((producer) => producer.kind === kind.value));
  const [rows, columns] = [peers.slice(0, MAX_SIDE), senders.slice(0, MAX_SIDE)];
  const cells = new Map<string, Cell>();
  // Of several sources the one that is not paused and carries most stands for the pair.
  for (const cell of matrix?.cells ?? []) {
    const key = `${cell.to} ${cell.from}`;
    const other = cells.get(key);
    if (cell.kind === kind.value && (!other || weight(cell) > weight(other))) cells.set(key, cell);
  }
  const note = peers.length > MAX_SIDE ? `the first ${MAX_SIDE} of ${peers.length} people` : 'rows get, columns send';
  const tools = (
    <div class="actions">
      <Switch name="Kind" all={['video', 'audio']} now={kind.value} choose={(one) => { kind.value = one; }} />
      <Switch name="Figure" all={SHOWS} now={show} choose={setShow} />
    </div>
  );
  return (
    <Card title="Who gets what" wide note={note} tools={tools}>
      {!columns.length && <Empty title={`Nobody sends ${kind.value}`} />}
      {columns.length > 0 && (
        <Scroll label="Who gets what">
          <table class={columns.length > MANY ? 'matrix dense' : 'matrix'}>
            <thead>
              <tr>
                <th><span class="sr">who gets, by row; who sends, by column</span></th>
                {columns.map((peer) => <th key={peer.id} scope="col"><Name peer={peer} /></th>)}
              </tr>
            </thead>
            <tbody>
              {rows.map((to) => (
                <tr key={to.id}>
                  <th scope="row"><Name peer={to} /></th>
                  {columns.map((from) => to.id === from.id
                    ? <td key={from.id} class="self" aria-label="itself" />
                    : <Square key={from.id} cell={cells.get(`${to.id} ${from.id}`)} show={show} from={from} />)}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {matrix && matrix.leftOut > 0 && <p class="note">{matrix.leftOut} streams are left out: too many to ask for.</p>}
      {matrix && matrix.missing.length > 0 && <p class="note bad">{matrix.missing.join(', ')} did not answer.</p>}
    </Card>
  );
}

const weight = (cell: Cell): number => (cell.paused ? 0 : 1) + cell.bitrate;

function Name({ peer }: { peer: PeerInfo }) {
  return (
    <span class="who" title={`${peer.id} on ${peer.node}`}>
      <i class="dot" style={{ '--node': colour(peer.node) }} aria-hidden="true" /><b>{peer.displayName || peer.id}</b>
    </span>
  );
}

function Square({ cell, show, from }: { cell: Cell | undefined; show: Show; from: PeerInfo }) {
  if (!cell) return <td class="none" title="gets nothing">·</td>;
  const latency = latencyOf(cell, from.node, links.value);
  const how: Grade = worse(grade(cell.lost, latency * 2), gradeScore(cell.score));
  const text = {
    layer: layerOf(cell),
    loss: share(cell.lost),
    score: String(cell.score),
    latency: millis(latency),
    bitrate: bitrate(cell.bitrate),
  }[show];
  const title = `${cell.from} to ${cell.to}: ${layerOf(cell)}, ${bitrate(cell.bitrate)}, ${share(cell.lost)} lost, `
    + `score ${cell.score} of 10, about ${millis(latency)}`;
  return <td class={cell.paused ? 'none' : how} title={title}>{cell.paused ? 'paused' : text}</td>;
}

function layerOf({ spatialLayer, temporalLayer, kind }: Cell): string {
  if (kind === 'audio') return 'on';
  if (spatialLayer === undefined) return 'on';
  if (spatialLayer < 0) return 'waits';
  return temporalLayer === undefined ? `S${spatialLayer}` : `S${spatialLayer} T${temporalLayer}`;
}

export function Switch<T extends string>({ name, all, now, choose }:
{ name: string; all: readonly T[]; now: T; choose: (one: T) => void }) {
  return (
    <div class="switch" role="group" aria-label={name}>
      {all.map((one) => (
        <button type="button" key={one} aria-pressed={one === now} onClick={() => choose(one)}>{one}</button>
      ))}
    </div>
  );
}
