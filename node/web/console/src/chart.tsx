// A time chart: areas, an axis of time, and what it was where one points at. Drawn as SVG of the width that there is.

import { useEffect, useRef, useState } from 'preact/hooks';
import { clock } from './format';
import { type Point, type Series, ceiling } from './series';

export interface ChartLine {
  name: string;
  series: Series;
  /** A CSS colour. */
  colour: string;
}

interface Props {
  title: string;
  lines: ChartLine[];
  /** Figures in words. */
  say: (value: number) => string;
  /** The axis is at least so high. */
  least: number;
  height?: number;
}

export function Chart({ title, lines, say, least, height = 132 }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const width = useWidth(host);
  const [at, setAt] = useState<number | null>(null);
  const points = lines.flatMap(({ series }) => series.points);
  const from = points.reduce((low, point) => Math.min(low, point.at), Number.POSITIVE_INFINITY);
  const to = points.reduce((high, point) => Math.max(high, point.at), from + 10_000);
  // A little more, so that a level line is not the frame.
  const top = ceiling(Math.max(least, ...lines.map(({ series }) => series.summary().max * 1.08)));
  const x = (time: number) => ((time - from) / (to - from)) * width;
  const y = (value: number) => height - 1 - (value / top) * (height - 8);
  const shown = at === null ? null : nearest(lines[0]?.series.points ?? [], from + at * (to - from));
  const now = lines.map(({ series }) => series.summary().last);
  const told = lines.map(({ name, series }, n) =>
    `${name || 'now'} ${say(now[n]!)}, most ${say(series.summary().max)}`).join('; ');
  return (
    <figure class="chart">
      <figcaption>
        <span class="title">{title}</span>
        <span class="now">{shown
          ? <>{lines.map((line) => say(valueAt(line.series, shown.at))).join(' · ')} <small>{clock(shown.at)}</small></>
          : now.length === 1 ? say(now[0]!) : ''}
        </span>
      </figcaption>
      <div
        class="plot"
        ref={host}
        role="img"
        aria-label={`${title}: ${points.length ? told : 'nothing yet'}`}
        onPointerMove={(event) => setAt(fraction(event))}
        onPointerLeave={() => setAt(null)}
      >
        <svg width={width} height={height} aria-hidden="true">
          {[0, 0.5, 1].map((share) => <line class="grid" x1="0" x2={width} y1={y(top * share)} y2={y(top * share)} />)}
          {lines.map(({ series, colour }) => paths(series.points, x, y, height).map(({ line, area }) => (
            <g style={{ color: colour }}>
              {lines.length < 3 && <path class="area" d={area} />}
              <path class="line" d={line} />
            </g>
          )))}
          {shown && <line class="cross" x1={x(shown.at)} x2={x(shown.at)} y1="0" y2={height} />}
        </svg>
        <span class="ceiling">{say(top)}</span>
      </div>
      <div class="times">
        <span>{points.length ? clock(from) : ''}</span><span>{points.length ? clock(to) : 'collecting…'}</span>
      </div>
    </figure>
  );
}

/** A line without axis or words, for beside a figure that says it. */
export function Spark({ series, colour, least }: { series: Series; colour: string; least: number }) {
  const [width, height] = [96, 26];
  const recent = series.points.slice(-60);
  const top = 1.15 * Math.max(least, ...recent.map(({ value }) => value).filter(Number.isFinite));
  const x = (time: number) => ((time - recent[0]!.at) / Math.max(recent.at(-1)!.at - recent[0]!.at, 1)) * width;
  const y = (value: number) => height - 1.5 - (value / top) * (height - 4);
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true"
      style={{ color: colour }}>
      {recent.length > 1 && paths(recent, x, y, height).map(({ line, area }) => (
        <><path class="area" d={area} /><path class="line" d={line} /></>
      ))}
    </svg>
  );
}

/** One path for each stretch in which values are known. */
function paths(points: readonly Point[], x: (at: number) => number, y: (value: number) => number, floor: number) {
  const stretches: Point[][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point.value)) stretches.at(-1)!.push(point);
    else if (stretches.at(-1)!.length) stretches.push([]);
  }
  return stretches.filter((stretch) => stretch.length > 1).map((stretch) => {
    const line = `M${stretch.map(({ at, value }) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join('L')}`;
    const [first, last] = [stretch[0]!.at, stretch.at(-1)!.at];
    return { line, area: `${line}L${x(last).toFixed(1)} ${floor}L${x(first).toFixed(1)} ${floor}Z` };
  });
}

function nearest(points: readonly Point[], time: number): Point | null {
  let best: Point | null = null;
  for (const point of points) {
    if (!best || Math.abs(point.at - time) < Math.abs(best.at - time)) best = point;
  }
  return best;
}

function valueAt(series: Series, at: number): number {
  return nearest(series.points, at)?.value ?? Number.NaN;
}

function fraction(event: PointerEvent): number {
  const { left, width } = (event.currentTarget as HTMLElement).getBoundingClientRect();
  return Math.min(Math.max((event.clientX - left) / width, 0), 1);
}

/** The width of an element, as it changes. */
export function useWidth(host: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(320);
  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const look = () => setWidth(Math.max(Math.floor(element.clientWidth), 120));
    const observer = new ResizeObserver(look);
    observer.observe(element);
    look();
    return () => observer.disconnect();
  }, []);
  return width;
}
