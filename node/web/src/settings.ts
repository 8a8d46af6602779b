// Beside the pictures: which devices, and the link for somebody else. Never does: open a device.

import type { Devices } from './devices';
import { el } from './dom';

/** For so long a button says that it has copied. */
const SAID = 2000;

export class Settings {
  readonly root: HTMLElement;

  constructor(private readonly devices: Devices, private readonly link: () => string) {
    this.root = el('aside', { class: 'panel settings', 'aria-label': 'Settings' });
  }

  /** Once the lobby has let go of the devices. */
  focus(): void {
    this.root.replaceChildren(el('h2', {}, 'Settings'), this.devices.root, this.copyButton());
    void this.devices.look();
    this.root.querySelector('select')?.focus();
  }

  /** Copies the link, or says it where the browser does not let it: on http, for example. */
  copyButton(): HTMLButtonElement {
    const button = el('button', {
      type: 'button', class: 'copy', onclick: () => void this.copy().then((done) => {
        button.textContent = done ? 'Copied' : this.link();
        setTimeout(() => { button.textContent = 'Copy link'; }, SAID);
      }),
    }, 'Copy link');
    return button;
  }

  private async copy(): Promise<boolean> {
    try {
      await navigator.clipboard.writeText(this.link());
      return true;
    } catch {
      return false;
    }
  }
}
