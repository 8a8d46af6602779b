// The wire itself, measured from outside: how exact its delay and rate are, and what it costs. The figures of
// other suites are no better than these.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { percentile } from '../lib/report.mjs';
import { sleep } from '../lib/wait.mjs';
import { Far, Wire } from '../lib/wire.mjs';

const PORT = 7000;
/** Sends back what it gets, and is so simple that the wire is what is measured. */
const ECHO = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  socket.bind(${PORT});
`;

/** Round trips of `count` datagrams of `size` bytes, one each `every` ms; what is lost is left out. */
function trips(to, { count, size = 100, every = 5 }) {
  return new Promise((done) => {
    const socket = createSocket('udp4');
    const [times, sent] = [[], []];
    socket.on('message', (bytes) => times.push(performance.now() - sent[bytes.readUInt32BE(0)]));
    const timer = setInterval(() => {
      const bytes = Buffer.alloc(size);
      bytes.writeUInt32BE(sent.length, 0);
      sent.push(performance.now());
      socket.send(bytes, PORT, to);
      if (sent.length < count) return;
      clearInterval(timer);
      setTimeout(() => { socket.close(); done(times); }, 500);
    }, every);
  });
}

export async function wireItself({ report }) {
  const far = await new Far().start();
  const wire = await new Wire().start(far);
  const echo = spawn(...far.inside(process.execPath, ['-e', ECHO]), { stdio: 'ignore' });
  try {
    await sleep(500);
    report.put('wire_realtime', wire.realtime ? 1 : 0);
    await delays(wire, report);
    await losses(wire, report);
    await rate(wire, report);
    await cost(wire, report);
  } finally {
    echo.kill('SIGKILL');
    wire.stop();
    far.stop();
  }
}

/** A delay is what was asked for; what goes beyond includes two processes of Node.js. */
async function delays(wire, report) {
  const bare = await trips(wire.far, { count: 400 });
  await wire.set('both', { delay_ms: 25 });
  await wire.mark();
  const times = await trips(wire.far, { count: 400 });
  const { late_us: late } = await wire.stats();
  await wire.set('both', { delay_ms: 0 });
  const n = times.length;
  report.put(`wire_bare_trip_ms_p50_n${bare.length}`, percentile(bare, 50));
  for (const p of [50, 95, 99]) {
    report.put(`wire_50ms_trip_excess_ms_p${p}_n${n}`, percentile(times, p) - 50);
  }
  report.check(`wire_50ms_trip_ms_min_n${n}`, Math.min(...times), (ms) => ms >= 50, '>= 50');
  report.put(`wire_late_us_p50_n${late.n}`, late.p50);
  report.put(`wire_late_us_p99_n${late.n}`, late.p99);
  report.check(`wire_late_us_p95_n${late.n}`, late.p95, (us) => us < 1000, '< 1000');
}

async function losses(wire, report) {
  await wire.set('down', { loss_pct: 10 });
  const times = await trips(wire.far, { count: 2000, every: 1 });
  await wire.set('down', { loss_pct: 0 });
  const lost = 100 * (1 - times.length / 2000);
  report.check('wire_10pct_lost_pct_n2000', lost, (lost) => lost > 7.5 && lost < 12.5, '7.5 to 12.5');
}

/** Twice what fits is offered: what comes through is the rate, and the rest is dropped at the tail. */
async function rate(wire, report) {
  await wire.set('down', { rate_kbps: 2500, queue_ms: 100 });
  const sending = trips(wire.far, { count: 1500, size: 1172, every: 2 });
  await sleep(500);
  const before = await wire.stats();
  await sleep(2000);
  const after = await wire.stats();
  await sending;
  await wire.set('down', { rate_kbps: 0, queue_ms: 0 });
  const bits = 8 * (after.down.passed_bytes - before.down.passed_bytes);
  const kbps = bits / (after.at_ms - before.at_ms);
  // One packet more or less at the ends of two seconds is 0.4 %.
  report.check('wire_2500kbps_passed', kbps, (kbps) => Math.abs(kbps - 2500) < 15, '2485 to 2515');
  const { max } = after.down.wait_ms;
  report.check('wire_100ms_queue_wait_ms_max', max, (ms) => ms > 95 && ms <= 100.1, '95 to 100');
}

async function cost(wire, report) {
  await wire.set('both', { delay_ms: 25 });
  const [cpu, began, before] = [wire.cpu(), performance.now(), await wire.stats()];
  await trips(wire.far, { count: 4000, size: 1172, every: 1 });
  const [spent, seconds] = [wire.cpu() - cpu, (performance.now() - began) / 1000];
  const after = await wire.stats();
  const packets = ['down', 'up'].reduce(
    (sum, way) => sum + after[way].delivered_packets - before[way].delivered_packets, 0);
  report.put(`wire_packets_per_second`, packets / seconds);
  report.put(`wire_cpu_us_per_packet_n${packets}`, spent * 1e6 / packets);
  report.put(`wire_cpu_percent_of_a_core`, 100 * spent / seconds);
}
