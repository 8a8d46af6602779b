// The bar under the pictures: microphone, camera, screen, leave. Never does: open a device.

import type { Muted } from '@starling/client';
import { el } from './dom';
import { type Icon, icon } from './icons';

/** What the bar's buttons do. */
export interface BarActions {
  mic(): void;
  camera(): void;
  screen(): void;
  chat(): void;
  nodes(): void;
  settings(): void;
  leave(): void;
}

export class Bar {
  readonly root: HTMLElement;
  private readonly mic: HTMLButtonElement;
  private readonly camera: HTMLButtonElement;
  private readonly screen: HTMLButtonElement;
  private readonly chat: HTMLButtonElement;
  private readonly nodes: HTMLButtonElement;
  private readonly settings: HTMLButtonElement;
  private readonly place = el('div', { class: 'place' });

  constructor(actions: BarActions) {
    this.mic = button('Mute', 'mic', () => actions.mic());
    this.camera = button('Stop camera', 'camera', () => actions.camera());
    this.screen = button('Share screen', 'screen', () => actions.screen());
    this.chat = button('Chat', 'chat', () => actions.chat());
    this.nodes = button('Nodes', 'nodes', () => actions.nodes());
    this.nodes.hidden = true;
    this.settings = button('Settings', 'settings', () => actions.settings());
    const leave = button('Leave', 'leave', () => actions.leave());
    leave.classList.add('danger');
    if (!navigator.mediaDevices?.getDisplayMedia) this.screen.hidden = true;
    const buttons = el('div', { class: 'buttons' },
      this.mic, this.camera, this.screen, this.chat, this.nodes, this.settings, leave);
    this.root = el('footer', { class: 'bar' }, this.place, buttons, el('div', { class: 'right' }));
  }

  /** What is on here, and what an operator has silenced whatever is on. */
  show(on: { mic: boolean; camera: boolean; screen: boolean }, muted: Muted): void {
    const mic = on.mic && !muted.audio;
    set(this.mic, muted.audio ? 'Muted by an operator' : mic ? 'Mute' : 'Unmute', mic ? 'mic' : 'micOff', !mic);
    const seen = on.camera && !muted.video;
    const camera = muted.video ? 'Hidden by an operator' : seen ? 'Stop camera' : 'Start camera';
    set(this.camera, camera, seen ? 'camera' : 'cameraOff', !seen);
    set(this.screen, on.screen ? 'Stop sharing' : 'Share screen', 'screen', on.screen);
    this.mic.classList.toggle('locked', muted.audio);
    this.camera.classList.toggle('locked', muted.video);
  }

  /** What is open beside the pictures. */
  open(side: { chat: boolean; nodes: boolean; settings: boolean }): void {
    for (const name of ['chat', 'nodes', 'settings'] as const) {
      this[name].setAttribute('aria-expanded', String(side[name]));
    }
  }

  where(room: string, node: string | null, colour: string): void {
    this.place.replaceChildren(el('strong', {}, room));
    if (!node) return;
    const badge = el('span', { class: 'badge' }, node);
    badge.style.setProperty('--node', colour);
    this.place.append(' on ', badge);
  }

  /** Something was said that nobody has looked at. */
  unread(unread: boolean): void {
    this.chat.classList.toggle('unread', unread);
  }

  offerNodes(): void {
    this.nodes.hidden = false;
  }
}

function button(label: string, name: Icon, onclick: () => void): HTMLButtonElement {
  const made = el('button', { type: 'button', class: 'round', onclick });
  set(made, label, name, false);
  return made;
}

function set(button: HTMLButtonElement, label: string, name: Icon, marked: boolean): void {
  button.setAttribute('aria-label', label);
  button.title = label;
  button.classList.toggle('marked', marked);
  button.innerHTML = `${icon(name)}<span>${label}</span>`;
}
