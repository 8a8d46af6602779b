// protoo over one WebSocket: requests, answers, notifications.
// Never does: reconnect, or understand a message.

/** A request that waits longer will not be answered. */
const REQUEST = 10_000;

// Data of the signalling is checked by the node; here its shape is taken as documented.
export type Data = any;

/** What the other side says without being asked. */
export interface Handlers {
  request(method: string, data: Data): Promise<Data>;
  notification(method: string, data: Data): void;
  closed(code: number, reason: string): void;
  /** A frame came. */
  heard(): void;
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
  timer: ReturnType<typeof setTimeout>;
}

/** One open protoo connection. */
export class Protoo {
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;
  private over = false;

  private constructor(
    private readonly socket: WebSocket,
    private readonly handlers: Handlers,
  ) {
    socket.onmessage = (event) => this.receive(String(event.data));
    socket.onclose = (event) => this.end(event.code, event.reason);
    socket.onerror = null;
  }

  /** Opens a connection; `signal` gives it up. */
  static open(url: string, signal: AbortSignal, handlers: Handlers): Promise<Protoo> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, 'protoo');
      const fail = (why: string) => {
        socket.onopen = socket.onclose = socket.onerror = null;
        socket.close();
        reject(new Error(why));
      };
      signal.addEventListener('abort', () => fail('given up'), { once: true });
      socket.onclose = (event) => fail(event.reason || 'the node cannot be reached');
      socket.onopen = () => {
        if (!signal.aborted) resolve(new Protoo(socket, handlers));
      };
    });
  }

  request(method: string, data: object = {}, within = REQUEST): Promise<Data> {
    if (this.over) return Promise.reject(new Error('the connection is closed'));
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
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
    this.handlers.heard();
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

  private end(code: number, reason: string): void {
    if (this.over) return;
    this.over = true;
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
