// The chat beside the pictures: what was said, and a line to say something. Never does: send it.

import { el } from './dom';

/** Lines that are kept. */
const LINES = 500;
/** Longest line, in characters. */
const LONGEST = 2000;

export class Chat {
  readonly root = el('aside', { class: 'panel chat', 'aria-label': 'Chat' });
  private readonly list = el('ol', { 'aria-live': 'polite' });
  private readonly line = el('input', {
    maxlength: String(LONGEST), placeholder: 'Say something', 'aria-label': 'Message', autocomplete: 'off',
  });

  constructor(private readonly say: (text: string) => Promise<void>) {
    const form = el('form', { onsubmit: (event) => void this.submit(event) }, this.line);
    this.root.append(el('h2', {}, 'Chat'), this.list, form);
  }

  /** Shows a line; `who` is null for one's own. */
  add(who: string | null, text: string): void {
    const line = el('li', { class: who === null ? 'own' : '' },
      el('small', {}, who ?? 'You'), el('span', {}, text.slice(0, LONGEST)));
    this.list.append(line);
    while (this.list.childElementCount > LINES) this.list.firstElementChild?.remove();
    line.scrollIntoView({ block: 'end' });
  }

  focus(): void {
    this.line.focus();
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const text = this.line.value.trim();
    if (!text) return;
    this.line.value = '';
    try {
      await this.say(text);
      this.add(null, text);
    } catch {
      this.line.value = text;
    }
  }
}
