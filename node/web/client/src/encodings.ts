// What is sent of a track unless somebody knows better: a camera in layers, the rest in one.
// Never does: open a device.

import type { types } from 'mediasoup-client';

/** How a track is sent. All of it is optional. */
export interface SendOptions {
  /** What it shows: `audio`, `video`, `screensharing`, or a name of one's own; as its kind unless given. */
  source?: string;
  paused?: boolean;
  /** A codec by its name, as `vp8` or `opus`; the browser's first choice unless given. */
  codec?: string;
  /** Simulcast layers of a picture, 1 to 3; as its size allows unless given. */
  layers?: number | null;
  /** Temporal layers of each of these. */
  temporal?: number;
  /** Layers inside one stream instead: a scalability mode, as `L3T3_KEY`. */
  mode?: string | null;
  /** Instead of all of these. */
  encodings?: RTCRtpEncodingParameters[];
  codecOptions?: types.ProducerCodecOptions;
}

/** Bits per second with which Chrome begins: enough for the whole ladder of a small camera. */
const START_KBPS = 1000;
/** Most bits per second of a picture in one layer. */
const ONE_LAYER = 2_500_000;

/** mediasoup-client's options for a track. */
export function produceOptions(
  track: MediaStreamTrack,
  source: string,
  options: SendOptions,
  codecs: types.RtpCodecCapability[],
): types.ProducerOptions {
  const video = track.kind === 'video';
  const wanted = `${track.kind}/${options.codec}`.toLowerCase();
  const codec = codecs.find((codec) => codec.mimeType.toLowerCase() === wanted);
  const usual = video
    ? { videoGoogleStartBitrate: START_KBPS }
    : { opusDtx: true, opusFec: true, opusNack: true };
  const encodings = options.encodings ?? (video ? pictures(track, source, options) : undefined);
  return {
    track,
    stopTracks: false,
    disableTrackOnPause: false,
    zeroRtpOnPause: true,
    codecOptions: options.codecOptions ?? usual,
    ...(codec && { codec }),
    ...(encodings && { encodings }),
    appData: { source },
  };
}

function pictures(
  track: MediaStreamTrack,
  source: string,
  { layers, temporal = 1, mode }: SendOptions,
): RTCRtpEncodingParameters[] {
  // Screens want their size more than a choice of sizes.
  if (!mode && source !== 'screensharing') return ladder(track, layers ?? null, temporal);
  // TypeScript's own list of what an encoding has lacks the mode.
  const encoding = { maxBitrate: ONE_LAYER, scalabilityMode: mode ?? undefined };
  return [encoding];
}

/**
 * How many layers a picture of this size is worth. Chromium sends no more than these whatever it is
 * asked for, and would leave out the largest (libwebrtc, `video/config/simulcast.cc`).
 */
function layersFor(width: number, height: number): number {
  const pixels = width * height;
  if (pixels >= 960 * 540) return 3;
  return pixels >= 480 * 270 ? 2 : 1;
}

/** The simulcast ladder of a camera, low to high, each layer half as wide as the next. */
export function ladder(
  track: MediaStreamTrack,
  wanted: number | null,
  temporal: number,
): RTCRtpEncodingParameters[] {
  const { width = 640, height = 360 } = track.getSettings();
  const count = wanted ?? layersFor(width, height);
  // About 0.1 bit per pixel at 25 frames per second, with a floor under which VP8 falls apart.
  const rate = (scale: number) =>
    Math.max(90_000, Math.round(((width * height) / (scale * scale)) * 25 * 0.11));
  return [4, 2, 1].slice(3 - count).map((scale) => ({
    scaleResolutionDownBy: scale,
    maxBitrate: rate(scale),
    scalabilityMode: `L1T${temporal}`,
  }));
}
