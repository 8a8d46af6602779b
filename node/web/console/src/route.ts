// Which page is shown: what stands behind the # of the address.

import { signal } from '@preact/signals';

export type Route =
  | { page: 'cluster' }
  | { page: 'node'; id: string }
  | { page: 'rooms'; node: string }
  | { page: 'room'; id: string }
  | { page: 'events'; filter: string }
  | { page: 'charts' }
  | { page: 'unknown' };

export function read(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [page, ...rest] = path.split('/').map(plain);
  const of = new URLSearchParams(query);
  if (!page) return { page: 'cluster' };
  if (page === 'nodes' && rest[0]) return { page: 'node', id: rest[0] };
  if (page === 'rooms' && rest[0]) return { page: 'room', id: rest[0] };
  if (page === 'rooms') return { page: 'rooms', node: of.get('node') ?? '' };
  if (page === 'events') return { page: 'events', filter: of.get('filter') ?? '' };
  if (page === 'charts') return { page: 'charts' };
  return { page: 'unknown' };
}

function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const toNode = (id: string): string => `#/nodes/${encodeURIComponent(id)}`;
export const toRoom = (id: string): string => `#/rooms/${encodeURIComponent(id)}`;

export const route = signal<Route>({ page: 'cluster' });

export function follow(): void {
  const look = () => { route.value = read(location.hash); };
  addEventListener('hashchange', look);
  look();
}
