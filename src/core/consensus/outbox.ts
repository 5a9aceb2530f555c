/**
 * Gathers the effects of one step, in order.
 *
 * Everything a step wants durable becomes one write, so that a message that must wait for it names one number
 * (`after`): "a promise is durable before it is sent" is data, not a matter of where an `await` stands (pitfall P01).
 */
import type { Effect, PromiseRecord } from './effect.ts';
import type { Instance, ReplicaId, WriteId } from './identity.ts';
import type { AcceptedEntry, Message } from './message.ts';

export class Outbox {
  #effects: Effect[] = [];
  #nextWrite = 1;
  #durable = 0;
  #writing = false;
  #promise: PromiseRecord | null = null;
  #entries: AcceptedEntry[] = [];

  /** The number of the write that this step's records will be part of. */
  #write(): WriteId {
    this.#writing = true;
    return this.#nextWrite as WriteId;
  }

  persistPromise(promise: PromiseRecord): WriteId {
    this.#promise = promise;
    return this.#write();
  }

  persistEntry(entry: AcceptedEntry): WriteId {
    this.#entries.push(entry);
    return this.#write();
  }

  persisted(write: WriteId): void {
    this.#durable = Math.max(this.#durable, write);
  }

  isDurable(write: WriteId): boolean {
    return write <= this.#durable;
  }

  /** Sent at once, or when `after` is durable. */
  send(to: ReplicaId, message: Message, after: WriteId | null = null): void {
    this.#effects.push({ kind: 'send', to, message, after: after !== null && this.isDurable(after) ? null : after });
  }

  push(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Ends the step: its effects, the write last, since the master sends before it flushes (PML §4.2). */
  take(chosenUpTo: Instance): readonly Effect[] {
    if (this.#writing) {
      const request = {
        write: this.#nextWrite as WriteId,
        promise: this.#promise,
        entries: this.#entries,
        chosenUpTo,
      };
      this.#effects.push({ kind: 'persist', request });
      this.#nextWrite++;
      this.#writing = false;
      this.#promise = null;
      this.#entries = [];
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
