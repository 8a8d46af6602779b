// What one person's page sees of one stream: each frame before it is decoded, each picture on the screen, and how
// long a change of layers takes until a picture shows it. Judges nothing.

import { bounded } from '../../lib/wait.mjs';

export class Receiver {
  constructor(person, stream) {
    this.person = person;
    this.stream = stream;
  }

  /** Before the page is opened. */
  prepare() {
    return this.person.page.addInitScript(watchFrames);
  }

  /** Begins to look. */
  begin() {
    return this.person.ask(watchPictures, this.stream);
  }

  /** The browser's statistics, and what its node says of layers. */
  async figures() {
    return (await this.person.videos()).get(this.stream);
  }

  /** What was seen since it began. */
  seen() {
    return this.person.ask(() => window.seen.told());
  }

  /** Wishes for layers and waits for the first picture of this width: how long that took, in ms. */
  async spatial(layer, width, within = 15_000) {
    const wish = { stream: this.stream, layer, width, within };
    const asked = this.person.page.evaluate((wish) => window.seen.spatial(wish), wish);
    return bounded(`${width} pixels`, within + 5_000, asked);
  }

  /** The same for a temporal layer: until the node says that it flows, and another picture came. */
  async temporal(spatial, layer, within = 5_000) {
    const wish = { stream: this.stream, spatial, layer, within };
    const asked = this.person.page.evaluate((wish) => window.seen.temporal(wish), wish);
    return bounded(`temporal layer ${layer}`, within + 5_000, asked);
  }

  resetGaps() {
    return this.person.resetGaps();
  }

  /** The longest time without a picture since then, and how long the page itself stood still, in ms. */
  async gap() {
    const { gaps, stallMs } = await this.person.gaps();
    return { longest: gaps[this.stream] ?? Number.POSITIVE_INFINITY, stall: stallMs };
  }
}

/** Runs in the page before it does: a receiver takes a transform only while it is made. */
function watchFrames() {
  const frames = (window.encodedFrames = { count: 0, pictures: 0, back: 0, how: '', newest: null });
  const inWorker = () => {
    self.onrtctransform = ({ transformer }) => {
      const transform = (frame, controller) => {
        self.postMessage(frame.getMetadata().rtpTimestamp ?? frame.timestamp);
        controller.enqueue(frame);
      };
      transformer.readable.pipeThrough(new TransformStream({ transform })).pipeTo(transformer.writable);
    };
  };
  // Layers of one picture are frames with one timestamp.
  const frame = ({ data: rtp }) => {
    frames.count += 1;
    if (frames.newest !== rtp) frames.pictures += 1;
    if (frames.newest !== null && ((frames.newest - rtp) | 0) > 0) {
      frames.back += 1;
      frames.how = `${frames.newest} to ${rtp}`;
    }
    frames.newest = rtp;
  };
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      this.addEventListener('track', ({ track, receiver }) => {
        if (track.kind !== 'video') return;
        const worker = new Worker(URL.createObjectURL(new Blob([`(${inWorker})()`])));
        worker.onmessage = frame;
        receiver.transform = new RTCRtpScriptTransform(worker);
      });
    }
  };
}

/** Runs in the page. */
async function watchPictures(stream) {
  // A page that records may know who decodes.
  window.recorded = await navigator.mediaDevices.getUserMedia({ audio: true });
  const after = (a, b) => ((a - b) | 0) > 0;
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const [video] = [...document.querySelectorAll('video')].filter((video) => video.srcObject);
  const pictures = { count: 0, back: 0, how: '', newest: null, width: 0 };
  let waits = null;

  const picture = (_, { rtpTimestamp, receiveTime, width }) => {
    pictures.count += 1;
    pictures.width = width;
    if (rtpTimestamp !== undefined) {
      const { newest } = pictures;
      if (newest && !after(rtpTimestamp, newest.rtp)) {
        pictures.back += 1;
        pictures.how = `${newest.rtp} to ${rtpTimestamp}`;
      }
      pictures.newest = { rtp: rtpTimestamp, at: receiveTime };
    }
    waits?.();
    video.requestVideoFrameCallback(picture);
  };
  video.requestVideoFrameCallback(picture);

  const when = (fits, within) => new Promise((done, failed) => {
    const timer = setTimeout(() => {
      waits = null;
      failed(new Error(`not within ${within / 1000} s: the picture has ${pictures.width} pixels, `
        + `the node says ${JSON.stringify(window.starling.layers(stream))}`));
    }, within);
    waits = () => {
      if (!fits()) return;
      waits = null;
      clearTimeout(timer);
      done();
    };
  });

  window.seen = {
    told: () => ({ pictures, frames: window.encodedFrames }),
    spatial: async ({ layer, width, within }) => {
      const began = performance.now();
      window.starling.setLayers(stream, layer);
      await when(() => pictures.width === width, within);
      return performance.now() - began;
    },
    temporal: async ({ spatial, layer, within }) => {
      const began = performance.now();
      window.starling.setLayers(stream, spatial, layer);
      const flows = () => window.starling.layers(stream)?.temporalLayer === layer;
      while (!flows() && performance.now() - began < within) await sleep(5);
      await when(flows, within);
      return performance.now() - began;
    },
  };
}
