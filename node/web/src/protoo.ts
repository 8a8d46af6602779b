// protoo over one WebSocket: requests, answers, notifications, and the verdict that the other side is
// gone. Never does: reconnect, or understand a message.

/** A node that was not heard for so long is asked for something small, in milliseconds. */
const BEAT = 500;
/** If it does not answer for so long, and its media does not come either, it is gone. */
const SILENCE = 1500;
/** If its media comes, signalling may be silent for as long as TCP needs to repair a bad path. */
const PATIENCE = 5000;
/** Between two looks at the media. */
const LOOK = 500;
/** A request that waits longer will not be answered. */
const REQUEST = 10_000;

/** protoo's close code for "do not come back". */
export const CLOSE_FOR_GOOD = 4000;
/** Ours: go to another node. */
export const CLOSE_GO_ELSEWHERE = 4001;
/** Ours, never sent: the node hangs. */
export const CLOSE_SILENT = 4900;

// Data of the signalling is checked by the node; here its shape is taken as documented.
export type Data = any;

/** What the other side says without being asked. */
export interface Handlers {
  request(method: string, data: Data): Promise<Data>;
  notification(method: string, data: Data): void;
  closed(code: number, reason: string): void;
  /** Bytes of media that came from there so far. */
  media(): Promise<number>;
}

/** A request that was refused: `[code]` at the end of the reason names why. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    reason: string,
  ) {
    super(reason);
  }

  /** The refusal's stable code, as `no_capacity`. */
  get code(): string {
    return /\[(\w+)\]$/.exec(this.message)?.[1] ?? '';
  }
}

interface Waiting {
  resolve(data: Data): void;
  reject(error: Error): void;
  timer: number;
}

/** One open protoo connection. */
export class Protoo {
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;
  private heard = performance.now();
  private beat = 0;
  private over = false;

  private constructor(
    private readonly socket: WebSocket,
    private readonly handlers: Handlers,
  ) {
    socket.onmessage = (event) => this.receive(String(event.data));
    socket.onclose = (event) => this.end(event.code, event.reason);
    socket.onerror = null;
    this.watch();
  }

  /** Opens a connection, or fails within `within` milliseconds. */
  static open(url: string, within: number, handlers: Handlers): Promise<Protoo> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, 'protoo');
      const fail = (why: string) => {
        clearTimeout(timer);
        socket.onopen = socket.onclose = socket.onerror = null;
        socket.close();
        reject(new Error(why));
      };
      const timer = setTimeout(() => fail('the node did not answer in time'), within);
      socket.onclose = (event) => fail(event.reason || 'the node cannot be reached');
      socket.onopen = () => {
        clearTimeout(timer);
        resolve(new Protoo(socket, handlers));
      };
    });
  }

  request(method: string, data: object = {}, within = REQUEST): Promise<Data> {
    if (this.over) return Promise.reject(new Error('the connection is closed'));
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const timer = window.setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error(`the node did not answer '${method}'`));
      }, within);
      this.waiting.set(id, { resolve, reject, timer });
      this.send({ request: true, id, method, data });
    });
  }

  notify(method: string, data: object): void {
    this.send({ notification: true, method, data });
  }

  /** Closes it; `closed` is not called. */
  close(): void {
    this.handlers.closed = () => {};
    this.end(1000, '');
  }

  private send(frame: object): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  private receive(text: string): void {
    this.heard = performance.now();
    const frame = JSON.parse(text);
    if (frame.request) {
      const { id } = frame;
      this.handlers.request(frame.method, frame.data).then(
        (data) => this.send({ response: true, id, ok: true, data: data ?? {} }),
        (error: Error) =>
          this.send({ response: true, id, ok: false, errorCode: 500, errorReason: error.message }),
      );
    } else if (frame.response) {
      const waiting = this.waiting.get(frame.id);
      if (!waiting) return;
      this.waiting.delete(frame.id);
      clearTimeout(waiting.timer);
      if (frame.ok) waiting.resolve(frame.data);
      else waiting.reject(new Refused(frame.errorCode, frame.errorReason));
    } else if (frame.notification) {
      this.handlers.notification(frame.method, frame.data);
    }
  }

  /** A node that was cut off or stopped closes nothing: it has to be asked. */
  private watch(): void {
    const step = 100;
    let last = performance.now();
    let asked = 0;
    let looked = 0;
    let flows = false;
    let bytes = 0;
    const look = async (now: number) => {
      looked = now;
      const before = bytes;
      bytes = await this.handlers.media();
      flows = before > 0 && bytes > before;
    };
    this.beat = window.setInterval(() => {
      const now = performance.now();
      // This page itself stood still (a suspended tab, a busy machine): nobody could be heard.
      if (now - last > 5 * step) asked = 0;
      last = now;
      if (asked && this.heard >= asked) asked = 0;
      if (!asked) {
        if (now - this.heard <= BEAT) return;
        [asked, looked, bytes, flows] = [now, 0, 0, false];
        this.request('getRtcStatsUrl').catch(() => {});
        return;
      }
      const silent = now - asked;
      if (silent > PATIENCE || (silent > SILENCE && !flows)) {
        return this.end(CLOSE_SILENT, 'the node is silent');
      }
      if (silent > SILENCE - 2 * LOOK && now - looked >= LOOK) void look(now);
    }, step);
  }

  private end(code: number, reason: string): void {
    if (this.over) return;
    this.over = true;
    clearInterval(this.beat);
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new Error('the connection was lost'));
    }
    this.waiting.clear();
    this.handlers.closed(code, reason);
  }
}
