// Modules of the package in Node.js, which reads no TypeScript of its own on all versions we build with.

import { build } from 'esbuild';

export async function load(file) {
  const built = await build({
    entryPoints: [new URL(`../src/${file}`, import.meta.url).pathname],
    bundle: true,
    format: 'esm',
    write: false,
  });
  const text = built.outputFiles[0].text;
  return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
}
