// Four nodes, an etcd of three, people in Chromium and the load generator's members: what happens to all of them
// when one of ten things happens to the cluster? Composes only. TRIALS is how often nodes are killed; what takes
// longer is tried less often, as `faults.mjs` says. FAULTS=kill,cut picks; MEMBERS=40 adds the load generator's.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApartCluster } from '../../lib/apart.mjs';
import { reports } from '../../lib/paths.mjs';
import { Cast } from './cast.mjs';
import { FAULTS, plan } from './faults.mjs';
import { Result, markdown } from './judge.mjs';
import { trial } from './trial.mjs';

const NODES = 4;
const SECOND = 1000;
/** Until everybody is there. */
const START = 40;

export async function chaos({ report }) {
  const names = (process.env.FAULTS ?? Object.keys(FAULTS).join(',')).split(',');
  const steps = plan(names, Number(process.env.TRIALS ?? 5));
  const members = Number(process.env.MEMBERS ?? 0);
  announce(steps, members);
  const logs = join(reports, 'logs', 'chaos');
  mkdirSync(logs, { recursive: true });
  const cluster = new ApartCluster(NODES, logs);
  let cast = null;
  const results = [];
  try {
    await cluster.start();
    cast = new Cast(cluster, members, logs);
    await cast.start();
    console.log('  everybody is there');
    for (const step of steps) {
      const result = new Result(step.key, step.fault);
      results.push(result);
      await all(cluster, cast, step, result);
      keep(results);
      result.judge(report);
    }
    report.put('page_stall_ms_max', cast.people.stall ?? 0);
  } finally {
    await cast?.stop();
    await cluster.stop();
    console.log(`\n${markdown(results)}`);
  }
}

/** How long it may take, for whoever bounds it. */
export function minutes() {
  const names = (process.env.FAULTS ?? Object.keys(FAULTS).join(',')).split(',');
  return (2 * seconds(plan(names, Number(process.env.TRIALS ?? 5)))) / 60 + 5;
}

const seconds = (steps) => steps.reduce((sum, { fault, times }) => sum + fault.seconds * times, START);

function announce(steps, members) {
  const counted = steps.map(({ key, times }) => `${times} × ${key}`).join(', ');
  console.log(`  ${counted}; 3 people in Chromium, ${members} members; about ${Math.ceil(seconds(steps) / 60)} min`);
}

async function all(cluster, cast, { key, fault, times }, result) {
  for (let n = 0; n < times; n++) {
    const began = performance.now();
    const outcome = await trial({ cluster, cast, key, fault, n });
    result.add(outcome);
    tell(cluster, key, n, times, outcome, (performance.now() - began) / SECOND);
    await cluster.alive();
  }
}

function tell(cluster, key, n, times, { targets, wrong, notes, detect, whole, rows }, took) {
  const worst = (role) => Math.max(...rows.filter((row) => row.role === role).map(({ gap }) => gap ?? Infinity));
  const roles = [...new Set(rows.map(({ role }) => role))].sort();
  const lost = rows.filter(({ role }) => role === 'neither').reduce((sum, row) => sum + row.lost, 0);
  const gaps = roles.map((role) => `${role} ${Math.round(worst(role))}`).join(', ');
  const seen = detect.length ? `, detected ${Math.round(Math.max(...detect))}` : '';
  const more = Object.entries(notes).map(([name, value]) => `, ${name} ${value}`).join('');
  const where = targets.map((node) => cluster.nodes[node].id).join(' ');
  console.log(`  ${key} ${n + 1}/${times} ${where}: longest gaps ${gaps} ms; lost elsewhere ${lost}${seen}, `
    + `whole ${whole === null ? 'never' : Math.round(whole)}${more} (${Math.round(took)} s)`);
  for (const sentence of wrong) console.log(`    WRONG ${sentence}`);
}

/** What plots and documentation are made of, after each fault: a run that is broken off is not for nothing. */
function keep(results) {
  const series = results.map(({ key, fault, trials, rows, detect, whole }) => ({
    key, name: fault.name, trials, detect, whole, bounds: fault.bounds,
    rows: [...rows.values()].map(({ who, role, gaps, lost }) => ({ who, role, gaps, lost })),
  }));
  writeFileSync(join(reports, 'chaos.series.json'), JSON.stringify(series));
  writeFileSync(join(reports, 'chaos.table.md'), `${markdown(results)}\n`);
}
