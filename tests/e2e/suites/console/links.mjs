// Links as the console colours them: two nodes, media between them, and a wire that begins to lose and to take long.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Browser } from '../../lib/browser.mjs';
import { SECRETS } from '../../lib/cluster.mjs';
import { Meeting } from '../../lib/meeting.mjs';
import { reports } from '../../lib/paths.mjs';
import { SpreadCluster } from '../../lib/spread.mjs';
import { until } from '../../lib/wait.mjs';
import { Far, Wire } from '../../lib/wire.mjs';

/** What the wire does, and how the link is then: node/web/console/src/grade.ts has the limits. */
const WIRES = [
  ['nothing', { loss_pct: 0, delay_ms: 0 }, 'good'],
  ['loses_8pct', { loss_pct: 8 }, 'poor'],
  ['rtt_200ms', { loss_pct: 0, delay_ms: 100 }, 'fair'],
  ['rtt_360ms', { delay_ms: 180 }, 'poor'],
  ['nothing_again', { delay_ms: 0 }, 'good'],
];
/** Colours are told every two seconds, and a round trip is a mean of the last ones. */
const WITHIN = 20_000;

export async function consoleLinks({ report }) {
  const lab = new Lab();
  const browser = new Browser();
  try {
    await lab.start();
    const { page } = await browser.person('operator', { width: 1280, height: 860 });
    await page.goto(`${lab.cluster.nodes[0].url}/console/#token=${encodeURIComponent(SECRETS.STARLING_ADMIN_TOKEN)}`,
      { timeout: 20_000 });
    for (const [name, is, grade] of WIRES) {
      await lab.wire.set('both', is);
      const began = performance.now();
      const seen = await until(`the link is ${grade} where the wire ${name}`, WITHIN, () => look(page, grade));
      report.put(`console_link_${name}_is_${grade}_ms`, performance.now() - began);
      report.say(`console_link_${name}_says`, seen);
    }
  } finally {
    await browser.stop();
    await lab.stop();
  }
}

/** What stands beside the link, if it has the colour of this grade on the map, and that grade in the list. */
async function look(page, grade) {
  return page.evaluate((grade) => {
    const base = document.querySelector('.map .link .base');
    const row = document.querySelector('.lines > li');
    if (!base || !row?.classList.contains(grade)) return null;
    const probe = document.createElement('i');
    probe.style.color = `var(--${grade})`;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return getComputedStyle(base).stroke === colour ? row.querySelector('summary .dim:last-child').textContent : null;
  }, grade);
}

class Lab {
  logs = join(reports, 'logs', 'console-links');

  async start() {
    mkdirSync(this.logs, { recursive: true });
    this.far = await new Far().start();
    // One wire has only the link between the nodes, the other one all else.
    this.wire = await new Wire().start(this.far);
    this.rest = await new Wire().start(this.far, { seed: 2 });
    const { far, wire, rest } = this;
    this.cluster = new SpreadCluster([
      { http: rest.near, link: wire.near, etcd: rest.near, region: 'eu' },
      { far, http: rest.far, link: wire.far, etcd: rest.near, region: 'us' },
    ], this.logs);
    await this.cluster.start();
    const [near, away] = this.cluster.nodes.map(({ url }) => url);
    const people = { room: 'links', ladder: '150', fps: 20 };
    this.senders = await new Meeting().start(this.cluster, { ...people, url: near, prefix: 'sender', people: 2 });
    this.viewers = await new Meeting().start(this.cluster,
      { ...people, far, url: away, prefix: 'viewer', people: 1, cameras: 0, voices: 0 });
  }

  async stop() {
    this.senders?.stop();
    this.viewers?.stop();
    await this.cluster?.stop();
    this.wire?.stop();
    this.rest?.stop();
    this.far?.stop();
  }
}
