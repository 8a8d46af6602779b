// Asking again and again: slower while nobody looks, and with pauses that grow while nobody answers.

import { signal } from '@preact/signals';
import { Refusal } from './api';

/** Pauses after failures in a row: soon enough to be back within a breath, and no burden for a node that starts. */
const PAUSES = [500, 1000, 2000, 4000, 8000];
/** While the tab is hidden. */
const HIDDEN = 10_000;

/** How long to wait after so many failures in a row. */
export function pause(failures: number): number {
  return PAUSES[Math.min(failures, PAUSES.length) - 1] ?? 0;
}

/** When the page was last answered, and since when it is not. */
export interface Contact {
  failures: number;
  nextAt: number;
  why: string;
}

export class Poll {
  readonly contact = signal<Contact>({ failures: 0, nextAt: 0, why: '' });
  private timer = 0;
  private ended = false;
  private running = false;
  private again = false;

  constructor(private readonly look: () => Promise<void>, private readonly every: () => number) {
    void this.turn();
    document.addEventListener('visibilitychange', this.seen);
  }

  /** Looks now: something has happened. */
  readonly now = (): void => {
    if (this.running) this.again = true;
    else void this.turn();
  };

  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
    document.removeEventListener('visibilitychange', this.seen);
  }

  private readonly seen = (): void => {
    if (!document.hidden) this.now();
  };

  private async turn(): Promise<void> {
    clearTimeout(this.timer);
    this.running = true;
    this.again = false;
    let failures = 0;
    let why = '';
    try {
      await this.look();
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
      // A node that refuses has answered: it is not asked less often for it, but no more often either.
      failures = this.contact.peek().failures + 1;
      if (error instanceof Refusal && error.status < 500) failures = 1;
    }
    this.running = false;
    if (this.ended) return;
    const idle = document.hidden ? HIDDEN : this.every();
    const wait = this.again ? 0 : Math.max(pause(failures), idle);
    this.contact.value = { failures, nextAt: Date.now() + wait, why };
    this.timer = window.setTimeout(() => void this.turn(), wait);
  }
}
