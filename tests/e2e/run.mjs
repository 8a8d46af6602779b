// Runs browser suites on real nodes: `node run.mjs dev cluster ffmpeg chaos`. Composes only.
//
//   dev      the page itself, and four people on `starling dev --nodes 3`
//   cluster  the same on three `starling node` processes with etcd
//   ffmpeg   a file in and a recording out, through three nodes; mediasoup-demo's broadcaster
//   clients  aiortc, GStreamer, ffmpeg and werift publish and receive (CLIENTS=all: each from each)
//   whip     WHIP and WHEP in Chromium: layers, PATCH, redirects, coturn, deaths (WHIP=relay: one part)
//   data     MESSAGES (100000) over data channels, from Chromium and from werift, with losses
//   demo     mediasoup-demo's own web app, built in MEDIASOUP_DEMO: two people, chat, statistics
//   tcp      two people whose network lets no UDP through
//   codecs   each codec and each kind of layers, H.265 as captured (CASES, SWITCHES=100, COLD=6)
//   e2ee     a call that is encrypted end to end: layers, and what others see of it (CASES, SWITCHES=10)
//   console  the operators' console: every page and question, by keyboard, links that lose and are slow, nodes killed
//            (PICTURES=1 makes docs/img anew)
//   operating  the terminal session of docs/operating.md (RECORD=1 writes it anew)
//   docs     every page: links, and each command typed in (PAGES=README.md,docs/whip.md)
//   examples the programs of examples/, each as its README runs it
//   bars     size, time to ready, time to two people who see each other (docs/bars.md)
//   film     the README's moving picture (RECORD=1 writes it)
//   ends     how nodes end under somebody who does not go, and as the second process of one id
//   all      dev, cluster, ffmpeg, clients, whip, data, tcp, e2ee, console, operating and ends
//   wire       the wire of the next two itself: delay, loss, rate, cost
//   bandwidth  a link that becomes narrow and wide again, and one that ten streams share
//   loss       losses each way at 50 ms: what repair leaves, and what it costs
//   links    a link between two nodes that loses, delays, reorders, is narrow (LINK_FAULTS, LINK_SECONDS=20)
//   regions  thirty people in three regions: what crosses, what stops, who asks for key frames
//   chaos    four nodes and an etcd of three are killed, stopped and cut (TRIALS=5, FAULTS=kill,cut)
//   drain    nodes are emptied and restarted under 60 people and three Chromium (TRIALS=3, DRAIN_BROWSERS=0)
//   kubernetes  the pods of k8s/overlays/whole as processes: scaled, rolled, evicted (K8S=short)
//   moves    people are moved one by one, to nodes new in the room and back (TRIALS=3)
//   storm    a node of STORM (1000) people dies: how soon are all back?
//
// CODECS=vp8,h264  LOSS=2  E2E_SECONDS=30  STARLING=…  ETCD_BIN=…  CHROMIUM=…

import { loadavg } from 'node:os';
import { join } from 'node:path';
import { DevCluster, ProcessCluster } from './lib/cluster.mjs';
import { enter } from './lib/namespace.mjs';
import { reports as folder, starling } from './lib/paths.mjs';
import { endAll } from './lib/processes.mjs';
import { Report } from './lib/report.mjs';
import { bounded } from './lib/wait.mjs';
import { call } from './suites/call.mjs';
import { page } from './suites/page.mjs';

const SUITES = ['dev', 'cluster', 'ffmpeg', 'clients', 'whip', 'data', 'tcp', 'codecs', 'e2ee', 'chaos',
  'wire', 'bandwidth', 'loss', 'demo', 'drain', 'moves', 'storm', 'links', 'regions',
  'operating', 'console', 'ends', 'kubernetes',
  'docs', 'examples', 'bars', 'film'];
/** These write a report of their own. */
const OWN_REPORT = ['codecs', 'chaos', 'wire', 'bandwidth', 'loss', 'drain', 'moves', 'storm', 'links', 'regions',
  'kubernetes'];
