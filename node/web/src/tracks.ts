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

/** Opens the microphone; `device` is the one to prefer. */
export async function microphone(device = ''): Promise<MediaStreamTrack> {
  return from(device, (audio) => navigator.mediaDevices.getUserMedia({
    audio: { ...audio, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  }));
}

/** Opens the camera; `device` is the one to prefer. */
export async function camera(options: Options, device = ''): Promise<MediaStreamTrack> {
  const track = await from(device, (video) => navigator.mediaDevices.getUserMedia({
    video: {
      ...video,
      width: { ideal: options.width },
      height: { ideal: options.height },
      frameRate: { ideal: options.fps, max: options.fps },
    },
  }));
  track.contentHint = 'motion';
  return track;
}

/** Asks for a screen. */
export async function screen(): Promise<MediaStreamTrack> {
  const track = only(await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 } }));
  track.contentHint = 'detail';
  return track;
}

/** Opens one device, or any if that one is gone. */
async function from(
  device: string,
  open: (constraints: MediaTrackConstraints) => Promise<MediaStream>,
): Promise<MediaStreamTrack> {
  if (!device) return only(await open({}));
  try {
    return only(await open({ deviceId: { exact: device } }));
  } catch (error) {
    if (!['OverconstrainedError', 'NotFoundError'].includes((error as Error).name)) throw error;
    return only(await open({}));
  }
}

function only(stream: MediaStream): MediaStreamTrack {
  const track = stream.getTracks()[0];
  if (!track) throw new DOMException('no track', 'NotFoundError');
  return track;
}
