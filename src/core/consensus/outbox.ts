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
  /** Writes that are not durable yet, and up to where they say that values are chosen; ascending. */
  #unknown: { readonly write: WriteId; readonly chosenUpTo: Instance }[] = [];
  #durablyChosenUpTo: Instance;
  #writing = false;
  #promise: PromiseRecord | null = null;
  #entries: AcceptedEntry[] = [];

  /** `chosenUpTo`: what the disk knows as chosen at the start. */
  constructor(chosenUpTo: Instance) {
    this.#durablyChosenUpTo = chosenUpTo;
  }

  /** Up to here values would be known as chosen after a crash. */
  get durablyChosenUpTo(): Instance {
    return this.#durablyChosenUpTo;
  }

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
    while (this.#unknown.length > 0 && (this.#unknown[0] as { write: WriteId }).write <= write) {
      this.knows((this.#unknown.shift() as { chosenUpTo: Instance }).chosenUpTo);
    }
  }

  /** The disk knows everything up to `chosenUpTo` as chosen. */
  knows(chosenUpTo: Instance): void {
    if (chosenUpTo > this.#durablyChosenUpTo) this.#durablyChosenUpTo = chosenUpTo;
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
      this.#unknown.push({ write: request.write, chosenUpTo });
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
