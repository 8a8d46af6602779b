// The tiles: one per peer, one more for each further picture of a peer, and one's own; evenly, or one of them large.
// Never does: know a node's address, or ask for statistics.

import type { Layers, Peer, Stream } from '@starling/client';
import { el } from './dom';
import { FrameLog } from './frames';
import type { Received, StreamFigures } from './figures';
import { grid } from './grid';
import { Tile } from './tile';
import type { Source } from './tracks';

const OWN = ' own';
const GAP = 10;
/** Width of the pictures beside a large one. */
const ASIDE = 208;
const SHAPE = 16 / 9;

export interface StageActions {
  prefer(stream: Stream, layers: Layers): void;
  /** The browser plays nothing until somebody has clicked. */
  silent(): void;
}

export class Stage {
  readonly root = el('main', { class: 'stage', 'aria-label': 'People in the call' });
  /** Frames by peer and source; they outlive tiles, so that a gap over a return is seen. */
  readonly logs = new Map<string, FrameLog>();
  private readonly tiles = new Map<string, Tile>();
  private readonly names = new Map<string, { name: string; node: string }>();
  private readonly sounds = new Map<string, HTMLAudioElement>();
  private readonly empty = el('div', { class: 'alone' });
  /** The tile that somebody made large; empty: none is to be; null: whatever screen is shown. */
  private chosen: string | null = null;
  private speaker = '';
  private seated = false;

  constructor(private readonly actions: StageActions) {
    this.root.append(this.empty);
    new ResizeObserver(() => this.layOut()).observe(this.root);
  }

  /** What is said while nobody else is there. */
  alone(...said: (Node | string)[]): void {
    this.empty.replaceChildren(...said);
  }

  /** Whether one is in the room: only then somebody can be missing there. */
  seat(seated: boolean): void {
    this.seated = seated;
    this.layOut();
  }

  /** What everybody is heard through; empty: what the browser chooses. */
  hearThrough(speaker: string): void {
    this.speaker = speaker;
    for (const sound of this.sounds.values()) this.through(sound);
  }

  /** Begins what the browser held back. */
  play(): void {
    for (const sound of this.sounds.values()) void sound.play().catch(() => {});
  }

  peer(peer: Peer): void {
    const name = peer.displayName || peer.peerId;
    this.names.set(peer.peerId, { name, node: peer.nodeId });
    if (![...this.tiles.keys()].some((id) => of(id) === peer.peerId)) {
      this.tile(`${peer.peerId}/video`, peer.peerId);
    }
    for (const [id, tile] of this.tiles) {
      if (of(id) === peer.peerId) tile.describe(this.title(id), peer.nodeId);
    }
  }

  peerGone(peerId: string): void {
    this.names.delete(peerId);
    for (const id of [...this.tiles.keys()]) if (of(id) === peerId) this.drop(id);
    for (const [id, sound] of this.sounds) {
      if (of(id) !== peerId) continue;
      sound.srcObject = null;
      sound.remove();
      this.sounds.delete(id);
    }
  }

  /** A stream is there, or comes from another node. */
  stream(stream: Stream): void {
    if (stream.kind === 'audio') this.hear(stream);
    else this.tile(stream.key, stream.peerId).attach(stream);
  }

  streamEnded({ key, kind, peerId }: Stream): void {
    if (kind === 'audio') this.main(peerId)?.muted(true);
    else if (key.endsWith('/video')) this.tiles.get(key)?.detach();
    else this.drop(key);
  }

  streamChanged({ key, kind, peerId, producerPaused }: Stream): void {
    if (kind === 'audio') this.main(peerId)?.muted(producerPaused);
    else this.tiles.get(key)?.changed();
  }

  /** One's own pictures. */
  own(source: Source, track: MediaStreamTrack | null, name: string, node: string | null): void {
    const id = `${OWN}/${source}`;
    if (!track && source === 'screensharing') return this.drop(id);
    const tile = this.tile(id, OWN);
    tile.describe(source === 'screensharing' ? 'Your screen' : `${name} (you)`, node);
    tile.preview(track, source === 'video');
  }

  /** One's own name, node and microphone. */
  self(name: string, node: string | null, muted: boolean): void {
    const tile = this.tile(`${OWN}/video`, OWN);
    tile.describe(`${name} (you)`, node);
    tile.muted(muted);
  }

  refresh(figures: Map<string, StreamFigures>, now: number): void {
    for (const [id, tile] of this.tiles) tile.refresh(figures.get(id) ?? null, now);
  }

  refreshOwn(figures: StreamFigures | null, now: number): void {
    this.tiles.get(`${OWN}/video`)?.refresh(figures, now);
  }

