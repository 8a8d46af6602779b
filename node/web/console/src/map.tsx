// The cluster as a picture: regions, nodes with how busy they are, links coloured by how well they carry, and what
// crosses them. Everything it shows stands in the tables beside it as well.

import { useRef } from 'preact/hooks';
import { colour } from '../../src/nodes';
import { useWidth } from './chart';
import { links, nodes } from './cluster';
import { bitrate, millis, share } from './format';
import { type Grade, grade, gradeLoad } from './grade';
import { type KnownNode, WORDS, lives } from './known';
import { type Layout, type Spot, layout } from './layout';
import { type Line, bpsOf, lossOf } from './rates';
import { toNode } from './route';

/** More nodes than so many: links have no labels but those that ail, and nothing moves on them. */
const CROWDED = 6;
/** And more than so many: links that carry nothing are left out. */
const MESHED = 12;
/** On a phone labels would cover each other. */
const NARROW = 520;
/** A label is so much shorter than the line it stands on, or it would cover what that ends at. */
const LABEL_ROOM = 46;
/** Of a letter. */
const LETTER = 6.7;

export function ClusterMap({ chosen }: { chosen: string | null }) {
  const host = useRef<HTMLDivElement>(null);
  const width = useWidth(host);
  const height = Math.round(width < NARROW ? width * 1.2 : Math.min(width * 0.5, 480));
  const all = [...nodes.value.values()];
  const placed = layout(all.map(({ info }) => ({ id: info.id, region: info.region })), width, height);
  const crowded = all.length > CROWDED || width < NARROW;
  const drawn = links.value.filter((line) => all.length <= MESHED || bpsOf(line) > 0 || lossOf(line));
  const up = all.filter(({ face }) => lives(face)).length;
  return (
    <div class={all.length > CROWDED ? 'map crowd' : 'map'} ref={host}>
      <svg width={width} height={height} role="group"
        aria-label={`Cluster map: ${up} of ${all.length} nodes are up, ${links.value.length} links`}>
        {placed.areas.map(({ region, x, y, r }) => (
          <g class="area" key={region}><circle cx={x} cy={y} r={r} /></g>
        ))}
        {drawn.map((line) => <Link line={line} placed={placed} crowded={crowded} chosen={chosen} />)}
        {placed.areas.map(({ region, x, y, r }) => (
          <g class="area" key={region}><text x={x} y={y - r + 20}>{region || 'no region'}</text></g>
        ))}
        {all.map((node) => <Node node={node} spot={placed.spots.get(node.info.id)!} />)}
      </svg>
    </div>
  );
}

function Link({ line, placed, crowded, chosen }:
{ line: Line; placed: Layout; crowded: boolean; chosen: string | null }) {
  const [from, to] = [placed.spots.get(line.a), placed.spots.get(line.b)];
  if (!from || !to) return null;
  const gone = [line.a, line.b].some((id) => !lives(nodes.value.get(id)?.face ?? 'lost'));
  const bps = bpsOf(line);
  const how: Grade = grade(lossOf(line), line.rttMs);
  const picked = chosen === `${line.a} ${line.b}`;
  const state = gone ? 'gone' : bps > 0 ? how : how === 'good' ? 'idle' : how;
  const flows = !gone && (nodes.value.size <= CROWDED || picked);
  const apart = Math.hypot(to.x - from.x, to.y - from.y);
  const label = labelOf(line);
  // Where little fits, what ails is said before all else.
  const fits = !gone && (!crowded || state === 'fair' || state === 'poor') && apart - from.r - to.r > label.length * LETTER + LABEL_ROOM;
  return (
    <g class={`link ${state} ${picked ? 'chosen' : ''}`}>
      <title>{words(line)}</title>
      <line class="base" x1={from.x} y1={from.y} x2={to.x} y2={to.y} style={{ strokeWidth: weight(bps) }} />
      {flows && line.there.bps > 0 && <Flow from={from} to={to} />}
      {flows && line.back.bps > 0 && <Flow from={to} to={from} />}
      {fits && <Label x={(from.x + to.x) / 2} y={(from.y + to.y) / 2} text={label} />}
    </g>
  );
}

/** What moves along a link, on the right of its way. */
function Flow({ from, to }: { from: Spot; to: Spot }) {
  const apart = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const [ux, uy] = [(to.x - from.x) / apart, (to.y - from.y) / apart];
  const at = (spot: Spot, along: number) => ({
    x: spot.x + ux * along - uy * 5, y: spot.y + uy * along + ux * 5,
  });
  const [a, b] = [at(from, from.r + 4), at(to, -to.r - 4)];
  return <line class="flow" x1={a.x} y1={a.y} x2={b.x} y2={b.y} />;
}

function labelOf(line: Line): string {
  const [bps, loss] = [bpsOf(line), lossOf(line)];
  return [millis(line.rttMs), bps > 0 ? bitrate(bps) : '', loss ? share(loss) : ''].filter(Boolean).join(' · ');
}

function Label({ x, y, text }: { x: number; y: number; text: string }) {
  const half = (text.length * LETTER) / 2 + 9;
  return (
    <g class="label" transform={`translate(${x.toFixed(1)} ${y.toFixed(1)})`}>
      <rect x={-half} y={-11} width={half * 2} height={22} rx={11} />
      <text y={4}>{text}</text>
    </g>
  );
}

function Node({ node: { info, face }, spot: { x, y, r } }: { node: KnownNode; spot: Spot }) {
  const busy = Math.min(Math.max(info.load.stress, 0), 1);
  const people = `${info.load.peers} ${info.load.peers === 1 ? 'person' : 'people'}`;
  const alive = lives(face);
  // What is written stands beside the link, whose name says more than it.
  return (
    <g class={`node ${face}`} style={{ '--node': colour(info.id) }} transform={`translate(${x.toFixed(1)} ${y.toFixed(1)})`}>
      <a href={toNode(info.id)}
        aria-label={`${info.id}: ${WORDS[face]}${alive ? `, ${people}, ${share(busy)} busy` : ''}`}>
        <circle class="body" r={r} />
        {alive && <circle class={`busy ${gradeLoad(busy)}`} r={r} pathLength={100}
          style={{ strokeDasharray: `${busy * 100} 100` }} transform="rotate(-90)" />}
        {!alive && <path class="cross" d={cross(r * 0.3)} />}
      </a>
      {alive && r > 14 && <text class="people" y={6}>{info.load.peers}</text>}
      {r >= 12 && <text class="name" y={r + 17}>{info.id}</text>}
      {r >= 16 && face !== 'up' && <text class="state" y={r + 32}>{WORDS[face]}</text>}
    </g>
  );
}

const cross = (r: number): string => `M${-r} ${-r}L${r} ${r}M${r} ${-r}L${-r} ${r}`;

/** Wider with what crosses: 1.5 for nothing, 2.5 for a picture, 5 for a gigabit. */
function weight(bps: number): string {
  return `${(1.5 + Math.min(Math.max(Math.log10(Math.max(bps, 1)) - 5, 0), 4) * 0.9).toFixed(1)}px`;
}

export function words(line: Line): string {
  const { a, b, there, back } = line;
  return `${a} – ${b}: round trip ${millis(line.rttMs)}, ${bitrate(there.bps)} there, ${bitrate(back.bps)} back, `
    + `${share(lossOf(line))} lost, ${line.pipes.length} streams`;
}
