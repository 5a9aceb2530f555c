/** True time for tests: events in the order of (time, order of scheduling); waiting costs nothing. */
interface QueuedEvent {
  readonly timeMs: number;
  readonly order: number;
  action: (() => void) | null;
}

export interface Cancel {
  cancel(): void;
}

export class EventQueue {
  readonly #heap: QueuedEvent[] = [];
  #order = 0;
  nowMs = 0;

  after(delayMs: number, action: () => void): Cancel {
    const event: QueuedEvent = { timeMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, action };
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (before(heap[parent] as QueuedEvent, event)) break;
      heap[i] = heap[parent] as QueuedEvent;
      i = parent;
    }
    heap[i] = event;
    return {
      cancel() {
        event.action = null;
      },
    };
  }

  /** Runs the next event; false when it lies after `untilMs` or there is none (time is then `untilMs`). */
  next(untilMs: number): boolean {
    const event = this.#heap[0];
    if (event === undefined || event.timeMs > untilMs) {
      this.nowMs = Math.max(this.nowMs, untilMs);
      return false;
    }
    this.#pop();
    this.nowMs = event.timeMs;
    event.action?.();
    return true;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as QueuedEvent;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as QueuedEvent, heap[child] as QueuedEvent)) child++;
      if (before(last, heap[child] as QueuedEvent)) break;
      heap[i] = heap[child] as QueuedEvent;
      i = child;
    }
    heap[i] = last;
  }
}

const before = (a: QueuedEvent, b: QueuedEvent): boolean =>
  a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order);
