// Bundles the call page and the console into dist/: one script, one style sheet, one document each. Everything it needs is in
// there, because it is served by nodes that may have no way out.
import { build } from 'esbuild';
import { copyFile, mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

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
await build({ entryPoints: ['src/app.css'], outdir: 'dist', bundle: true, minify: true, logLevel: 'warning' });
await copyFile('src/index.html', 'dist/index.html');
await build({
  entryPoints: { console: 'console/src/main.tsx' },
  outdir: 'dist/console',
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'inline',
  logLevel: 'warning',
});
await build({
  entryPoints: ['console/src/console.css'], outdir: 'dist/console', bundle: true, minify: true, logLevel: 'warning',
});
await copyFile('console/src/index.html', 'dist/console/index.html');
for (const file of ['app.js', 'console/console.js', 'console/console.css']) {
  const bytes = await readFile(`dist/${file}`);
  console.log(`dist/${file} ${kib(bytes.length)} KiB, ${kib(gzipSync(bytes).length)} KiB gzip`);
}

function kib(bytes) {
  return (bytes / 1024).toFixed(0);
}
