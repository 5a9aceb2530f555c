/**
 * What this replica has proposed and not yet done with: in flight in the present ballot, or orphaned by the loss of one.
 *
 * Source: PML §4.2. Keeps: a request is answered exactly once: with the instance that applied its value, or as replaced
 * by another value there, or as unknown when a snapshot skipped the instance.
 */
import { valuesEqual } from './chosen-log.ts';
import type { Instance, ReplicaId, RequestId, WriteId } from './identity.ts';
import type { Clocks } from './input.ts';
import type { Value } from './value.ts';

export interface Proposal {
  readonly instance: Instance;
  readonly value: Value;
  /** Read before the accept was first sent: the lease counts from here (pitfall P31). */
  readonly sentAt: Clocks;
  lastSentMs: number;
  readonly acks: Set<ReplicaId>;
  /** Makes this replica's own vote durable. */
  readonly write: WriteId;
  readonly requests: readonly RequestId[] | null;
  chosen: boolean;
}

interface Waiting {
  readonly value: Value;
  readonly requests: readonly RequestId[];
}

export interface Answerable {
  /** Whose value was the chosen one. */
  readonly requests: readonly RequestId[] | null;
  /** Who waited here for another value. */
  readonly replaced: readonly RequestId[];
}

export class Proposals {
  readonly #inFlight = new Map<number, Proposal>();
  /** Requests of proposals that are led no more, by instance: answered when it is applied. */
  readonly #waiting = new Map<number, Waiting[]>();
  #open = 0;

  /** Proposed and not known as chosen. */
  get open(): number {
    return this.#open;
  }

  /** Open ones, and chosen ones that this replica's own disk does not hold yet. */
  get size(): number {
    return this.#inFlight.size;
  }

  get(instance: number): Proposal | undefined {
    return this.#inFlight.get(instance);
  }

  inFlight(): IterableIterator<Proposal> {
    return this.#inFlight.values();
  }

  /** `requests` are those of a new value; requests that waited here for the same value go with it. */
  add(proposal: Omit<Proposal, 'acks' | 'chosen'>): void {
    const { instance, value, sentAt, lastSentMs, write } = proposal;
    const requests = proposal.requests ?? this.#takeWaiting(instance, value);
    const acks = new Set<ReplicaId>();
    this.#inFlight.set(instance, { instance, value, sentAt, lastSentMs, acks, write, requests, chosen: false });
    this.#open++;
  }

  #takeWaiting(instance: number, value: Value): readonly RequestId[] | null {
    const list = this.#waiting.get(instance);
    const at = list?.findIndex((waiting) => valuesEqual(waiting.value, value)) ?? -1;
    if (list === undefined || at < 0) return null;
    const [taken] = list.splice(at, 1);
    if (list.length === 0) this.#waiting.delete(instance);
    return (taken as Waiting).requests;
  }

  chosen(proposal: Proposal): void {
    if (proposal.chosen) return;
    proposal.chosen = true;
    this.#open--;
  }

  /** Nothing more is to be learned of this one; its requests wait until it is applied, when it is not yet. */
  retire(proposal: Proposal, appliedUpTo: Instance): void {
    if (!this.#inFlight.delete(proposal.instance)) return;
    if (!proposal.chosen) this.#open--;
    const { instance, value, requests } = proposal;
    if (requests === null || instance <= appliedUpTo) return;
    const list = this.#waiting.get(instance);
    if (list === undefined) this.#waiting.set(instance, [{ value, requests }]);
    else list.push({ value, requests });
  }

  /** The ballot is led no more. What is in flight may still be chosen by others, so its requests wait. */
  abandon(appliedUpTo: Instance): void {
    for (const proposal of [...this.#inFlight.values()]) this.retire(proposal, appliedUpTo);
  }

  /** Everything up to `chosenUpTo` was learned from others: no vote is missing for it any more. */
  learned(chosenUpTo: Instance, appliedUpTo: Instance): void {
    for (const proposal of [...this.#inFlight.values()]) {
      if (proposal.instance <= chosenUpTo && !proposal.chosen) this.retire(proposal, appliedUpTo);
    }
  }

  /** `value` is applied at `instance`: who is to be told what. Asked once an instance. */
  answer(instance: Instance, value: Value): Answerable {
    const led = this.#inFlight.get(instance);
    const orphans = this.#waiting.get(instance);
    let requests: readonly RequestId[] | null = null;
    const replaced: RequestId[] = [];
    const take = (waiting: Waiting): void => {
      if (requests === null && valuesEqual(waiting.value, value)) requests = waiting.requests;
      else replaced.push(...waiting.requests);
    };
    if (led !== undefined && led.requests !== null) take({ value: led.value, requests: led.requests });
    if (orphans !== undefined) {
      this.#waiting.delete(instance);
      orphans.forEach(take);
    }
    return { requests, replaced };
  }

  /** Requests that can never be answered, because a snapshot skipped their instances. */
  forgetUpTo(instance: Instance): readonly RequestId[] {
    const lost: RequestId[] = [];
    for (const [key, list] of this.#waiting) {
      if (key > instance) continue;
      this.#waiting.delete(key);
      for (const { requests } of list) lost.push(...requests);
    }
    return lost;
  }
}
