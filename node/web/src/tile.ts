// One tile: the picture of one source with who and where it is, and what arrives. When its stream comes
// anew from another node, the old picture stays until the first new frame is there.
// Never does: talk to a node.

import type { Layers, Stream } from '@starling/client';
import { bitrate, el, initials } from './dom';
import { type FrameLog, watch } from './frames';
import { icon } from './icons';
import { colour } from './nodes';
import type { StreamFigures } from './figures';

/** A picture without a new frame for so long is shown as waiting. */
const STALE = 1500;
const NAMES: Record<number, string[]> = { 2: ['Low', 'High'], 3: ['Low', 'Mid', 'High'] };

/** What a person may do at a tile. */
export interface TileActions {
  prefer(stream: Stream, layers: Layers): void;
  /** Makes it large, or as the others. */
  enlarge(): void;
}

export class Tile {
  readonly root: HTMLElement;
  stream: Stream | null = null;
  private wish = 'Auto';
  private videos: HTMLVideoElement[] = [];
  private readonly media = el('div', { class: 'media' });
  private readonly avatar = el('div', { class: 'avatar', 'aria-hidden': 'true' });
  private readonly name = el('span', { class: 'name' });
  private readonly badge = el('span', { class: 'badge', title: 'The node this peer is on' });
  private readonly mute = el('span', { class: 'mute', hidden: true, title: 'Muted' });
  private readonly figures = el('div', { class: 'figures' });
  private readonly layers = el('div', { class: 'layers', role: 'group', hidden: true });
  private readonly enlarge = el('button', { type: 'button', class: 'enlarge', hidden: true });

  constructor(
    title: string,
    private readonly log: FrameLog,
    private readonly actions: TileActions,
  ) {
    this.mute.innerHTML = icon('micOff');
    this.avatar.append(el('span', {}, initials(title)));
    this.media.append(this.avatar);
    const plate = el('div', { class: 'plate' }, this.mute, this.name, this.badge);
    const wait = el('div', { class: 'wait' }, el('span', { class: 'spinner' }), 'waiting for video');
    const foot = el('div', { class: 'foot' }, plate, this.figures);
    this.enlarge.innerHTML = icon('enlarge', 16);
    this.enlarge.addEventListener('click', () => actions.enlarge());
    this.root = el('article', { class: 'tile' }, this.media, wait, this.enlarge, this.layers, foot);
    this.describe(title, null);
  }

  describe(title: string, node: string | null): void {
    this.name.textContent = title;
    this.avatar.firstElementChild!.textContent = initials(title);
    this.badge.textContent = node ?? '';
    this.badge.hidden = !node;
    this.root.style.setProperty('--node', node ? colour(node) : '#6b7688');
    this.root.setAttribute('aria-label', node ? `${title}, on ${node}` : title);
  }

  muted(muted: boolean): void {
    this.mute.hidden = !muted;
  }

  /** Whether it is the large one, and whether it may be. */
  large(large: boolean, offered: boolean): void {
    this.root.classList.toggle('big', large);
    this.enlarge.hidden = !offered;
    const label = `${large ? 'Shrink' : 'Enlarge'} ${this.name.textContent}`;
    this.enlarge.setAttribute('aria-label', label);
    this.enlarge.title = large ? 'Shrink' : 'Enlarge';
  }

  /** Own camera: mirrored, silent. */
  preview(track: MediaStreamTrack | null, mirrored: boolean): void {
    this.root.classList.toggle('mirrored', mirrored);
    if (track) this.show(new MediaStream([track]));
    else this.blank();
  }

  /** Shows a stream of somebody else in place of what was shown before. */
  attach(stream: Stream): void {
    this.stream = stream;
    // An element of its own for each node, so that no frame is lost in changing what one shows.
    this.show(new MediaStream([stream.track]));
    this.offer(stream);
    this.changed();
  }

  detach(): void {
    this.stream = null;
    this.layers.hidden = true;
    this.blank();
  }

  changed(): void {
    this.root.classList.toggle('paused', this.stream?.producerPaused ?? false);
  }

  /** Once a second: what arrives. */
  refresh(figures: StreamFigures | null, now: number): void {
    const waits = this.stream !== null && !this.stream.producerPaused;
    this.root.classList.toggle('stale', waits && this.log.age(now) > STALE);
    if (!figures) {
      this.figures.textContent = '';
      return;
    }
    const parts = [];
    if (this.stream?.current && this.stream.layers > 1) {
      parts.push(this.layerNames()[this.stream.current.spatialLayer] ?? '');
    }
    if (figures.width) parts.push(`${figures.width}×${figures.height}`);
    parts.push(`${Math.round(figures.fps)} fps`, bitrate(figures.bitrate));
    if (figures.lost > 0) parts.push(`${figures.lost.toFixed(1)} % lost`);
    this.figures.textContent = parts.filter(Boolean).join(' · ');
  }

  private show(stream: MediaStream): void {
    const video = el('video', { autoplay: true, playsinline: true });
    video.muted = true;
    video.srcObject = stream;
    this.videos.push(video);
    this.media.append(video);
    watch(video, this.log, () => this.settle(video));
    void video.play().catch(() => {});
  }

  /** The first frame is there: whatever was under it may go. */
  private settle(video: HTMLVideoElement): void {
    const at = this.videos.indexOf(video);
    if (at < 0) return;
    video.classList.add('live');
    for (const old of this.videos.splice(0, at)) remove(old);
  }

  private blank(): void {
    for (const old of this.videos.splice(0)) remove(old);
    this.root.classList.remove('stale', 'paused');
    this.figures.textContent = '';
  }

  private layerNames(): string[] {
    return NAMES[this.stream?.layers ?? 1] ?? [];
  }

  private offer(stream: Stream): void {
    const names = NAMES[stream.layers];
    this.layers.hidden = !names;
    if (!names) return;
    this.layers.setAttribute('aria-label', 'Quality');
    this.layers.replaceChildren(
      ...['Auto', ...names].map((name) =>
        el('button', {
          type: 'button',
          'aria-pressed': String(name === this.wish),
          onclick: () => this.choose(name, names),
        }, name),
      ),
    );
  }

  private choose(name: string, names: string[]): void {
    if (!this.stream) return;
    this.wish = name;
    const spatialLayer = name === 'Auto' ? names.length - 1 : names.indexOf(name);
    this.actions.prefer(this.stream, { spatialLayer });
    this.offer(this.stream);
  }
}

function remove(video: HTMLVideoElement): void {
  video.srcObject = null;
  video.remove();
}
