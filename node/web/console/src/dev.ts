// What only `starling dev` has: nodes that can be killed and started again, to see what happens then.

import { signal } from '@preact/signals';
import { ask, get } from './api';
import { refresh } from './cluster';
import { attempt, question } from './say';

/** The nodes of this process; empty where this is no `starling dev`. */
export const ids = signal<ReadonlySet<string>>(new Set());

export async function look(): Promise<void> {
  try {
    ids.value = new Set((await get<{ id: string }[]>('/dev/nodes')).map(({ id }) => id));
  } catch {
    ids.value = new Set();
  }
}

const path = (id: string, what: string) => `/dev/nodes/${encodeURIComponent(id)}/${what}`;

export function askKill(id: string, serves: boolean): void {
  question.value = {
    title: `Kill ${id}?`,
    body: `Its sockets close and nobody is told: its people go on on other nodes.${serves
      ? ' It serves this page, too, which will show the last that was known.' : ''}`,
    verb: 'Kill',
    danger: true,
    act: () => ask('POST', path(id, 'kill')),
    done: `${id} was killed.`,
  };
}

export async function start(id: string): Promise<void> {
  await attempt(() => ask('POST', path(id, 'start')), `${id} is being started.`);
  refresh();
}
