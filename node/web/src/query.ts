// What the page's URL says. Never does: ask anybody.

/** Codecs a camera can be sent with. */
export const VIDEO_CODECS = ['vp8', 'vp9', 'h264', 'h265', 'av1'] as const;
export type VideoCodec = (typeof VIDEO_CODECS)[number];

/** The page's options. */
export interface Options {
  room: string;
  /** Given in the URL: the page joins at once, as tests and links for kiosks want it. */
  peer: string | null;
  name: string;
  token: string | null;
  /** True: this node; false: where the placement says; null: this node in `starling dev`. */
  here: boolean | null;
  codec: VideoCodec;
  audio: boolean;
  video: boolean;
  width: number;
  height: number;
  fps: number;
  /** Simulcast layers of the camera; null: as its size allows. */
  layers: number | null;
  /** Temporal layers of each of these. */
  temporal: number;
  /** Layers inside one stream instead: a scalability mode. */
  mode: string | null;
  /** What the call is encrypted with end to end; null: not. */
  passphrase: string | null;
}

function number(params: URLSearchParams, key: string, fallback: number, most: number): number {
  const value = Number(params.get(key));
  return Number.isFinite(value) && value > 0 ? Math.min(value, most) : fallback;
}

function flag(params: URLSearchParams, key: string): boolean | null {
  const value = params.get(key);
  return value === null ? null : value !== '0' && value !== 'false';
}

/** Reads the options out of a URL's query, and what no node may see out of its fragment. */
export function options(search: string, fragment = ''): Options {
  const params = new URLSearchParams(search);
  return {
    room: params.get('room') ?? params.get('roomId') ?? '',
    peer: params.get('peer') ?? params.get('peerId'),
    name: params.get('name') ?? '',
    token: params.get('token'),
    here: flag(params, 'here'),
    codec: VIDEO_CODECS.find((codec) => codec === params.get('codec')?.toLowerCase()) ?? 'vp8',
    audio: flag(params, 'audio') ?? true,
    video: flag(params, 'video') ?? true,
    width: number(params, 'width', 1280, 3840),
    height: number(params, 'height', 720, 2160),
    fps: number(params, 'fps', 25, 60),
    layers: Math.round(number(params, 'layers', 0, 3)) || null,
    temporal: Math.round(number(params, 'temporal', 1, 3)),
    mode: params.get('mode'),
    passphrase: new URLSearchParams(fragment.replace(/^#/, '')).get('key') || null,
  };
}

/** Eight letters, as mediasoup-demo's peers have. */
export function randomId(): string {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789';
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join('');
}
