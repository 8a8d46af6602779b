// What a browser loads for the console.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../../lib/paths.mjs';

/** Of script and style sheet together. */
const MOST = 100 * 1024;

export function size(report) {
  const folder = join(root, 'node', 'web', 'dist', 'console');
  const files = ['console.js', 'console.css', 'index.html'].map((name) => join(folder, name));
  const missing = files.filter((file) => !existsSync(file));
  if (missing.length) throw new Error(`${missing[0]} is not built: run \`make web\``);
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
  report.check('console_gzip_bytes', bytes, (n) => n <= MOST, `<= ${MOST}`);
}
