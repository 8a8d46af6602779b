// Four nodes, an etcd of three, people in Chromium and the load generator's members: what happens to all of them
// when one of ten things happens to the cluster? Composes only. TRIALS is how often nodes are killed; what takes
// longer is tried less often, as `faults.mjs` says. FAULTS=kill,cut picks; MEMBERS=0 leaves the load out.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApartCluster } from '../../lib/apart.mjs';
import { reports } from '../../lib/paths.mjs';
import { Cast } from './cast.mjs';
import { FAULTS, plan } from './faults.mjs';
import { Result, markdown } from './judge.mjs';
import { tell } from './tell.mjs';
import { trial } from './trial.mjs';

const NODES = 4;
const SECOND = 1000;
/** Until everybody is there. */
const START = 40;

export async function chaos({ report }) {
  const names = (process.env.FAULTS ?? Object.keys(FAULTS).join(',')).split(',');
  const steps = plan(names, Number(process.env.TRIALS ?? 5));
  const members = Number(process.env.MEMBERS ?? 40);
  announce(steps, members);
  const logs = join(reports, 'logs', 'chaos');
  rmSync(logs, { recursive: true, force: true });
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
    const took = Math.round((performance.now() - began) / SECOND);
    tell(cluster, `${key} ${n + 1}/${times}`, outcome, took);
    await cluster.alive();
  }
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
