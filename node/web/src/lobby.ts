// Before the call: name, room, a look at oneself. Never does: join.

import { el } from './dom';
import type { Options } from './query';
import { camera, deviceHelp } from './tracks';

/** What was chosen. */
export interface Choice {
  room: string;
  name: string;
  /** Open or just being opened, so that nothing is asked for twice; null if it is not wanted. */
  camera: Promise<MediaStreamTrack> | null;
}

const NAME = 'starling.name';

/** Shows the lobby in `host` and resolves when the person joins. */
export function lobby(host: HTMLElement, options: Options): Promise<Choice> {
  return new Promise((resolve) => {
    const video = el('video', { autoplay: true, playsinline: true });
    video.muted = true;
    const help = el('p', { class: 'help', role: 'status' });
    const name = input('name', 'Your name', options.name || localStorage.getItem(NAME) || '');
    const room = input('room', 'Room', options.room || 'demo');
    const opening = options.video ? camera(options) : null;
    const join = el('button', { type: 'submit', class: 'primary' }, 'Join');
    const form = el('form', {
      onsubmit: (event) => {
        event.preventDefault();
        localStorage.setItem(NAME, name.value.trim());
        host.replaceChildren();
        resolve({ room: room.value.trim(), name: name.value.trim(), camera: opening });
      },
    }, field('Your name', name), field('Room', room), join, help);
    const brand = el('h1', {}, el('span', { class: 'bird', 'aria-hidden': 'true' }), 'Starling');
    const lead = el('p', { class: 'lead' },
      'A call that goes on when a machine dies.');
    host.replaceChildren(
      el('div', { class: 'lobby' },
        el('div', { class: 'look' }, video, el('span', {}, 'Your camera')),
        el('div', { class: 'card' }, brand, lead, form)),
    );
    (name.value ? join : name).focus();
    opening?.then(
      (opened) => {
        video.srcObject = new MediaStream([opened]);
        video.parentElement!.classList.add('on');
      },
      (error) => {
        help.textContent = deviceHelp('camera', error);
      },
    );
  });
}

function input(id: string, placeholder: string, value: string): HTMLInputElement {
  const made = el('input', { id, placeholder, maxlength: '64', autocomplete: 'off' });
  if (id === 'room') made.required = true;
  made.value = value;
  return made;
}

function field(label: string, control: HTMLInputElement): HTMLElement {
  return el('label', { for: control.id }, label, control);
}