const EVERYDAY = ['dev', 'cluster', 'ffmpeg', 'clients', 'whip', 'data', 'tcp', 'e2ee', 'console', 'operating', 'ends'];
const MINUTE = 60_000;

const asked = process.argv.slice(2);
const wanted = asked.length === 1 && asked[0] === 'all' ? EVERYDAY : asked;
if (!wanted.length || wanted.some((suite) => !SUITES.includes(suite))) {
  console.error(`usage: node run.mjs ${SUITES.join('|')}|all …`);
  process.exit(2);
}
await enter();

const codecs = (process.env.CODECS ?? 'vp8,h264').split(',');
const losses = Number(process.env.LOSS ?? 2);
let cluster = null;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop().then(() => process.exit(1)));

async function stop() {
  await cluster?.stop().catch(() => {});
  await endAll();
}

async function on(Kind, name, within, run, where = [], nodes = 3) {
  console.log(`${name}: starting`);
  cluster = new Kind(nodes, join(folder, 'logs', name), ...where);
  try {
    await cluster.start();
    await bounded(name, within, run());
  } finally {
    await stop();
    cluster = null;
  }
}

async function calls(Kind, name, report) {
  await on(Kind, name, (codecs.length * 6 + 2) * MINUTE, async () => {
    if (Kind === DevCluster) await page({ cluster, report });
    for (const codec of codecs) {
      const kill = Kind === DevCluster && codec === codecs.at(-1);
      await call({ cluster, name, codec, report, losses, kill });
    }
  });
}

