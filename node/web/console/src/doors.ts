// Other nodes' consoles, for when the node that serves this one is gone. Pure.

import type { NodeInfo } from './types';

/**
 * Nodes that very likely have a console where their clients come. Nodes tell no address of their admin API; but where
 * this one has it beside the clients', so have the others, which have the same settings.
 */
export function elsewhere(here: NodeInfo | null, living: readonly NodeInfo[], origin: string): NodeInfo[] {
  if (!here || originOf(here.apiUrl) !== origin) return [];
  return living.filter((node) => node.id !== here.id && originOf(node.apiUrl) !== null);
}

/** The same page there, signed in: what stands behind the # is sent to no server. */
export function doorOf(node: NodeInfo, hash: string, token: string): string {
  const page = hash.replace(/^#/, '');
  return `${originOf(node.apiUrl)}/console/#token=${encodeURIComponent(token)}${page ? `&${page}` : ''}`;
}

function originOf(url: string): string | null {
  try {
    const { origin, protocol } = new URL(url);
    return /^https?:$/.test(protocol) ? origin : null;
  } catch {
    return null;
  }
}
