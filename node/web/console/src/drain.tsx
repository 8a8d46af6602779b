// Emptying a node and taking it in again: the questions, and how far it is.

import { useEffect } from 'preact/hooks';
import { signal } from '@preact/signals';
import { ask, get } from './api';
import { refresh } from './cluster';
import { count, many, millis } from './format';
import { Poll } from './poll';
import { attempt, question } from './say';
import type { DrainInfo, NodeInfo } from './types';

/** People watch it. */
const EVERY = 500;

const path = (id: string, what: string) => `/v1/nodes/${encodeURIComponent(id)}/${what}`;

export function askDrain(node: NodeInfo): void {
  question.value = {
    title: `Drain ${node.id}?`,
    body: (
      <>
        <p>
          It takes nobody in from now on, and its {many(node.load.peers, 'person', 'people')} go to other nodes,
          make before break: they see no gap. Who is still here at the deadline is cut.
        </p>
        <label>Deadline in seconds
          <input name="deadline" type="number" min="1" max="86400" placeholder="as configured" />
        </label>
        <label class="check"><input name="emergency" type="checkbox" />
          The machine is about to be taken away: everybody at once
        </label>
      </>
    ),
    verb: 'Drain',
    danger: true,
    act: async (form) => {
      const seconds = Number(form.get('deadline'));
      await ask('POST', path(node.id, 'drain'), {
        ...(seconds > 0 ? { deadlineMs: seconds * 1000 } : {}),
        emergency: form.get('emergency') === 'on',
      });
      refresh();
    },
    done: `${node.id} is being drained.`,
  };
}

export function askCordon(node: NodeInfo): void {
  question.value = {
    title: `Cordon ${node.id}?`,
    body: <p>It takes nobody in from now on. Who is there stays.</p>,
    verb: 'Cordon',
    danger: false,
    act: async () => {
      await ask('POST', path(node.id, 'cordon'));
      refresh();
    },
    done: `${node.id} is cordoned.`,
  };
}

export async function undrain(node: NodeInfo): Promise<void> {
  await attempt(() => ask('POST', path(node.id, 'undrain')), `${node.id} takes people in again.`);
  refresh();
}

/** How far the node is with leaving. */
export const progress = signal<DrainInfo | null>(null);

export function Progress({ id }: { id: string }) {
  useEffect(() => {
    const poll = new Poll(async () => { progress.value = await get<DrainInfo>(path(id, 'drain')); }, () => EVERY);
    return () => {
      poll.end();
      progress.value = null;
    };
  }, [id]);
  const now = progress.value;
  if (!now || now.node !== id || now.stage === 'up' || now.stage === 'cordoned') return null;
  const ended = now.stage !== 'draining';
  const done = now.total ? now.moved / now.total : 1;
  const sentence = {
    draining: `${count(now.moved)} of ${count(now.total)} have gone, ${count(now.onTheWay)} are on their way`,
    drained: 'Nobody is left: the node can be stopped, or taken in again.',
    cut: 'The deadline has passed, and whoever was left was cut.',
  }[now.stage as 'draining' | 'drained' | 'cut'];
  return (
    <div class={`drain ${now.stage}`}>
      <div class="bar" role="progressbar" aria-label={`Drain of ${id}`} aria-valuemin={0} aria-valuemax={100}
        aria-valuenow={Math.round((ended ? 1 : done) * 100)}>
        <span style={{ width: `${(ended ? 1 : done) * 100}%` }} />
      </div>
      <p role="status">
        {sentence}
        {!ended && now.deadlineMs > 0
          && <span class="dim"> · {millis(Math.max(now.deadlineMs - now.elapsedMs, 0))} until the deadline</span>}
      </p>
    </div>
  );
}
