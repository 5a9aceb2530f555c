/**
 * Who is to be told what came of a request, by the number of the request: numbers rise by little, and the oldest are
 * answered first.
 *
 * A `Map` does the same and costs far more than it shows: each time its table fills up it gets a new one, and the old tables,
 * each with a reference to the next one and to everything that was open at the time, keep whole HTTP exchanges alive past
 * the young generation of the garbage collector. Under load nearly everything that a request had allocated was copied twice
 * and left to a full collection.
 */
import { invariant } from '../core/invariant.ts';

const initialSlots = 64;

export class OpenRequests<Waiting> {
  /** A power of two of places; the request of number `n` stands at `n` modulo their count. */
  #slots: (Waiting | null)[] = empty(initialSlots);
  /** No open request has a lower number. */
  #oldest = 1;
  /** Every open request has a lower number. */
  #next = 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `request` is higher than every one before. */
  add(request: number, waiting: Waiting): void {
    invariant(request >= this.#next, 'numbers of requests rise', { request, next: this.#next });
    if (this.#size === 0) this.#oldest = request;
    while (request - this.#oldest >= this.#slots.length) this.#grow();
    this.#slots[request & (this.#slots.length - 1)] = waiting;
    this.#next = request + 1;
    this.#size++;
  }

  /** Null when it is not open, or was taken before. */
  take(request: number): Waiting | null {
    if (request < this.#oldest || request >= this.#next) return null;
    const at = request & (this.#slots.length - 1);
    const waiting = this.#slots[at] as Waiting | null;
    if (waiting === null) return null;
    this.#slots[at] = null;
    this.#size--;
    while (this.#oldest < this.#next && this.#slots[this.#oldest & (this.#slots.length - 1)] === null) this.#oldest++;
    return waiting;
  }

  /** All that are open, oldest first, which are open no more. */
  takeAll(): readonly (readonly [request: number, waiting: Waiting])[] {
    const all: [number, Waiting][] = [];
    for (let request = this.#oldest; request < this.#next; request++) {
      const waiting = this.#slots[request & (this.#slots.length - 1)] as Waiting | null;
      if (waiting !== null) all.push([request, waiting]);
    }
    this.#slots = empty(initialSlots);
    this.#oldest = this.#next;
    this.#size = 0;
    return all;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = empty(before.length * 2);
    for (let request = this.#oldest; request < this.#next; request++) {
      this.#slots[request & (this.#slots.length - 1)] = before[request & (before.length - 1)] as Waiting | null;
    }
  }
}

const empty = <Waiting>(length: number): (Waiting | null)[] => new Array<Waiting | null>(length).fill(null);
