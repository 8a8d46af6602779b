// Whether the node of a seat is still there. A node that is stopped or cut off closes nothing: it has to
// be asked. Mirrors cluster/src/decide/rejoin/pulse.rs; times are milliseconds.

/** A node that was not heard for so long is asked for something small. */
const BEAT = 400;
/**
 * If nothing is heard for so long then, and twice what answers took lately, and no media comes either, it is
 * gone: TCP's first repair (RFC 6298: 200 ms and more) and half of its second.
 */
const SILENCE = 800;
/** If its media comes, signalling may be silent for as long as TCP needs on a bad path. */
const PATIENCE = 5000;
/** Media that came within so long comes. */
const FLOWS = 500;
/** A verdict that comes so late means that the client itself stood still, and heard nobody. */
const STALL = 400;
/** Longest round trip that is believed: a longer one was a stall. */
const ROUND_TRIP_MAX = 1000;

export class Pulse {
  private asked: number | null = null;
  private came: number | null = null;
  /** The longest of late, each time an eighth less. */
  private roundTrip = 0;
  /** A late verdict was put off once: in a page in the background all are late. */
  private excused = false;

  constructor(private last: number) {}

  heard(now: number): void {
    if (this.asked !== null) {
      const took = Math.min(now - this.asked, ROUND_TRIP_MAX);
      this.roundTrip = Math.max(took, this.roundTrip - this.roundTrip / 8);
      this.asked = null;
    }
    this.last = now;
    this.excused = false;
  }

  media(now: number): void {
    this.came = now;
  }

  /** When [`Pulse.tick`] has something to say. */
  next(): number {
    if (this.asked === null) return this.last + BEAT;
    const verdict = this.asked + SILENCE + 2 * this.roundTrip;
    if (this.came === null) return verdict;
    return Math.max(verdict, Math.min(this.came + FLOWS, this.asked + PATIENCE));
  }

  tick(now: number): 'ask' | 'gone' | null {
    const due = this.next();
    if (now < due) return null;
    const late = now - due > STALL && !this.excused;
    if (this.asked !== null && !late) return 'gone';
    this.excused = this.asked !== null;
    this.asked = now;
    return 'ask';
  }
}
