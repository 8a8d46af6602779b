// What this person sends: camera, microphone, screen. The tracks outlive every node.
// Never does: send them.

import type { Options } from './query';

/** Names under which a peer's producers come back after a move. */
export type Source = 'audio' | 'video' | 'screensharing';

/** Why a device was not given, and what to do, in a sentence. */
export function deviceHelp(kind: 'camera' | 'microphone', error: unknown): string {
  const name = error instanceof DOMException ? error.name : '';
  if (!navigator.mediaDevices) {
    return 'Browsers give camera and microphone only to https pages and to localhost. '
      + 'Open this page in one of these ways; until then you can watch and listen.';
  }
  switch (name) {
    case 'NotAllowedError':
      return `The ${kind} is blocked. Allow it with the icon beside the address bar and press `
        + `its button, or go on without it.`;
    case 'NotFoundError':
    case 'OverconstrainedError':
      return `No ${kind} was found. Plug one in and press its button, or go on without it.`;
    case 'NotReadableError':
      return `The ${kind} is in use by another program. Close that and press the button again.`;
    default:
      return `The ${kind} did not start (${name || String(error)}). Press its button to try again.`;
  }
}

/** Opens the microphone. */
export async function microphone(): Promise<MediaStreamTrack> {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  return only(await navigator.mediaDevices.getUserMedia({ audio }));
}

/** Opens the camera. */
export async function camera(options: Options): Promise<MediaStreamTrack> {
  const video = {
    width: { ideal: options.width },
    height: { ideal: options.height },
    frameRate: { ideal: options.fps, max: options.fps },
  };
  const track = only(await navigator.mediaDevices.getUserMedia({ video }));
  track.contentHint = 'motion';
  return track;
}

/** Asks for a screen. */
export async function screen(): Promise<MediaStreamTrack> {
  const track = only(await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 } }));
  track.contentHint = 'detail';
  return track;
}

function only(stream: MediaStream): MediaStreamTrack {
  const track = stream.getTracks()[0];
  if (!track) throw new DOMException('no track', 'NotFoundError');
  return track;
}
