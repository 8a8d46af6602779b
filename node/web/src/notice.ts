// A sentence over everything, with at most one thing to do about it. Never does: go away by itself.

import { el } from './dom';

export class Notice {
  readonly root = el('div', { class: 'notice', role: 'alert', hidden: true });

  tell(sentence: string, offer?: [string, () => void]): void {
    const close = el('button', { type: 'button', class: 'close', 'aria-label': 'Dismiss', onclick: () => this.hide() }, '×');
    const offered = offer ? [el('button', {
      type: 'button', class: 'primary', onclick: () => { offer[1](); this.hide(); },
    }, offer[0])] : [];
    this.root.replaceChildren(el('span', {}, sentence), ...offered, close);
    this.root.hidden = false;
  }

  hide(): void {
    this.root.hidden = true;
  }
}
