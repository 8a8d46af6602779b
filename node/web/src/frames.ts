// When frames reached the screen, so that silences can be measured: the longest interval between two
// frames of a source, whichever node or video element showed them. Never does: judge it.

/** Frame times that are kept: two minutes at 30 frames per second. */
const KEPT = 3600;

/** The frames of one source. */
export class FrameLog {
  private times: number[] = [];

  add(at: number): void {
    this.times.push(at);
    if (this.times.length > 2 * KEPT) this.times = this.times.slice(-KEPT);
  }

  /** Milliseconds since the last frame; infinite if there was none. */
  age(now: number): number {
    return now - (this.times.at(-1) ?? -Infinity);
  }

  /**
   * The longest interval without a frame between `from` and `to`, in milliseconds. The frame before
   * `from` counts as its start, and a silence that is not over yet counts up to `to`.
   */
  longest(from: number, to: number): number {
    let previous = from;
    let longest = 0;
    for (const time of this.times) {
      if (time > to) break;
      if (time >= from) longest = Math.max(longest, time - previous);
      previous = Math.max(previous, time);
    }
    return Math.max(longest, to - previous);
  }

  /** Silences of at least `least` milliseconds since `from`: when they began and how long they were. */
  silences(from: number, least: number): { at: number; ms: number }[] {
    const found = [];
    for (let i = 1; i < this.times.length; i++) {
      const [at, next] = [this.times[i - 1]!, this.times[i]!];
      if (next >= from && next - at >= least) found.push({ at, ms: next - at });
    }
    return found;
  }
}

/** Writes down each frame that `video` shows, until it is taken out of the page. */
export function watch(video: HTMLVideoElement, log: FrameLog, first: () => void): void {
  let shown = false;
  const frame: VideoFrameRequestCallback = (_, metadata) => {
    log.add(metadata.presentationTime);
    if (!shown) first();
    shown = true;
    if (video.srcObject) video.requestVideoFrameCallback(frame);
  };
  video.requestVideoFrameCallback(frame);
}

/** How long this page itself stood still at most since it was asked last: the measure's own error. */
export class Stall {
  private worst = 0;
  private last = performance.now();

  constructor() {
    setInterval(() => {
      const now = performance.now();
      this.worst = Math.max(this.worst, now - this.last - 50);
      this.last = now;
    }, 50);
  }

  take(): number {
    const worst = this.worst;
    this.worst = 0;
    return worst;
  }
}
