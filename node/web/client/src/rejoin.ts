// How a client keeps its place in a room while nodes die, drain and refuse: a pure machine. Mirrors
// cluster/src/decide/rejoin/mod.rs, which says why; cluster/fixtures/rejoin holds both to the same answers.
// Times are milliseconds of any one clock. Never does: open a socket, read a clock, know what is sent.

import { Pulse } from './pulse.js';
import { Route } from './route.js';

const OPEN = 1000;
const OPEN_MAX = 4000;
const JOIN = 4000;
const OVERLAP = 2500;
const STABLE = 5000;
const FIRST = 30_000;
const AGAIN = 300_000;
const MOVE_ROUNDS = 10;
const RETRY_AFTER_MAX = 30_000;
const WITHIN_MAX = 30_000;

/** protoo's close code for "do not come back". */
export const FOR_GOOD = 4000;
/** Starling's: go to another node. */
export const ELSEWHERE = 4001;
/** Not now (RFC 6455's registry). */
export const NOT_NOW = 1013;
/** The node lost the session, but lives. */
export const LOST_SESSION = 1011;
/** A frame was too large. */
export const TOO_LARGE = 1009;

/** How to go on if the node dies. */
export interface Offer {
  /** URLs of nodes to go to, best first. */
  standby: string[];
  /** Proof there that it is the same peer. */
  ticket: string;
}

/** How a WebSocket ended, or did not even open. */
export interface Closed {
  code: number;
  /** The stable code in the reason's brackets, as `unauthorized`. */
  refusal?: string;
  /** URLs of the `moveTo` that came before it: better nodes. */
  nodes?: string[];
  /** How long not to come back to this node. */
  retryAfterMs?: number;
}

/** What happened. What is said of a seat that is gone changes nothing. */
export type Input =
  | { start: { urls: string[] } }
  | { opened: { seat: number } }
  | { joined: { seat: number; url: string; offer: Offer } }
  | { offered: { seat: number; offer: Offer } }
  | { heard: { seat: number } }
  | { media: { seat: number } }
  | { closed: { seat: number } & Closed }
  | { moveTo: { seat: number; nodes: string[]; withinMs?: number } }
  | { settled: { seat: number } }
  | 'leave'
  | 'tick';

/** Why it is over: it left; a node said "for good"; no node took it in for too long. */
export type End = 'left' | 'refused' | 'nowhere';

/** What is to be done. */
export type Output =
  | { connect: { seat: number; url: string; ticket?: string } }
  | { use: { seat: number } }
  | { ask: { seat: number } }
  | { drop: { seat: number } }
  | { end: { why: End } };

/** The seat that counts. */
interface Own {
  seat: number;
  url: string;
  since: number;
  standby: string[];
  pulse: Pulse;
}

/** A seat that is being taken. */
interface Trying {
  seat: number;
  url: string;
  until: number;
  resumes: boolean;
}

export class ClientSession {
  private starts: string[] = [];
  private ticket: string | null = null;
  private readonly route = new Route();
  private own: Own | null = null;
  /** Left for the one that counts, at the latest then. */
  private old: { seat: number; until: number } | null = null;
  private trying: Trying | null = null;
  /** When the next node is tried. */
  private due: number | null = null;
  private wasIn = false;
  private seats = 0;
  private over = false;
  private out: Output[] = [];

  /** `nowhere`: since when it has been nowhere. */
  constructor(private nowhere: number) {}

  /** The seat that counts, if there is one. */
  get seated(): number | null {
    return this.own?.seat ?? null;
  }

  /** When a tick is due. */
  next(): number | null {
    if (this.over) return null;
    const all = [this.own?.pulse.next(), this.trying?.until, this.old?.until, this.due ?? undefined];
    const least = Math.min(...all.filter((at) => at !== undefined));
    return Number.isFinite(least) ? least : null;
  }

  /** Takes what happened; `random` is at least 0 and below 1, another one each time. */
  handle(now: number, input: Input, random: number): Output[] {
    if (this.over) return [];
    if (input === 'leave') this.end('left');
    else if (input === 'tick') this.tick(now, random);
    else if ('start' in input) this.start(now, input.start.urls);
    else if ('opened' in input) {
      if (this.trying?.seat === input.opened.seat) this.trying.until = now + JOIN;
    } else if ('joined' in input) this.joined(now, input.joined);
    else if ('offered' in input) this.offered(input.offered);
    else if ('heard' in input) this.pulse(input.heard.seat)?.heard(now);
    else if ('media' in input) this.pulse(input.media.seat)?.media(now);
    else if ('closed' in input) this.closed(now, input.closed, random);
    else if ('moveTo' in input) this.moveTo(now, input.moveTo, random);
    else if (this.seated === input.settled.seat) this.dropOld();
    const out = this.out;
    this.out = [];
    return out;
  }

  private start(now: number, urls: string[]): void {
    if (this.starts.length || !urls.length) return;
    this.starts = urls;
    this.route.begin(urls);
    this.nowhere = now;
    this.due = now;
    this.tick(now, 0);
  }

  private joined(now: number, { seat, url, offer }: { seat: number; url: string; offer: Offer }): void {
    const tried = this.trying;
    if (tried?.seat !== seat) return;
    this.trying = null;
    this.dropOld();
    if (this.own) this.old = { seat: this.own.seat, until: now + OVERLAP };
    this.ticket = offer.ticket;
    const { standby } = offer;
    this.own = { seat, url: url || tried.url, since: now, standby, pulse: new Pulse(now) };
    this.due = null;
    this.wasIn = true;
    this.out.push({ use: { seat } });
  }

