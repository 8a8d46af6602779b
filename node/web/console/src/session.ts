// The admin token: asked for, or given in the address' fragment, which no server is sent and which is removed at
// once. Kept for this tab only. Never does: write it anywhere else.

import { signal } from '@preact/signals';

const KEY = 'starling.admin-token';

/** The token, or null: nobody has signed in. */
export const token = signal<string | null>(null);

/** Why the last one was sent away, in the server's words. */
export const refusal = signal<{ sentence: string; hint: string } | null>(null);

/** Takes the token from `#token=…` or from this tab. */
export function begin(): void {
  const given = fragment(location.hash);
  if (given.token) {
    history.replaceState(null, '', `${location.pathname}${given.rest}`);
    signIn(given.token);
  } else {
    token.value = sessionStorage.getItem(KEY);
  }
}

/** What a fragment says: a token, and the page to show. */
export function fragment(hash: string): { token: string | null; rest: string } {
  const found = /^#token=([^&]+)(?:&(.*))?$/.exec(hash);
  if (!found) return { token: null, rest: hash };
  let given = found[1]!;
  try {
    given = decodeURIComponent(given);
  } catch {
    // A stray % is part of the token then.
  }
  return { token: given, rest: found[2] ? `#${found[2]}` : '' };
}

export function signIn(given: string): void {
  sessionStorage.setItem(KEY, given);
  refusal.value = null;
  token.value = given;
}

export function signOut(why: { sentence: string; hint: string } | null = null): void {
  sessionStorage.removeItem(KEY);
  refusal.value = why;
  token.value = null;
}
