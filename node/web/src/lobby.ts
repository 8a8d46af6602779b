// Before the call: name, room, devices, a look at oneself. Never does: join.

import type { Devices } from './devices';
import { el } from './dom';
import { type Icon, icon } from './icons';
import type { Options } from './query';
import { camera, deviceHelp } from './tracks';

/** What was chosen. */
export interface Choice {
  room: string;
  name: string;
  /** Open or just being opened, so that nothing is asked for twice; null if it is not wanted. */
  camera: Promise<MediaStreamTrack> | null;
  microphone: boolean;
}

const NAME = 'starling.name';

/** Shows the lobby in `host` and resolves when the person joins. */
export function lobby(host: HTMLElement, options: Options, devices: Devices): Promise<Choice> {
  return new Promise((resolve) => {
    const look = new Look(options, devices);
    devices.chosen = (kind) => {
      if (kind === 'videoinput' && look.camera) look.open();
    };
    const name = input('name', 'Your name', options.name || localStorage.getItem(NAME) || '');
    const room = input('room', 'Room', options.room || 'demo');
    const join = el('button', { type: 'submit', class: 'primary' }, 'Join');
    const form = el('form', {
      onsubmit: (event) => {
        event.preventDefault();
        localStorage.setItem(NAME, name.value.trim());
        host.replaceChildren();
        resolve({ room: room.value.trim(), name: name.value.trim(), camera: look.camera, microphone: look.microphone });
      },
    }, field('Your name', name), field('Room', room),
    el('details', {}, el('summary', {}, 'Devices'), devices.root), join, look.help);
    const brand = el('h1', {}, el('span', { class: 'bird', 'aria-hidden': 'true' }), 'Starling');
    const lead = el('p', { class: 'lead' }, 'A call that goes on when a machine dies.');
    host.replaceChildren(el('main', { class: 'lobby' }, look.root, el('div', { class: 'card' }, brand, lead, form)));
    (name.value ? join : name).focus();
  });
}

/** One's own picture, and what of oneself is on. */
class Look {
  readonly root = el('div', { class: 'look' });
  readonly help = el('p', { class: 'help', role: 'status' });
  camera: Promise<MediaStreamTrack> | null = null;
  microphone: boolean;
  private readonly video = el('video', { autoplay: true, playsinline: true });
  private readonly note = el('span', { class: 'note' });
  private readonly buttons = { mic: this.button(), camera: this.button() };

  constructor(private readonly options: Options, private readonly devices: Devices) {
    this.microphone = options.audio;
    this.video.muted = true;
    this.root.append(this.video, this.note, el('div', { class: 'buttons' }, this.buttons.mic, this.buttons.camera));
    this.buttons.mic.addEventListener('click', () => {
      this.microphone = !this.microphone;
      this.paint();
    });
    this.buttons.camera.addEventListener('click', () => (this.camera ? this.close() : this.open()));
    if (options.video) this.open();
    else this.paint();
  }

  /** The camera that is chosen now. */
  open(): void {
    this.close();
    const opening = camera(this.options, this.devices.choice('videoinput'));
    this.camera = opening;
    this.paint();
    opening.then(
      (opened) => {
        if (this.camera !== opening) return opened.stop();
        this.video.srcObject = new MediaStream([opened]);
        this.root.classList.add('on');
        this.help.textContent = '';
        void this.devices.look();
      },
      (error) => {
        if (this.camera === opening) this.help.textContent = deviceHelp('camera', error);
      },
    );
  }

  private close(): void {
    void this.camera?.then((track) => track.stop(), () => {});
    this.camera = null;
    this.video.srcObject = null;
    this.root.classList.remove('on');
    this.paint();
  }

  private paint(): void {
    this.note.textContent = this.camera ? 'Your camera' : 'Your camera is off';
    set(this.buttons.mic, 'Microphone', this.microphone, 'mic', 'micOff');
    set(this.buttons.camera, 'Camera', this.camera !== null, 'camera', 'cameraOff');
  }

  private button(): HTMLButtonElement {
    return el('button', { type: 'button', class: 'round' });
  }
}

function set(button: HTMLButtonElement, name: string, on: boolean, yes: Icon, no: Icon): void {
  button.setAttribute('aria-label', name);
  button.setAttribute('aria-pressed', String(on));
  button.title = `${name} is ${on ? 'on' : 'off'}`;
  button.classList.toggle('marked', !on);
  button.innerHTML = icon(on ? yes : no);
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
