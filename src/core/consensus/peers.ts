/** What a master knows of the others from their acknowledgements: who could take over. */
import type { Configuration } from './configuration.ts';
import type { Instance, MonotonicMs, ReplicaId } from './identity.ts';
import { voters } from './quorum.ts';

interface Progress {
  heardMs: number;
  /** Highest instance acknowledged. */
  instance: number;
  appliedUpTo: number;
}

interface Acknowledged {
  readonly instance: Instance;
  readonly appliedUpTo: Instance;
}

export class Peers {
  readonly #progress = new Map<ReplicaId, Progress>();

  /** A copy of an earlier acknowledgement, however late it comes, shows no life (pitfall N2): only a higher instance does. */
  heard(from: ReplicaId, { instance, appliedUpTo }: Acknowledged, now: MonotonicMs): void {
    const known = this.#progress.get(from);
    if (known === undefined) this.#progress.set(from, { heardMs: now, instance, appliedUpTo });
    else if (instance >= known.instance) {
      if (instance > known.instance) known.heardMs = now;
      known.instance = instance;
      known.appliedUpTo = appliedUpTo;
    }
  }

  appliedUpTo(id: ReplicaId): number {
    return this.#progress.get(id)?.appliedUpTo ?? 0;
  }

  /** Voters that have acknowledged nothing since `sinceMs`: not heard, whatever they themselves say. */
  unheard(configuration: Configuration, self: ReplicaId, sinceMs: number): readonly ReplicaId[] {
    return [...voters(configuration)].filter((id) => id !== self && (this.#progress.get(id)?.heardMs ?? -1) < sinceMs);
  }

  /** The voter that could take over: `to` when it was heard of within a lease, the most caught-up one when null. */
  successor(options: {
    readonly configuration: Configuration;
    /** Nobody else. */
    readonly mayLead: ReadonlySet<ReplicaId>;
    readonly self: ReplicaId;
    readonly to: ReplicaId | null;
    readonly now: MonotonicMs;
  }): ReplicaId | null {
    const { configuration, mayLead, self, to, now } = options;
    let best: ReplicaId | null = null;
    let bestApplied = -1;
    for (const id of voters(configuration)) {
      const progress = this.#progress.get(id);
      if (id === self || !mayLead.has(id) || progress === undefined || (to !== null && id !== to)) continue;
      if (now - progress.heardMs > configuration.leaseMs || progress.appliedUpTo <= bestApplied) continue;
      best = id;
      bestApplied = progress.appliedUpTo;
    }
    return best;
  }
}
