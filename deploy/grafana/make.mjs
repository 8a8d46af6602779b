// The dashboards: a list of panels in, Grafana's JSON out.
//
//   node deploy/grafana/make.mjs            writes dashboards/*.json
//   node deploy/grafana/make.mjs --check    fails if they are not what this would write
import { readFileSync, writeFileSync } from 'node:fs';
import { panels as cluster } from './panels/cluster.mjs';
import { panels as network } from './panels/network.mjs';
import { panels as node } from './panels/node.mjs';
import { panels as quality } from './panels/quality.mjs';

const WIDTH = 24;
const HEIGHT = 8;
const SOURCE = { type: 'prometheus', uid: '${source}' };

/** A panel: `{title, about, unit, kind, width, queries: {legend: expression}, stack, max, min}`. */
function panel(id, at, wish) {
  const { title, about, unit = 'short', kind = 'timeseries', width = 8, queries } = wish;
  const targets = Object.entries(queries).map(([legendFormat, expr], index) => ({
    refId: String.fromCharCode(65 + index), datasource: SOURCE, expr, legendFormat,
    ...(kind === 'stat' ? { instant: true } : {}),
  }));
  const custom = kind !== 'timeseries' ? {} : {
    drawStyle: 'line', lineWidth: 1, fillOpacity: wish.stack ? 25 : 8, showPoints: 'never', spanNulls: false,
    stacking: { mode: wish.stack ? 'normal' : 'none' },
  };
  const steps = wish.steps ?? [[null, 'text']];
  const defaults = {
    unit, custom, min: wish.min ?? 0, ...(wish.max === undefined ? {} : { max: wish.max }),
    color: { mode: kind === 'stat' ? 'thresholds' : 'palette-classic' },
    thresholds: { mode: 'absolute', steps: steps.map(([value, color]) => ({ value, color })) },
  };
  const options = kind === 'stat'
    ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'none', textMode: 'value' }
    : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } };
  return {
    id, type: kind, title, description: about, datasource: SOURCE,
    gridPos: { ...at, w: width, h: kind === 'stat' ? 4 : HEIGHT },
    fieldConfig: { defaults, overrides: [] }, options, targets,
  };
}

function row(id, y, title) {
  return { id, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: WIDTH, h: 1 }, panels: [] };
}

/** Panels from left to right, rows below each other. */
function lay(wishes) {
  const all = [];
  let [x, y, deep] = [0, 0, 0];
  for (const wish of wishes) {
    const isRow = wish.row !== undefined;
    const width = isRow ? WIDTH : (wish.width ?? 8);
    if (x + width > WIDTH || isRow) [x, y, deep] = [0, y + deep, 0];
    const made = isRow ? row(all.length + 1, y, wish.row) : panel(all.length + 1, { x, y }, wish);
    all.push(made);
    x += width;
    deep = Math.max(deep, made.gridPos.h);
  }
  return all;
}

function dashboard(name, title, about, wishes) {
  const source = { name: 'source', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {}, hide: 0 };
  const job = variable('job', 'Job', 'label_values(starling_build_info, job)', false);
  const instance = variable('instance', 'Node', 'label_values(starling_build_info{job=~"$job"}, instance)', true);
  return {
    uid: `starling-${name}`, title: `Starling / ${title}`, description: about, tags: ['starling'], editable: true,
    schemaVersion: 39, version: 1, refresh: '10s', time: { from: 'now-1h', to: 'now' }, timezone: 'browser',
    links: [{
      type: 'dashboards', tags: ['starling'], title: 'Starling', asDropdown: true, keepTime: true, includeVars: true,
    }],
    annotations: { list: [] },
    templating: { list: [source, job, ...(name === 'cluster' ? [] : [instance])] },
    panels: lay(wishes),
  };
}

function variable(name, label, query, multi) {
  return {
    name, label, type: 'query', datasource: SOURCE, definition: query, query: { query, refId: name },
    refresh: 2, sort: 1,
    includeAll: true, multi, current: { text: 'All', value: '$__all' }, allValue: '.+', hide: 0,
  };
}

const all = [
  dashboard('cluster', 'Cluster', 'What the whole cluster does, and whether it is well.', cluster),
  dashboard('node', 'Node', 'What a node costs, and what it holds back.', node),
  dashboard('quality', 'Quality', 'What people get: loss, repair, layers and latency.', quality),
  dashboard('network', 'Network', 'Links between nodes, pipes, and the way to clients.', network),
];
const check = process.argv.includes('--check');
for (const made of all) {
  const file = new URL(`dashboards/${made.uid.replace('starling-', '')}.json`, import.meta.url);
  const text = `${JSON.stringify(made, null, 2)}\n`;
  if (!check) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${file.pathname} is out of date: node deploy/grafana/make.mjs`);
    process.exitCode = 1;
  }
}
