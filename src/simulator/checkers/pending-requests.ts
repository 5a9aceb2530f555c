/**
 * Requests (L3): a replica that lives answers every request in bounded time, if only by saying that it does not know.
 *
 * A process that dies takes its requests with it: the connection breaks, which is an answer.
 */
import { Violation } from './violation.ts';

export class PendingRequests {
  readonly #since = new Map<number, number>();
  #next = 1;

  get size(): number {
    return this.#since.size;
  }

  /** A request has arrived. Call what is returned when it is answered. */
  begin(nowMs: number): () => void {
    const id = this.#next++;
    this.#since.set(id, nowMs);
    return () => void this.#since.delete(id);
  }

  /** The process is gone. */
  clear(): void {
    this.#since.clear();
  }

  /** @throws {Violation} when one has waited for longer than `mostMs`. */
  check(name: string, nowMs: number, mostMs: number): void {
    for (const since of this.#since.values()) {
      if (nowMs - since <= mostMs) return; // they are in the order of their arrival
      throw new Violation('liveness', `${name} has not answered a request for ${Math.round(nowMs - since)} ms`, {
        mostMs,
      });
    }
  }
}