  /** Marks who speaks. */
  levels(streams: Received[]): void {
    for (const stream of streams) {
      if (stream.kind !== 'audio') continue;
      this.main(stream.peerId)?.root.classList.toggle('speaking', stream.audioLevel > 0.02);
    }
  }

  /** Marks who has the floor; `self` is one's own id. */
  active(peerId: string | null, self: string): void {
    const tile = peerId === null ? undefined : this.main(peerId === self ? OWN : peerId);
    for (const other of this.tiles.values()) other.root.classList.toggle('active', other === tile);
  }

  log(id: string): FrameLog {
    let log = this.logs.get(id);
    if (!log) this.logs.set(id, (log = new FrameLog()));
    return log;
  }

  private main(peerId: string): Tile | undefined {
    return this.tiles.get(`${peerId}/video`)
      ?? [...this.tiles].find(([id]) => of(id) === peerId)?.[1];
  }

  private hear({ key, media, peerId, producerPaused }: Stream): void {
    let sound = this.sounds.get(key);
    if (!sound) {
      sound = el('audio', { autoplay: true });
      this.sounds.set(key, sound);
      this.root.append(sound);
    }
    if (sound.srcObject !== media) sound.srcObject = media;
    this.through(sound);
    sound.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.actions.silent();
    });
    this.main(peerId)?.muted(producerPaused);
  }

  private through(sound: HTMLAudioElement): void {
    // One that is unplugged is no reason to hear nothing: the browser goes on with its own.
    if (this.speaker || sound.sinkId) void sound.setSinkId?.(this.speaker).catch(() => {});
  }

  private title(id: string): string {
    const { name } = this.names.get(of(id)) ?? { name: of(id) };
    const source = id.slice(of(id).length + 1);
    if (source === 'video') return name;
    return source === 'screensharing' ? `${name}’s screen` : `${name} · ${source}`;
  }

  private tile(id: string, peerId: string): Tile {
    const found = this.tiles.get(id);
    if (found) return found;
    // A peer's first picture takes the place that was kept for it, whatever its source.
    const tile = new Tile(this.title(id), this.log(id), {
      prefer: (stream, layers) => this.actions.prefer(stream, layers),
      enlarge: () => this.enlarge(id),
    });
    tile.root.classList.toggle('screen', screen(id));
    this.tiles.set(id, tile);
    const known = this.names.get(peerId);
    if (known) tile.describe(this.title(id), known.node);
    this.root.append(tile.root);
    this.replacePlaceholder(id, peerId);
    this.layOut();
    return tile;
  }

  /** An empty tile of a peer makes way when the peer shows something else, as a file or a screen. */
  private replacePlaceholder(id: string, peerId: string): void {
    const placeholder = `${peerId}/video`;
    if (id === placeholder || peerId === OWN) return;
    if (id.endsWith('/screensharing')) return;
    if (this.tiles.get(placeholder)?.stream === null) this.drop(placeholder);
  }

  private drop(id: string): void {
    const tile = this.tiles.get(id);
    if (!tile) return;
    tile.detach();
    tile.root.remove();
    this.tiles.delete(id);
    this.layOut();
  }

  private enlarge(id: string): void {
    this.chosen = this.large() === id ? '' : id;
    this.layOut();
  }

  /** The tile that is large: the one that was chosen, or the newest screen of somebody else. */
  private large(): string | undefined {
    if (this.chosen !== null && (this.chosen === '' || this.tiles.has(this.chosen))) return this.chosen;
    return [...this.tiles.keys()].filter((id) => screen(id) && of(id) !== OWN).at(-1);
  }

  private layOut(): void {
    const count = this.tiles.size;
    this.empty.hidden = count > 1 || !this.seated;
    const { clientWidth: width, clientHeight: height } = this.root;
    if (!count || !width) return;
    const large = count > 1 ? this.large() : undefined;
    for (const [id, tile] of this.tiles) tile.large(id === large, count > 1);
    const beside = Boolean(large) && width > height && width > 3 * ASIDE;
    this.root.classList.toggle('focus', Boolean(large));
    this.root.classList.toggle('beside', beside);
    const { across, down } = grid(count, width, height, GAP);
    const set = (name: string, pixels: number) => this.root.style.setProperty(name, `${Math.floor(pixels)}px`);
    set('--across', across);
    set('--down', down);
    set('--aside', ASIDE);
    set('--strip', (beside ? ASIDE : (width - GAP) / 2) / SHAPE);
    set('--head', beside ? height : Math.min(width / SHAPE, height / 2));
    this.root.style.setProperty('--rows', `repeat(${Math.max(count - 1, 1)}, auto) 1fr`);
  }
}

function of(id: string): string {
  return id.slice(0, id.lastIndexOf('/'));
}

const screen = (id: string): boolean => id.endsWith('/screensharing');
