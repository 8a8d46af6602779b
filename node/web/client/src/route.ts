// Which node is tried next, and when. A node that failed is left alone for a while, one that named a time
// until then; nobody is asked in step with all the others. Mirrors cluster/src/decide/rejoin/route.rs;
// times are milliseconds.

/** Between two nodes of a round, at most: who was turned away together does not come together. */
const STEP = 100;
/**
 * The pause after the first round over all nodes; it doubles up to PAUSE_MAX, and half of it is left to chance
 * (Brooker 2015, "Exponential backoff and jitter").
 */
const PAUSE = 250;
/** See PAUSE: a person waits for it. */
const PAUSE_MAX = 4000;
/** A node that failed is not tried while there is another, for so long. */
const SHUN = 30_000;
/** Redirects of a round that are followed: nodes whose views differ send clients around. */
const REDIRECTS = 4;
/** Nodes of which something is remembered, and which are tried. */
const KNOWN = 32;

/** What is remembered of a node. */
interface Known {
  url: string;
  /** It failed: until then others come first. */
  shunned: number;
  /** It said so itself: not before. */
  busy: number;
}

export class Route {
  /** Rounds over all nodes that found nobody. */
  round = 0;
  private urls: string[] = [];
  private tried: string[] = [];
  private redirects = 0;
  private known: Known[] = [];

  /** A new list, best first. */
  begin(urls: string[]): void {
    this.urls = [];
    this.tried = [];
    this.redirects = 0;
    this.extend(urls);
  }

  /** More nodes, after those of the list. */
  extend(urls: string[]): void {
    for (const url of urls) {
      if (url && !this.urls.includes(url) && this.urls.length < KNOWN) this.urls.push(url);
    }
  }

  /** A node named better ones. */
  redirect(nodes: string[]): void {
    if (!nodes.length || this.redirects >= REDIRECTS) return;
    this.redirects++;
    this.tried = this.tried.filter((url) => !nodes.includes(url));
    const rest = this.urls;
    this.urls = [];
    this.extend(nodes);
    this.extend(rest);
  }

  failed(now: number, url: string): void {
    this.of(url).shunned = now + SHUN;
  }

  refused(url: string, until: number): void {
    this.of(url).busy = until;
  }

  /** A node that lives vouches for these, whatever they did before. */
  trust(urls: string[]): void {
    for (const known of this.known) if (urls.includes(known.url)) known.shunned = -Infinity;
  }

  /** It may be tried again in this round. */
  untry(url: string): void {
    this.tried = this.tried.filter((tried) => tried !== url);
  }

  /** All is well: the next failure is a first one. */
  rest(): void {
    this.round = 0;
  }

  /** What was found did not last: as if a round had found nobody. */
  tire(): void {
    this.round++;
  }

  /** The node to try now. */
  pick(now: number): string | null {
    const url = this.untried(now).find((url) => this.busy(url) <= now);
    if (url === undefined) return null;
    this.tried.push(url);
    return url;
  }

  /** When to try the first node of a new list. */
  first(now: number, told: boolean, random: number): number {
    if (this.round) return now + pause(this.round, random);
    return told ? now + STEP * random : now;
  }

  /** When to try the next one: soon, or after a pause if the round is over. */
  when(now: number, random: number): number {
    if (this.untried(now).some((url) => this.busy(url) <= now)) return now + STEP * random;
    this.tried = [];
    this.redirects = 0;
    this.tire();
    // Who is told the same time does not come at the same time.
    const free = Math.min(...this.untried(now).map((url) => this.busy(url)));
    const waits = Number.isFinite(free) && free > now;
    const least = waits ? free + ((free - now) * random) / 2 : now;
    return Math.max(least, now + pause(this.round, random));
  }

  /** Those of the list that come into question: not tried yet, and not shunned unless all are. */
  private untried(now: number): string[] {
    const shunned = (url: string) => (this.find(url)?.shunned ?? -Infinity) > now;
    const all = this.urls.every(shunned);
    return this.urls.filter((url) => (all || !shunned(url)) && !this.tried.includes(url));
  }

  private busy(url: string): number {
    return this.find(url)?.busy ?? -Infinity;
  }

  private find(url: string): Known | undefined {
    return this.known.find((known) => known.url === url);
  }

  /** The newest is the last; the oldest is forgotten. */
  private of(url: string): Known {
    const known = this.find(url) ?? { url, shunned: -Infinity, busy: -Infinity };
    this.known = [...this.known.filter((other) => other !== known), known].slice(-KNOWN);
    return known;
  }
}

function pause(round: number, random: number): number {
  const most = Math.min(PAUSE * 2 ** Math.min(Math.max(round - 1, 0), 8), PAUSE_MAX);
  return most / 2 + (most / 2) * random;
}
