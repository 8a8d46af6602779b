// Cuts of this namespace's network, each with a counter that shows that something was cut.

import { spawnSync } from 'node:child_process';
import { nft } from './namespace.mjs';

let made = 0;

/** Drops what fits one of `ways` (nftables' words) until it is lifted. */
export function cut(ways) {
  const table = `inet starling_cut_${made++}`;
  const rules = ways.map((way) => `add rule ${table} out ${way} counter drop`);
  nft(`add table ${table}
    add chain ${table} out { type filter hook output priority 0; }
    ${rules.join('\n')}`);
  return {
    /** Packets that each way has dropped so far. */
    dropped() {
      const [family, name] = table.split(' ');
      const listed = spawnSync('nft', ['list', 'table', family, name], { encoding: 'utf8' });
      return [...(listed.stdout ?? '').matchAll(/packets (\d+)/g)].map((hit) => Number(hit[1]));
    },
    lift() {
      nft(`delete table ${table}`);
    },
  };
}
