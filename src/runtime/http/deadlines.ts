/**
 * Ends requests that have waited too long. All wait equally long, so they end in the order in which they began to wait:
 * one timer for all looks at the oldest, and nothing is set up or torn down per request.
 */
export interface Waiting {
  /** Milliseconds of the monotonic clock. */
  deadlineMs: number;
  expire(): void;
}

export class Deadlines {
  /** In the order of their deadlines. */
  readonly #waiting = new Set<Waiting>();
  readonly #afterMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
    this.#timer = setInterval(() => this.#sweep(), Math.max(5, Math.min(100, afterMs / 4)));
    this.#timer.unref();
  }

  add(waiting: Waiting): void {
    waiting.deadlineMs = performance.now() + this.#afterMs;
    this.#waiting.add(waiting);
  }

  delete(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  #sweep(): void {
    const now = performance.now();
    for (const waiting of this.#waiting) {
      if (waiting.deadlineMs > now) return;
      this.#waiting.delete(waiting);
      waiting.expire();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
