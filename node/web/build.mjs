// Bundles the page into dist/: one script, one style sheet, one document. Everything it needs is in
// there, because it is served by nodes that may have no way out.
import { build } from 'esbuild';
import { copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';

await mkdir('dist', { recursive: true });
for (const old of await readdir('dist')) await rm(`dist/${old}`, { recursive: true });
await build({
  entryPoints: { app: 'src/main.ts', 'secret.worker': 'src/secret.worker.ts' },
  outdir: 'dist',
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  define: { 'process.env.DEBUG': '""' },
  legalComments: 'inline',
  logLevel: 'warning',
});
await build({ entryPoints: ['src/app.css'], outdir: 'dist', minify: true, logLevel: 'warning' });
await copyFile('src/index.html', 'dist/index.html');
const { size } = await stat('dist/app.js');
console.log(`dist/app.js ${(size / 1024).toFixed(0)} KiB`);