  private offered({ seat, offer }: { seat: number; offer: Offer }): void {
    if (this.own?.seat !== seat) return;
    this.own.standby = offer.standby;
    this.ticket = offer.ticket;
  }

  private pulse(seat: number): Pulse | null {
    return this.own?.seat === seat ? this.own.pulse : null;
  }

  private closed(now: number, closed: { seat: number } & Closed, random: number): void {
    const { seat, code } = closed;
    if (this.old?.seat === seat) this.old = null;
    const tried = this.trying;
    if (tried?.seat === seat) {
      this.trying = null;
      this.turnedAway(now, tried, closed, random);
    } else if (this.own?.seat === seat) {
      // While it moves, this may be the new session's doing.
      if (code === FOR_GOOD && !this.trying) {
        this.own = null;
        return this.end('refused');
      }
      this.lost(now, closed, random);
    }
  }

  /** A node did not take it in. */
  private turnedAway(now: number, tried: Trying, closed: Closed, random: number): void {
    const { code, nodes = [], retryAfterMs = 0 } = closed;
    if (code === FOR_GOOD) {
      // Another secret, or a day later: without the ticket it is a new session.
      if (tried.resumes && closed.refusal === 'unauthorized') {
        this.ticket = null;
        this.route.untry(tried.url);
      } else if (!this.own) return this.end('refused');
    } else if (code === ELSEWHERE || code === NOT_NOW) {
      this.route.refused(tried.url, now + Math.min(retryAfterMs, RETRY_AFTER_MAX));
      this.route.redirect(nodes.filter((url) => url !== this.own?.url));
    } else if (code !== LOST_SESSION && code !== TOO_LARGE) {
      this.route.failed(now, tried.url);
    }
    this.due = this.route.when(now, random);
  }

  /** The seat that counted is gone. */
  private lost(now: number, closed: Closed, random: number): void {
    const own = this.own;
    if (!own) return;
    this.own = null;
    this.dropOld();
    this.nowhere = now;
    if (now - own.since >= STABLE) this.route.rest();
    else this.route.tire();
    const lives = closed.code === LOST_SESSION || closed.code === TOO_LARGE;
    if (!lives) this.route.failed(now, own.url);
    const first = lives ? [own.url] : (closed.nodes ?? []);
    const urls = [...first, ...own.standby, own.url, ...this.starts];
    // It was moving: it is on its way already.
    if (this.trying) return this.route.extend(urls);
    this.route.begin(urls);
    // Nobody else goes there because of a death that only this client has seen; what a node tells its
    // clients, it tells all of them.
    const told = lives || closed.code === ELSEWHERE;
    this.due = this.route.first(now, told, random);
    this.tick(now, random);
  }

  /** Make before break: the seat stays until another one is taken. */
  private moveTo(
    now: number,
    { seat, nodes, withinMs = 0 }: { seat: number; nodes: string[]; withinMs?: number },
    random: number,
  ): void {
    const { own } = this;
    if (own?.seat !== seat) return;
    const others = nodes.filter((url) => url !== own.url);
    if (!others.length) return this.stay();
    if (this.trying) return;
    this.dropOld();
    this.route.rest();
    this.route.trust(others);
    this.route.begin(others);
    this.due = now + Math.min(withinMs, WITHIN_MAX) * random;
    this.tick(now, 0);
  }

  /** It need not move after all. */
  private stay(): void {
    this.due = null;
    if (this.trying) this.out.push({ drop: { seat: this.trying.seat } });
    this.trying = null;
  }

  private tick(now: number, random: number): void {
    const beat = this.own?.pulse.tick(now) ?? null;
    if (this.own && beat === 'ask') this.out.push({ ask: { seat: this.own.seat } });
    if (this.own && beat === 'gone') {
      this.out.push({ drop: { seat: this.own.seat } });
      this.lost(now, { code: 0 }, random);
    }
    if (this.old && this.old.until <= now) this.dropOld();
    const late = this.trying;
    if (late && late.until <= now) {
      this.trying = null;
      this.out.push({ drop: { seat: late.seat } });
      this.route.failed(now, late.url);
      this.due = this.route.when(now, random);
    }
    if (this.due !== null && this.due <= now) this.tryNext(now, random);
  }

  private tryNext(now: number, random: number): void {
    const patience = this.wasIn ? AGAIN : FIRST;
    if (!this.own && now - this.nowhere >= patience) return this.end('nowhere');
    if (this.own && this.route.round >= MOVE_ROUNDS) return this.stay();
    const url = this.route.pick(now);
    if (url === null) {
      this.due = this.route.when(now, random);
      return;
    }
    this.due = null;
    const seat = ++this.seats;
    const open = Math.min(OPEN * 2 ** Math.min(this.route.round, 2), OPEN_MAX);
    const resumes = this.ticket !== null;
    this.trying = { seat, url, until: now + open, resumes };
    this.out.push({ connect: { seat, url, ...(this.ticket !== null && { ticket: this.ticket }) } });
  }

  private dropOld(): void {
    if (this.old) this.out.push({ drop: { seat: this.old.seat } });
    this.old = null;
  }

  private end(why: End): void {
    this.dropOld();
    for (const gone of [this.own, this.trying]) {
      if (gone) this.out.push({ drop: { seat: gone.seat } });
    }
    this.own = this.trying = null;
    this.out.push({ end: { why } });
    this.over = true;
  }
}
