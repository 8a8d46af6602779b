// What this person sends, as it is switched on and off and changed for another device. Never does: show it.

import type { Session } from '@starling/client';
import type { Devices } from './devices';
import type { Options } from './query';
import * as tracks from './tracks';
import type { Source } from './tracks';

export interface OwnActions {
  session(): Session | null;
  /** A picture of one's own is there, or no more. */
  shown(source: Source, track: MediaStreamTrack | null): void;
  /** What is on has changed. */
  changed(): void;
  /** What did not start, in a sentence; null: all is well. */
  trouble(sentence: string | null): void;
}

export class Own {
  private muted = false;
  private readonly tracks: Partial<Record<Source, MediaStreamTrack>> = {};

  constructor(
    private readonly wish: Options,
    private readonly devices: Devices,
    private readonly act: OwnActions,
  ) {}

  has(source: Source): boolean {
    return this.tracks[source] !== undefined;
  }

  /** The microphone is open and not muted here. */
  get speaks(): boolean {
    return this.has('audio') && !this.muted;
  }

  /** Camera and microphone, each for itself: one that is refused does not keep the other away. */
  async open(camera: Promise<MediaStreamTrack> | null, microphone: boolean): Promise<void> {
    await Promise.all([
      camera && this.start('camera', 'video', () => camera),
      microphone && this.start('microphone', 'audio', () => this.microphone()),
    ]);
    void this.devices.look();
  }

  camera(): Promise<MediaStreamTrack> {
    return tracks.camera(this.wish, this.devices.choice('videoinput'));
  }

  async toggleMic(): Promise<void> {
    if (!this.has('audio')) return this.again('microphone', 'audio', () => this.microphone());
    this.mute(!this.muted);
    this.act.session()?.pause('audio', this.muted);
  }

  async toggleCamera(): Promise<void> {
    if (this.has('video')) this.drop('video');
    else await this.again('camera', 'video', () => this.camera());
  }

  async toggleScreen(): Promise<void> {
    if (this.has('screensharing')) return this.drop('screensharing');
    // Dismissing the browser's dialogue is no error.
    const screen = await tracks.screen().catch(() => null);
    if (screen) await this.use('screensharing', screen);
  }

  /** Another device was chosen: what is on goes on from it. Phones open no second camera beside the first one. */
  async change(source: 'audio' | 'video'): Promise<void> {
    const before = this.tracks[source];
    if (!before) return;
    before.stop();
    if (source === 'audio') await this.start('microphone', source, () => this.microphone());
    else await this.start('camera', source, () => this.camera());
    if (this.tracks[source] === before) this.drop(source);
  }

  /** An admin of the room has paused or resumed what is sent. */
  paused(source: string, paused: boolean): void {
    if (source === 'audio') this.mute(paused);
  }

  stop(): void {
    for (const track of Object.values(this.tracks)) track?.stop();
  }

  private microphone(): Promise<MediaStreamTrack> {
    return tracks.microphone(this.devices.choice('audioinput'));
  }

  private mute(muted: boolean): void {
    this.muted = muted;
    if (this.tracks.audio) this.tracks.audio.enabled = !muted;
    this.act.changed();
  }

  /** As before, but what was in the way may be no more. */
  private again(...how: Parameters<Own['start']>): Promise<void> {
    this.act.trouble(null);
    return this.start(...how);
  }

  private async start(
    what: 'camera' | 'microphone',
    source: Source,
    opening: () => Promise<MediaStreamTrack>,
  ): Promise<void> {
    try {
      await this.use(source, await opening());
    } catch (error) {
      this.act.trouble(tracks.deviceHelp(what, error));
    }
  }

  private async use(source: Source, track: MediaStreamTrack): Promise<void> {
    this.tracks[source] = track;
    if (source === 'audio') track.enabled = !this.muted;
    else this.act.shown(source, track);
    track.addEventListener('ended', () => this.drop(source, track));
    this.act.changed();
    const { codec, layers, temporal, mode } = this.wish;
    const how = source === 'audio' ? { paused: this.muted } : { codec, layers, temporal, mode };
    await this.act.session()?.send(track, { source, ...how });
  }

  private drop(source: Source, track = this.tracks[source]): void {
    if (!track || this.tracks[source] !== track) return;
    delete this.tracks[source];
    track.stop();
    if (source !== 'audio') this.act.shown(source, null);
    this.act.session()?.unsend(source);
    this.act.changed();
  }
}
