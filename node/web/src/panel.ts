// `starling dev` only: the nodes of the process, with who is on them, and a button that kills one.
// Never does: exist elsewhere; the list is asked of whichever node still answers.

import { el } from './dom';
import { colour, type DevNode, devNodes, devSwitch } from './nodes';

/** Between two looks at the nodes, in milliseconds. */
const POLL = 1500;

export class Panel {
  readonly root = el('aside', { class: 'panel nodes', 'aria-label': 'Nodes' });
  private readonly list = el('ul');
  private readonly note = el('p', { class: 'note', role: 'status' });
  private nodes: DevNode[] = [];
  private peers = new Map<string, number>();
  private own: string | null = null;
  private origin: string;
  private drawn = '';

  constructor(origin: string, private readonly log: (what: string, id: string) => void) {
    this.origin = origin;
    this.root.append(
      el('h2', {}, 'Nodes of this cluster'),
      el('p', { class: 'lead' }, 'Kill one: the pictures go on, and its people come back on another.'),
      this.list,
      this.note,
    );
  }

  /** Looks whether this is `starling dev`; if so, keeps the list up to date. */
  async start(): Promise<boolean> {
    const nodes = await devNodes(this.origin).catch(() => null);
    if (!nodes) return false;
    this.nodes = nodes;
    this.draw();
    setInterval(() => void this.poll(), POLL);
    return true;
  }

  /** How many people are on which node, and where oneself is. */
  people(peers: Map<string, number>, own: string | null): void {
    this.peers = peers;
    this.own = own;
    this.draw();
  }

  private async poll(): Promise<void> {
    const answered = await devNodes(this.origin).catch(() => null);
    if (answered) this.nodes = answered;
    else this.origin = this.others(this.origin)[0] ?? this.origin;
    this.draw();
  }

  /** Living nodes but the one at `origin`. */
  private others(origin: string): string[] {
    const living = this.nodes.filter((node) => node.alive).map((node) => new URL(node.url).origin);
    return living.filter((other) => other !== origin);
  }

  private async flip(node: DevNode): Promise<void> {
    const what = node.alive ? 'kill' : 'start';
    const target = new URL(node.url).origin;
    this.log(what, node.id);
    this.note.textContent = node.alive ? `Killing ${node.id}…` : `Starting ${node.id}…`;
    // The node that is to die is asked last: it may be gone before it has answered.
    const doors = [...this.others(target), ...(node.alive ? [target] : [])];
    let failed: unknown = new Error('no node lives: start `starling dev` again');
    for (const door of doors) {
      try {
        await devSwitch(door, node.id, what);
        if (this.origin === target) this.origin = door;
        node.alive = !node.alive;
        failed = null;
        break;
      } catch (error) {
        failed = error;
      }
    }
    this.note.textContent = failed instanceof Error ? failed.message : '';
    this.draw();
  }

  /** Only what has changed is drawn: a button must not vanish under a finger. */
  private draw(): void {
    const state = JSON.stringify([this.nodes, [...this.peers], this.own]);
    if (state === this.drawn) return;
    this.drawn = state;
    const focused = document.activeElement?.getAttribute('data-node');
    this.list.replaceChildren(...this.nodes.map((node) => this.row(node)));
    if (focused) this.list.querySelector<HTMLElement>(`[data-node="${focused}"]`)?.focus();
  }

  private row(node: DevNode): HTMLElement {
    const count = this.peers.get(node.id) ?? 0;
    const people = count === 1 ? '1 person' : `${count} people`;
    const state = node.alive ? people + (node.id === this.own ? ' · you' : '') : 'dead';
    const row = el('li', { class: node.alive ? '' : 'dead' },
      el('span', { class: 'dot', 'aria-hidden': 'true' }),
      el('span', { class: 'who' }, el('strong', {}, node.id), el('small', {}, state)),
      el('button', {
        type: 'button',
        class: node.alive ? 'kill' : 'start',
        'data-node': node.id,
        'aria-label': `${node.alive ? 'Kill' : 'Start'} ${node.id}`,
        onclick: () => void this.flip(node),
      }, node.alive ? 'Kill' : 'Start'));
    row.style.setProperty('--node', colour(node.id));
    return row;
  }
}
