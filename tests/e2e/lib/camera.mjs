// A camera film that is hard to compress, so that each layer has the bitrate it is allowed. Clouds that change
// with each picture cost that, and not fine noise: a key frame of noise is ten pictures large, which no camera's
// is, and a browser takes a fifth of a second to send it.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { reports } from './paths.mjs';

/** Pixels of a cloud, and how they differ: the lowest of three layers is not so poor with them that its encoder
 *  leaves pictures out. */
const CLOUD = 32;
const CONTRAST = 40;

/** Chromium's flags for a film of this size in place of its camera. Made once, and kept beside the reports. */
export function film({ width, height, fps }) {
  const folder = join(reports, 'films');
  const file = join(folder, `clouds${CLOUD}-${CONTRAST}-${width}x${height}@${fps}.mjpeg`);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const shapes = `testsrc2=size=${width}x${height}:rate=${fps}:duration=6`;
    const [columns, rows] = [width, height].map((side) => Math.ceil(side / CLOUD));
    const clouds = `color=gray:size=${columns}x${rows}:rate=${fps}:duration=6,noise=alls=${CONTRAST}:allf=t,` +
      `scale=${width}:${height}:flags=bicubic`;
    const half = `${file}.half.mjpeg`;
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', shapes, '-f', 'lavfi', '-i', clouds,
      '-filter_complex', '[0][1]blend=all_mode=average', '-pix_fmt', 'yuvj420p', '-q:v', '4', half]);
    renameSync(half, file);
  }
  return [`--use-file-for-fake-video-capture=${file}`];
}
