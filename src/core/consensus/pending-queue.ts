/** Submissions that wait for an instance: bounded, taken in order, as many as fit into one value. */
import type { RequestId } from './identity.ts';
import type { Submission } from './input.ts';
import type { Limits } from './limits.ts';

export class PendingQueue {
  readonly #limits: Limits;
  #queue: Submission[] = [];
  #from = 0;
  #bytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get items(): number {
    return this.#queue.length - this.#from;
  }

  /** Enough waits to fill an instance of its own. */
  get isFull(): boolean {
    return this.items >= this.#limits.batchItemsMax / 4 || this.#bytes >= this.#limits.batchBytesMax / 4;
  }

  /** Returns those that did not fit. */
  add(submissions: readonly Submission[]): readonly Submission[] {
    let i = 0;
    for (; i < submissions.length; i++) {
      const submission = submissions[i] as Submission;
      if (this.items >= this.#limits.pendingItemsMax) break;
      if (this.#bytes + submission.item.length > this.#limits.pendingBytesMax) break;
      this.#queue.push(submission);
      this.#bytes += submission.item.length;
    }
    return i === submissions.length ? [] : submissions.slice(i);
  }

  /** At least one; within the limits of a batch unless a single item is larger. */
  take(): { readonly items: readonly Uint8Array[]; readonly requests: readonly RequestId[] } {
    const items: Uint8Array[] = [];
    const requests: RequestId[] = [];
    let bytes = 0;
    while (this.#from < this.#queue.length && items.length < this.#limits.batchItemsMax) {
      const { item, request } = this.#queue[this.#from] as Submission;
      if (items.length > 0 && bytes + item.length > this.#limits.batchBytesMax) break;
      bytes += item.length;
      items.push(item);
      requests.push(request);
      this.#from++;
    }
    this.#bytes -= bytes;
    if (this.#from === this.#queue.length || this.#from > 4096) {
      this.#queue = this.#queue.slice(this.#from);
      this.#from = 0;
    }
    return { items, requests };
  }

  clear(): RequestId[] {
    const requests = this.#queue.slice(this.#from).map(({ request }) => request);
    this.#queue = [];
    this.#from = 0;
    this.#bytes = 0;
    return requests;
  }
}
