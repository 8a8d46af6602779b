// Losses each way on links with a round trip of 50 ms: what is left after repair, what repair costs, and how
// often a picture stands still. Composes only; LOSS_PARTS=client,chromium picks.

import { chromiumLoss } from './chromium.mjs';
import { clientLoss } from './client.mjs';

const PARTS = { client: clientLoss, chromium: chromiumLoss };

export async function loss({ report }) {
  const wanted = (process.env.LOSS_PARTS ?? Object.keys(PARTS).join(',')).split(',');
  for (const part of wanted) {
    if (!PARTS[part]) throw new Error(`LOSS_PARTS: ${part} is none of ${Object.keys(PARTS)}`);
    console.log(`  loss: ${part}`);
    await PARTS[part](report);
  }
}
