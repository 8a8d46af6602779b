// Somebody who publishes or plays by WHIP and WHEP in a Chromium of their own. See clients/whip_page.js.

import { join } from 'node:path';
import { CAMERA } from './browser.mjs';
import { root } from './paths.mjs';
import { until } from './wait.mjs';

const SCRIPT = join(root, 'tests', 'e2e', 'clients', 'whip_page.js');

export class HttpPerson {
  constructor(cluster, person) {
    this.cluster = cluster;
    this.person = person;
  }

  /** The page is any of the first node that has no rules about scripts: other nodes are other origins. */
  static async in(cluster, browser, name, options) {
    const person = await browser.person(name, undefined, options);
    await person.open(`${cluster.nodes[0].url}/livez`);
    await person.page.addScriptTag({ path: SCRIPT });
    return new HttpPerson(cluster, person);
  }

  get errors() {
    return this.person.errors;
  }

  async publish(node, room, { simulcast = true } = {}) {
    return this.call('publish', await this.url(node, 'whip', room), {
      token: await this.token(room), simulcast, camera: CAMERA,
    });
  }

  async play(node, room) {
    return this.call('play', await this.url(node, 'whep', room), { token: await this.token(room) });
  }

  /** One of the page's functions, on this person's only session. */
  call(what, ...args) {
    return this.person.ask(([what, args]) => globalThis.whip[what]('mine', ...args), [what, args]);
  }

  look() {
    return this.call('look');
  }

  token(room) {
    return this.cluster.token(room, this.person.name);
  }

  url(node, protocol, room) {
    return `${this.cluster.nodes[node].url}/${protocol}/${room}`;
  }

  /** Waits for pictures of a width (any, if 0) that go on; says how long it took. */
  async sees(width, within = 20_000) {
    const began = performance.now();
    let from = null;
    await until(`${this.person.name} sees ${width || 'any'} pixels`, within, async () => {
      const { video, state } = await this.look();
      const { framesDecoded = 0, frameWidth } = video;
      if (width && frameWidth !== width) throw new Error(`${frameWidth}, ${state}`);
      from ??= framesDecoded;
      if (framesDecoded < from + 5) throw new Error(`${framesDecoded} frames, ${state}`);
      return true;
    });
    return performance.now() - began;
  }
}
