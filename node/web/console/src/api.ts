// Asking the node that serves this page. Never does: ask another one; it hands on by itself what another one knows.

import { signOut, token } from './session';

/** Longest wait for an answer: the node may itself wait 8 s for another one. */
const WITHIN = 10_000;
/** Most pages that are put together: the node gives a thousand things in one. */
const MAX_PAGES = 50;

/** A refusal, as the node words it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    sentence: string,
    readonly hint: string,
  ) {
    super(sentence);
  }
}

/** Nobody answered. */
export class Unreachable extends Error {}

/** Asks and reads the answer; null where there is none to read. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  return read<T>(await send(method, path, body));
}

export const get = <T>(path: string): Promise<T> => ask<T>('GET', path);

/** A whole list. */
export async function list<T>(path: string): Promise<T[]> {
  return (await pages<T[]>(path)).flat();
}

/** The pages of an answer that the node gives in pages. */
export async function pages<T>(path: string): Promise<T[]> {
  const all: T[] = [];
  let next: string | null = path;
  for (let page = 0; next && page < MAX_PAGES; page++) {
    const answer: Response = await send('GET', next);
    const link: string = answer.headers.get('link') ?? '';
    all.push(await read<T>(answer));
    next = following(link);
  }
  return all;
}

/** Where a `Link` header says that the list goes on (RFC 8288). */
export function following(link: string): string | null {
  return /<([^>]+)>;[^,]*rel="?next"?/.exec(link)?.[1] ?? null;
}

/** Opens a stream of server-sent events. `EventSource` cannot send a token. */
export async function stream(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  return checked(await fetch(path, { headers: { ...auth(), ...headers }, signal, cache: 'no-store' }));
}

async function send(method: string, path: string, body?: unknown): Promise<Response> {
  const given = token.value;
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      cache: 'no-store',
      headers: body === undefined ? auth() : { ...auth(), 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(WITHIN),
    });
  } catch (error) {
    throw new Unreachable(error instanceof Error ? error.message : String(error));
  }
  // Whoever has signed in anew meanwhile is not sent away for the old token's sake.
  if (answer.status === 401 && token.value === given) {
    const why = await refusalOf(answer);
    signOut({ sentence: why.message, hint: why.hint });
    throw why;
  }
  return checked(answer);
}

async function checked(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  throw await refusalOf(answer);
}

async function read<T>(answer: Response): Promise<T> {
  if (answer.status === 204) return null as T;
  const text = await answer.text();
  return (text ? JSON.parse(text) : null) as T;
}

function auth(): Record<string, string> {
  return token.value === null ? {} : { authorization: `Bearer ${token.value}` };
}

async function refusalOf(answer: Response): Promise<Refusal> {
  const problem = await answer.json().catch(() => null) as
    { title?: string; detail?: string; code?: string; hint?: string } | null;
  const sentence = problem?.detail ?? problem?.title ?? `the node answered ${answer.status}`;
  return new Refusal(answer.status, problem?.code ?? '', sentence, problem?.hint ?? '');
}
