// A link that becomes narrow and wide again, and one that ten streams share: what of it is used, how long its
// queue gets, and whether anything freezes. Composes only; BANDWIDTH=client,chromium,ten picks.

import { chromiumLink } from './chromium.mjs';
import { clientLink } from './client.mjs';
import { ten } from './ten.mjs';

const PARTS = { client: clientLink, chromium: chromiumLink, ten };

export async function bandwidth({ report }) {
  const wanted = (process.env.BANDWIDTH ?? Object.keys(PARTS).join(',')).split(',');
  for (const part of wanted) {
    if (!PARTS[part]) throw new Error(`BANDWIDTH: ${part} is none of ${Object.keys(PARTS)}`);
    console.log(`  bandwidth: ${part}`);
    await PARTS[part](report);
  }
}
