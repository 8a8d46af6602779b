// Server-sent events, read from text as it comes (WHATWG HTML, 9.2.6). Pure but for what it holds back: the piece of
// an event whose end has not come.

export interface Told {
  event: string;
  data: string;
}

/** Longest event that is waited for: the node's are under 4 KiB. */
const MAX_HELD = 256 * 1024;

export class Reader {
  /** The last id that was told, also without an event: where to go on after a break. */
  last: string | null = null;
  private held = '';

  /** The events that are complete now. */
  take(text: string): Told[] {
    const blocks = (this.held + text).replaceAll('\r\n', '\n').split('\n\n');
    this.held = blocks.pop()!;
    if (this.held.length > MAX_HELD) this.held = '';
    return blocks.flatMap((block) => this.told(block));
  }

  private told(block: string): Told[] {
    let event = 'message';
    const data: string[] = [];
    for (const line of block.split('\n')) {
      const [, field, value] = /^([a-z]+):? ?(.*)$/.exec(line) ?? [];
      if (field === 'event') event = value!;
      if (field === 'id') this.last = value!;
      if (field === 'data') data.push(value!);
    }
    return data.length ? [{ event, data: data.join('\n') }] : [];
  }
}