async function suite(name, report) {
  if (name === 'dev') return calls(DevCluster, name, report);
  if (name === 'cluster') return calls(ProcessCluster, name, report);
  if (name === 'codecs') {
    const { MINUTES, everyCodec } = await import('./suites/codecs/index.mjs');
    return on(DevCluster, name, MINUTES * MINUTE, () => everyCodec({ cluster, report }));
  }
  if (name === 'e2ee') {
    const { MINUTES, encrypted } = await import('./suites/e2ee.mjs');
    return on(DevCluster, name, MINUTES * MINUTE, () => encrypted({ cluster, report }));
  }
  if (name === 'operating') {
    const { DEV, operating } = await import('./suites/operating.mjs');
    return on(DevCluster, name, 3 * MINUTE, () => operating({ cluster, report }), [undefined, undefined, DEV]);
  }
  if (name === 'console') {
    const { DEV, MINUTES, consoleSuite } = await import('./suites/console/index.mjs');
    const where = [undefined, undefined, DEV];
    await on(DevCluster, name, MINUTES * MINUTE, () => consoleSuite({ cluster, report }), where);
    if (process.env.PICTURES) return undefined;
    const { consoleLinks } = await import('./suites/console/links.mjs');
    return bounded('console: links', 3 * MINUTE, consoleLinks({ report }));
  }
  if (name === 'docs') {
    const { docs } = await import('./suites/docs/index.mjs');
    return bounded(name, 6 * MINUTE, docs({ report }));
  }
  if (name === 'bars') {
    const { bars } = await import('./suites/bars.mjs');
    return bounded(name, 3 * MINUTE, bars({ report }));
  }
  if (name === 'examples') {
    const { examples, settings } = await import('./suites/examples/index.mjs');
    return on(ProcessCluster, name, 4 * MINUTE, () => examples({ cluster, report }), [settings], 2);
  }
  if (name === 'film') {
    const { film } = await import('./suites/film.mjs');
    return on(DevCluster, name, 3 * MINUTE, () => film({ cluster, report }));
  }
  if (name === 'wire') {
    const { wireItself } = await import('./suites/wire.mjs');
    return bounded(name, 2 * MINUTE, wireItself({ report }));
  }
  if (name === 'bandwidth') {
    const { bandwidth } = await import('./suites/bandwidth/index.mjs');
    return bounded(name, 6 * MINUTE, bandwidth({ report }));
  }
  if (name === 'loss') {
    const { loss } = await import('./suites/loss/index.mjs');
    return bounded(name, 8 * MINUTE, loss({ report }));
  }
  if (name === 'links') {
    const { links } = await import('./suites/links/index.mjs');
    return bounded(name, 12 * MINUTE, links({ report }));
  }
  if (name === 'regions') {
    const { regions } = await import('./suites/regions/index.mjs');
    return bounded(name, 6 * MINUTE, regions({ report }));
  }
  if (name === 'kubernetes') {
    const { MINUTES, kubernetes } = await import('./suites/kubernetes/index.mjs');
    return bounded(name, MINUTES * MINUTE, kubernetes({ report }));
  }
  if (name === 'clients') {
    const { clients } = await import('./suites/clients.mjs');
    return on(DevCluster, name, 10 * MINUTE, () => clients({ cluster, report }));
  }
  if (name === 'demo') {
    const { demo } = await import('./suites/demo.mjs');
    // The app wants signalling with TLS at 4443.
    return on(DevCluster, name, 4 * MINUTE, () => demo({ cluster, report }), [undefined, 5443]);
  }
  if (name === 'whip') {
    const { settings, whip } = await import('./suites/whip.mjs');
    return on(ProcessCluster, name, 6 * MINUTE, () => whip({ cluster, report }), [settings]);
  }
  if (name === 'data') {
    const { data } = await import('./suites/data.mjs');
    return on(ProcessCluster, name, 8 * MINUTE, () => data({ cluster, report, losses }));
  }
  if (name === 'ffmpeg') {
    const { ffmpeg } = await import('./suites/ffmpeg.mjs');
    const { broadcaster } = await import('./suites/broadcaster.mjs');
    return on(ProcessCluster, name, 6 * MINUTE, async () => {
      await broadcaster({ cluster, report });
      await ffmpeg({ cluster, codecs, report });
    });
  }
  if (name === 'tcp') {
    const { tcp } = await import('./suites/tcp.mjs');
    return on(DevCluster, name, 4 * MINUTE, () => tcp({ cluster, report }));
  }
  if (name === 'drain') {
    const { drain, settings } = await import('./suites/drain.mjs');
    return on(ProcessCluster, name, 12 * MINUTE, () => drain({ cluster, report }), [settings]);
  }
  if (name === 'moves') {
    const { MINUTES, moves } = await import('./suites/moves.mjs');
    return on(ProcessCluster, name, MINUTES * MINUTE, () => moves({ cluster, report }));
  }
  if (name === 'ends') {
    const { ends, settings } = await import('./suites/ends.mjs');
    return on(ProcessCluster, name, 4 * MINUTE, () => ends({ cluster, report }), [settings]);
  }
  if (name === 'storm') {
    const { settings, storm } = await import('./suites/storm.mjs');
    return on(ProcessCluster, name, 8 * MINUTE, () => storm({ cluster, report }), [settings], 4);
  }
  const { chaos, minutes } = await import('./suites/chaos/index.mjs');
  return bounded(name, minutes() * MINUTE, chaos({ report }));
}

console.log(`server: ${starling()}`);
const reports = new Map();
for (const name of wanted) {
  const file = OWN_REPORT.includes(name) ? name : 'e2e';
  if (!reports.has(file)) reports.set(file, new Report(file));
  const report = reports.get(file);
  const began = performance.now();
  try {
    await suite(name, report);
  } catch (error) {
    report.fail(`${name}: ${error.message}`);
  }
  report.put(`${name}_seconds`, (performance.now() - began) / 1000);
  report.put(`${name}_load_average`, loadavg()[0]);
}
const good = [...reports.values()].map((report) => report.end());
process.exit(good.every(Boolean) ? 0 : 1);
