// Which camera, microphone and loudspeaker: what there is, and what was chosen in this browser. Never does: open one.

import { el } from './dom';

export type Device = 'audioinput' | 'videoinput' | 'audiooutput';

const NAMES: Record<Device, string> = { audioinput: 'Microphone', videoinput: 'Camera', audiooutput: 'Speaker' };
const KEY = 'starling.device.';

export class Devices {
  readonly root = el('div', { class: 'devices' });
  /** Another one was chosen. */
  chosen: (kind: Device) => void = () => {};
  private readonly lists = new Map<Device, HTMLSelectElement>();

  constructor() {
    for (const kind of Object.keys(NAMES) as Device[]) {
      if (kind === 'audiooutput' && !('setSinkId' in HTMLMediaElement.prototype)) continue;
      const list = el('select', { onchange: () => this.choose(kind, list.value) });
      this.lists.set(kind, list);
      this.root.append(el('label', {}, NAMES[kind], list));
    }
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.look());
    void this.look();
  }

  /** What was chosen; empty: the browser's own choice. */
  choice(kind: Device): string {
    return localStorage.getItem(KEY + kind) ?? '';
  }

  /** Browsers name devices once one of their kind was allowed. */
  async look(): Promise<void> {
    const all = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
    for (const [kind, list] of this.lists) {
      const those = all.filter((one) => one.kind === kind && one.deviceId && one.deviceId !== 'default');
      const options = those.map(({ deviceId, label }, n) =>
        el('option', { value: deviceId }, label || `${NAMES[kind]} ${n + 1}`));
      list.replaceChildren(el('option', { value: '' }, 'As the browser chooses'), ...options);
      // One that was chosen and is unplugged may come back.
      list.value = those.some(({ deviceId }) => deviceId === this.choice(kind)) ? this.choice(kind) : '';
    }
  }

  private choose(kind: Device, id: string): void {
    localStorage.setItem(KEY + kind, id);
    this.chosen(kind);
  }
}
