// A camera film that is hard to compress, so that each layer has the bitrate it is allowed.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { reports } from './paths.mjs';

/** Chromium's flags for a film of this size in place of its camera. Made once, and kept beside the reports. */
export function film({ width, height, fps }) {
  const folder = join(reports, 'films');
  const file = join(folder, `noise-${width}x${height}@${fps}.mjpeg`);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const source = `testsrc2=size=${width}x${height}:rate=${fps}:duration=6,noise=alls=24:allf=t`;
    const half = `${file}.half.mjpeg`;
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', source, '-pix_fmt', 'yuvj420p',
      '-q:v', '4', half]);
    renameSync(half, file);
  }
  return [`--use-file-for-fake-video-capture=${file}`];
}
