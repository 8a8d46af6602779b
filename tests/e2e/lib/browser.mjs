// Chromium with people in it: each in a context of its own, with a camera and a microphone that are not
// there.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import * as paths from './paths.mjs';
import { bounded } from './wait.mjs';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--allow-loopback-in-peer-connection', '--autoplay-policy=no-user-gesture-required',
  // Chromium sends fewer layers of small pictures; three layers of small ones are what two cores can do.
  '--force-fieldtrials=WebRTC-LegacySimulcastLayerLimit/Disabled/',
];

/** What everybody's camera gives. */
export const CAMERA = { width: '640', height: '360', fps: '12', layers: '3' };

export class Browser {
  async start() {
    this.profile = mkdtempSync(join(tmpdir(), 'starling-chromium-'));
    this.browser = await chromium.launch({
      executablePath: paths.chromium,
      headless: true,
      args: [...FLAGS, `--disk-cache-dir=${this.profile}`],
      timeout: 30_000,
    });
    this.version = this.browser.version();
  }

  async person(name, viewport = { width: 800, height: 520 }) {
    const context = await this.browser.newContext({ viewport });
    const page = await context.newPage();
    return new Person(name, page);
  }

  async stop() {
    await this.browser?.close().catch(() => {});
    if (this.profile) rmSync(this.profile, { recursive: true, force: true });
  }
}

export class Person {
  constructor(name, page) {
    this.name = name;
    this.page = page;
    this.errors = [];
    page.on('pageerror', (error) => this.errors.push(error.message));
  }

  open(url) {
    return bounded(`${this.name}: page`, 20_000, this.page.goto(url, { timeout: 15_000 }));
  }

  ask(what, of) {
    return bounded(`${this.name}: answer`, 10_000, this.page.evaluate(what, of));
  }

  stats() {
    return this.ask(() => window.starling.stats());
  }

  resetGaps() {
    return this.ask(() => window.starling.resetGaps());
  }

  gaps(from) {
    return this.ask((from) => window.starling.gaps(from ?? undefined), from);
  }

  prefer(stream, layer) {
    return this.ask(([stream, layer]) => window.starling.setLayers(stream, layer), [stream, layer]);
  }

  events() {
    return this.ask(() => window.starling.events);
  }

  async leave() {
    await this.ask(() => window.starling.leave()).catch(() => {});
  }

  async close() {
    await this.page.context().close().catch(() => {});
  }

  /** Video streams of others, by `peer/source`. */
  async videos() {
    const { consumers } = await this.stats();
    const videos = consumers.filter((stream) => stream.kind === 'video');
    return new Map(videos.map((stream) => [`${stream.peerId}/${stream.source}`, stream]));
  }
}
