// Why somebody is not in a call, for people. Pure.

export interface Reason {
  sentence: string;
  hint: string;
  /** For whoever is asked about it. */
  code: string;
}

/** What to do about what nodes refuse, where they have no room to say it themselves. */
const HINTS: Record<string, string> = {
  unauthorized: 'Ask whoever sent you here for a new link.',
  forbidden: 'Ask whoever sent you here for a link that allows it.',
  peer_exists: 'Close the other tab, or come under another name.',
  limit_reached: 'Try again when somebody has left.',
  no_capacity: 'Try again in a minute.',
  busy: 'Try again in a minute.',
  draining: 'Try again in a minute.',
  registry_unavailable: 'Try again in a minute.',
};

/** Reads what a node says: a sentence, perhaps a hint after a dash, perhaps a code in brackets. */
export function reading(text: string): Reason {
  const code = /\[(\w+)\]\s*$/.exec(text)?.[1] ?? '';
  const hint = text.replace(/\s*\[\w+\]\s*$/, '').split(' — ')[1] ?? '';
  return { sentence: sentenceOf(saying(text)), hint: hint ? sentenceOf(hint) : HINTS[code] ?? '', code };
}

/** What it says within a sentence. */
export function saying(text: string): string {
  return text.replace(/\s*\[\w+\]\s*$/, '').split(' — ')[0]!;
}

function sentenceOf(text: string): string {
  const words = text.trim();
  return words && words[0]!.toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? '' : '.');
}
