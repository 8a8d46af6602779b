// Small parts that several pages are made of. They show what they are given.

import type { ComponentChildren } from 'preact';
import { colour } from '../../src/nodes';
import { share } from './format';
import { type Grade, gradeLoad } from './grade';
import { Icon } from './icons';
import { type Face as Looks, WORDS } from './known';
import { toNode } from './route';
import { attempt, say } from './say';

export function Face({ face }: { face: Looks }) {
  return <span class={`face ${face}`}>{WORDS[face]}</span>;
}

/** A node's name beside its colour, which it has on the call page too. */
export function NodeLink({ id }: { id: string }) {
  return <a class="node-link" href={toNode(id)}><Dot id={id} />{id}</a>;
}

export function Dot({ id }: { id: string }) {
  return <i class="dot" style={{ '--node': colour(id) }} aria-hidden="true" />;
}

/** A share as a bar with its figure. */
export function Meter({ of, label, value, text }: { of: string; label?: string; value: number; text?: string }) {
  const width = `${Math.min(Math.max(value, 0), 1) * 100}%`;
  return (
    <span class={`meter ${gradeLoad(value)}`} role="img" aria-label={`${of}: ${text ?? share(value)}`} title={label}>
      <span class="track"><span class="fill" style={{ width }} /></span>
      <span class="figure">{text ?? share(value)}</span>
    </span>
  );
}

export function Stat({ name, value, note, spark, grade }: {
  name: string; value: ComponentChildren; note?: ComponentChildren; spark?: ComponentChildren; grade?: Grade | undefined;
}) {
  return (
    <div class={`stat ${grade ?? ''}`}>
      <dt>{name}</dt>
      <dd><span>{value}</span>{spark}{note !== undefined && <small>{note}</small>}</dd>
    </div>
  );
}

export function Card({ title, note, children, tools, wide }: {
  title: string; note?: ComponentChildren; children: ComponentChildren; tools?: ComponentChildren; wide?: boolean;
}) {
  return (
    <section class={wide ? 'card wide' : 'card'} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {note !== undefined && <p class="note">{note}</p>}
        {tools}
      </header>
      {children}
    </section>
  );
}

/** Where there is nothing to show, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><strong>{title}</strong>{children && <p>{children}</p>}</div>;
}

/** A table that scrolls by itself where the screen is narrow, also by keyboard. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return <div class="scroll" role="region" aria-label={label} tabIndex={0}>{children}</div>;
}

export function Copy({ name, text }: { name: string; text: string }) {
  const copy = async () => {
    if (!navigator.clipboard) return say('The browser copies on https and localhost only.', text, true);
    await attempt(() => navigator.clipboard.writeText(text), `${name} is copied.`);
  };
  return (
    <div class="copy">
      <span class="what">{name}</span>
      <code>{text}</code>
      <button type="button" class="ghost" aria-label={`Copy ${name}`} onClick={() => void copy()}>
        <Icon name="copy" size={16} />
      </button>
    </div>
  );
}
