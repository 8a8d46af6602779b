// Handlers by event. Never does: keep what was told.

/** Calls handlers of `Events` by name. */
export class Emitter<Events extends object> {
  private readonly handlers = new Map<keyof Events, Set<Events[keyof Events]>>();

  /** Calls `handler` from now on, until what is returned is called. */
  on<Name extends keyof Events>(name: Name, handler: Events[Name]): () => void {
    const all = this.handlers.get(name) ?? new Set();
    this.handlers.set(name, all);
    all.add(handler);
    return () => void all.delete(handler);
  }

  protected emit<Name extends keyof Events>(
    name: Name,
    ...args: Events[Name] extends (...args: infer Args) => void ? Args : never
  ): void {
    for (const handler of [...(this.handlers.get(name) ?? [])]) {
      // A page's mistake is the page's: it must not cost the call.
      try {
        (handler as unknown as (...args: unknown[]) => void)(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
