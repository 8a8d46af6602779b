// What the page says and asks: short sentences that go away, and questions before something is done to people.

import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { Refusal, Unreachable } from './api';

export interface Said {
  number: number;
  text: string;
  hint: string;
  bad: boolean;
}

export interface Question {
  title: string;
  body: ComponentChildren;
  /** What is done, on the button. */
  verb: string;
  danger: boolean;
  act: (form: FormData) => Promise<unknown>;
  /** What is said when it is done. */
  done: string;
}

/** For so long: two sentences are read in it. */
const SHOWN = 6000;
/** More would cover the page. */
const MAX_SAID = 3;

export const said = signal<Said[]>([]);
export const question = signal<Question | null>(null);
let number = 0;

export function say(text: string, hint = '', bad = false): void {
  const one = { number: ++number, text, hint, bad };
  said.value = [...said.peek(), one].slice(-MAX_SAID);
  setTimeout(() => unsay(one.number), SHOWN);
}

export function unsay(number: number): void {
  said.value = said.peek().filter((one) => one.number !== number);
}

/** Does something and says how it went; true if it went well. */
export async function attempt(act: () => Promise<unknown>, done: string): Promise<boolean> {
  try {
    await act();
    if (done) say(done);
    return true;
  } catch (error) {
    if (error instanceof Refusal) say(`${capital(error.message)}.`, error.hint, true);
    else if (error instanceof Unreachable) say('The node does not answer.', 'Nothing is known of what it did.', true);
    else say(String(error), '', true);
    return false;
  }
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
