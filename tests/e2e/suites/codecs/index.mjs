// Each codec with each kind of layers, from one person to another over two nodes: each layer can be had, and
// switching between them shows no freeze, no decoder error and no time that goes back. Composes only.
//
// CASES=vp8,h265  SWITCHES=100  COLD=6

import { browsers } from './browsers.mjs';
import { captured } from './captured.mjs';
import { table } from './table.mjs';

/**
 * What is tried: the codec; in simulcast the scalability mode of each encoding, else that of the stream; how many
 * layers there are of each kind. What Chromium does not encode comes as it was captured.
 */
const CASES = {
  'vp8': { run: browsers, codec: 'vp8', simulcast: 'L1T3', temporal: 3 },
  'h264': { run: browsers, codec: 'h264', simulcast: 'L1T3', temporal: 3 },
  'vp9': { run: browsers, codec: 'vp9', simulcast: 'L1T3', temporal: 3 },
  'vp9-l3t3': { run: browsers, codec: 'vp9', mode: 'L3T3', temporal: 3 },
  'vp9-l3t3-key': { run: browsers, codec: 'vp9', mode: 'L3T3_KEY', temporal: 3 },
  'av1': { run: browsers, codec: 'av1', simulcast: 'L1T3', temporal: 3 },
  'av1-l3t3': { run: browsers, codec: 'av1', mode: 'L3T3', temporal: 3 },
  'av1-l3t3-key': { run: browsers, codec: 'av1', mode: 'L3T3_KEY', temporal: 3 },
  'h265': { run: captured, codec: 'h265', temporal: 1 },
};

const wanted = (process.env.CASES ?? Object.keys(CASES).join(',')).split(',');
const wish = {
  /** Of spatial layers in quick succession, and as many of temporal ones. */
  switches: Number(process.env.SWITCHES ?? 100),
  /** To layers that nobody got for a while, so that they have to be fetched from the other node anew. */
  cold: Number(process.env.COLD ?? 6),
};

/** How long a run of all cases may take, in minutes. */
export const MINUTES = wanted.length * (2 + (wish.switches + 5 * wish.cold) / 40);

/** @param {object} at cluster and report */
export async function everyCodec({ cluster, report }) {
  const rows = [];
  for (const name of wanted) {
    const one = CASES[name];
    if (!one) throw new Error(`no case ${name}: ${Object.keys(CASES).join(', ')}`);
    const key = `codecs_${name.replaceAll('-', '_')}`;
    await one.run({ cluster, report, name, key, rows, ...wish, ...one }).catch((error) => {
      report.fail(`${name}: ${error.message}`);
    });
  }
  console.log(`\n${table(rows)}`);
}
