// Server-sent events, read from text as it comes (WHATWG HTML, 9.2.6). Pure but for what it holds back: the piece of
// an event whose end has not come.

export interface Told {
  event: string;
  data: string;
  id: string | null;
}

/** Longest event that is waited for: the node's are under 4 KiB. */
const MAX_HELD = 256 * 1024;

export class Reader {
  private held = '';

  /** The events that are complete now. */
  take(text: string): Told[] {
    const blocks = (this.held + text).replaceAll('\r\n', '\n').split('\n\n');
    this.held = blocks.pop()!;
    if (this.held.length > MAX_HELD) this.held = '';
    return blocks.map(told).filter((event): event is Told => event !== null);
  }
}

function told(block: string): Told | null {
  const found: Told = { event: 'message', data: '', id: null };
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const [, field, value] = /^([a-z]+):? ?(.*)$/.exec(line) ?? [];
    if (field === 'event') found.event = value!;
    if (field === 'id') found.id = value!;
    if (field === 'data') data.push(value!);
  }
  if (!data.length) return null;
  return { ...found, data: data.join('\n') };
}
