/**
 * Ends requests that have waited too long. All wait equally long, so they end in the order in which they began to wait:
 * one timer for all looks at the oldest, and nothing is set up, torn down or allocated per request.
 */
export interface Waiting {
  /** Milliseconds of the monotonic clock. */
  deadlineMs: number;
  /** Links of the list that they form; both null for one that does not wait. */
  before: Waiting | null;
  after: Waiting | null;
  expire(): void;
}

export class Deadlines {
  #oldest: Waiting | null = null;
  #newest: Waiting | null = null;
  readonly #afterMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
    this.#timer = setInterval(() => this.#sweep(), Math.max(5, Math.min(100, afterMs / 4)));
    this.#timer.unref();
  }

  add(waiting: Waiting): void {
    waiting.deadlineMs = performance.now() + this.#afterMs;
    waiting.before = this.#newest;
    if (this.#newest === null) this.#oldest = waiting;
    else this.#newest.after = waiting;
    this.#newest = waiting;
  }

  /** Of one that does not wait: nothing. */
  delete(waiting: Waiting): void {
    const { before, after } = waiting;
    if (before === null && this.#oldest !== waiting) return;
    if (before === null) this.#oldest = after;
    else before.after = after;
    if (after === null) this.#newest = before;
    else after.before = before;
    waiting.before = null;
    waiting.after = null;
  }

  #sweep(): void {
    const now = performance.now();
    for (;;) {
      const oldest = this.#oldest;
      if (oldest === null || oldest.deadlineMs > now) return;
      this.delete(oldest);
      oldest.expire();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
