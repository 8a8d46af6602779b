// People: each a Chromium of its own, with a camera and a microphone that are not there.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { favour } from './namespace.mjs';
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

const SMALL = { width: 560, height: 360 };

/** What everybody's camera gives. */
export const CAMERA = { width: '480', height: '272', fps: '12', layers: '3' };

/**
 * One Chromium per person: contexts of one Chromium share its camera, and a page that opens or closes it
 * stops everybody's pictures for seconds.
 */
export class Browser {
  people = [];

  /**
   * `executable` and more `flags` are for those who live elsewhere or have another camera; `bypassCSP` for tests
   * that bring a worker into the page.
   */
  async person(name, viewport = SMALL, options = {}) {
    const { executable = paths.chromium, flags = [], bypassCSP = false } = options;
    const profile = mkdtempSync(join(tmpdir(), 'starling-chromium-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: executable,
      headless: true,
      args: [...FLAGS, ...flags],
      viewport,
      bypassCSP,
      timeout: 30_000,
    });
    favour();
    const person = new Person(name, context, context.pages()[0] ?? (await context.newPage()));
    this.people.push({ person, profile });
    return person;
  }

  async stop() {
    for (const { person, profile } of this.people) {
      await person.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
    }
  }
}

export class Person {
  constructor(name, context, page) {
    this.name = name;
    this.context = context;
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

  /** Silences of at least `least` ms, each with what this page noted around it. */
  silences(least) {
    return this.ask((least) => window.starling.silences(least).map((silence) => {
      const near = ({ at }) => at > silence.at - 1500 && at < silence.at + silence.ms + 500;
      const events = window.starling.events.filter(near).map(({ at, what, detail }) =>
        `${Math.round(at - silence.at)} ${what} ${JSON.stringify(detail)}`);
      return { ...silence, events };
    }), least);
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
    await this.context.close().catch(() => {});
  }

  /** Video streams of others, by `peer/source`. */
  async videos() {
    const { consumers } = await this.stats();
    const videos = consumers.filter((stream) => stream.kind === 'video');
    return new Map(videos.map((stream) => [`${stream.peerId}/${stream.source}`, stream]));
  }
}
