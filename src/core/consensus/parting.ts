/**
 * How long a member that was removed stays: until a majority of the new members knows, durably, that the last instance its
 * vote counted for is chosen. Had it gone before, and the others lost what only their memory held, electing would want it back.
 *
 * Source: PML §5.4; PMS §2.3 (α); design §3 "Membership". Keeps: it has no say while it stays; it answers what is chosen.
 */
import type { ReplicaContext } from './context.ts';
import type { Instance, ReplicaId } from './identity.ts';
import { isQuorum, voters } from './quorum.ts';

/** Asks how far the receiver's disk knows values as chosen, and not only its memory. Catching up counts from 1 on. */
export const partingNonce = 0;

export class Parting {
  readonly #context: ReplicaContext;
  readonly #knowing = new Set<ReplicaId>();
  #askedMs = 0;
  #over = false;

  constructor(context: ReplicaContext) {
    this.#context = context;
  }

  /** This replica is out by its own log. Who never voted before that is missed by nobody. */
  begin(): void {
    const { configurations, now, self } = this.#context;
    // Those to whom the same message says it need not be asked at once.
    this.#askedMs = now.monotonicMs;
    const [before] = configurations.from(this.#last);
    if (before !== undefined && before.from <= this.#last && !voters(before.configuration).has(self)) this.#end();
  }

  /** The last instance that was decided with it. */
  get #last(): Instance {
    return (this.#context.configurations.latest.from - 1) as Instance;
  }

  /** The disk of `from` knows everything up to `chosenUpTo` as chosen. */
  heard(from: ReplicaId, chosenUpTo: Instance): void {
    if (chosenUpTo >= this.#last) this.knows(from);
  }

  /** `from` is past the change: it lets this incarnation in no more. */
  knows(from: ReplicaId): void {
    this.#knowing.add(from);
    if (isQuorum(this.#context.configurations.latest.configuration, this.#knowing)) this.#end();
  }

  tick(): void {
    if (this.#over || this.#context.now.monotonicMs < this.dueMs) return;
    const { configurations, log, now, outbox, self } = this.#context;
    this.#askedMs = now.monotonicMs;
    const next = (log.chosenUpTo + 1) as Instance;
    for (const id of voters(configurations.latest.configuration)) {
      if (id === self || this.#knowing.has(id)) continue;
      outbox.send(id, { kind: 'catch-up', nonce: partingNonce, from: next, to: next });
    }
  }

  get dueMs(): number {
    if (this.#over) return Number.POSITIVE_INFINITY;
    return this.#askedMs + Math.max(50, this.#context.configurations.latest.configuration.leaseMs / 2);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.outbox.push({ kind: 'parted' });
  }
}
