// examples/recorder: what somebody sends is in the file, and plays.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SECRETS } from '../../lib/cluster.mjs';
import { root } from '../../lib/paths.mjs';
import { Child } from '../../lib/processes.mjs';
import { until } from '../../lib/wait.mjs';

const SECONDS = 5;
/** A browser's fake camera gives 20 or 30 pictures a second, and 50 sounds. */
const LEAST = { video: SECONDS * 8, audio: SECONDS * 35 };

export async function recorder({ cluster, room, report }) {
  const folder = mkdtempSync(join(tmpdir(), 'starling-recorder-'));
  const file = join(folder, 'room.mkv');
  const program = join(root, 'examples', 'recorder', 'recorder.mjs');
  // By way of the other node: what it sends there is pulled.
  const env = { STARLING_SERVER: cluster.nodes.at(-1).url, STARLING_TOKEN: SECRETS.STARLING_ADMIN_TOKEN };
  const child = new Child('recorder', process.execPath, [program, room, file, `${SECONDS}`], { env, logs: cluster.logs });
  try {
    await until('the recorder is done', 25_000, () => !child.alive);
    if (child.how !== 0) throw new Error(`the recorder failed:\n${child.tail()}`);
    const { streams } = JSON.parse(execFileSync('ffprobe', ['-v', 'error', '-count_frames', '-of', 'json',
      '-show_entries', 'stream=codec_type,nb_read_frames', file]));
    for (const [kind, least] of Object.entries(LEAST)) {
      const frames = Number(streams.find((stream) => stream.codec_type === kind)?.nb_read_frames ?? 0);
      report.check(`examples_recorded_${kind}_frames_${SECONDS}s`, frames, (n) => n >= least, `>= ${least}`);
    }
    const left = (await cluster.api(0, 'GET', `/v1/rooms/${room}/peers`)).filter(({ id }) => id.startsWith('recorder'));
    report.check('examples_recorders_left', left.length, (n) => n === 0, '0');
  } finally {
    await child.end();
    rmSync(folder, { recursive: true, force: true });
  }
}
