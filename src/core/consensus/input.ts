/** Everything that can happen to a replica of the log. The runtime stamps `at` when the input has been read in. */
import type { Configuration, ConfigurationFrom } from './configuration.ts';
import type { DatabaseDigests } from './database-comparison.ts';
import type { CellTimeMs, Epoch, Instance, MonotonicMs, ReplicaId, RequestId, WriteId } from './identity.ts';
import type { Message } from './message.ts';

/** Three clocks, read together. Design §3: the holder of a lease trusts the one that says most time has passed. */
export interface Clocks {
  readonly monotonicMs: MonotonicMs;
  readonly wallMs: number;
  /** Goes on during suspend; coarse (10 ms on Linux). Equal to `monotonicMs` where the system has none. */
  readonly bootMs: number;
}

export interface Submission {
  readonly request: RequestId;
  readonly item: Uint8Array;
}

/** What a snapshot stands for (PML §5.5): the state of Paxos itself at `instance`. */
export interface SnapshotHandle {
  readonly instance: Instance;
  readonly epoch: Epoch;
  readonly cellTimeMs: CellTimeMs;
  /** The configuration in force after `instance` and those chosen but not yet in force, oldest first. */
  readonly configurations: readonly ConfigurationFrom[];
}

export type Input =
  | { readonly kind: 'submit'; readonly at: Clocks; readonly submissions: readonly Submission[] }
  | { readonly kind: 'message'; readonly at: Clocks; readonly from: ReplicaId; readonly message: Message }
  /** This write, and every one with a lower number, is durable. */
  | { readonly kind: 'persisted'; readonly at: Clocks; readonly write: WriteId }
  | { readonly kind: 'woken'; readonly at: Clocks }
  /** A verified snapshot stands on this disk: entries at or below `instance` may be forgotten. */
  | { readonly kind: 'snapshot-taken'; readonly at: Clocks; readonly instance: Instance }
  /** The application now holds the state of a snapshot fetched from a peer. */
  | { readonly kind: 'snapshot-installed'; readonly at: Clocks; readonly handle: SnapshotHandle }
  /** Fetching failed; the core asks again, elsewhere, when it still needs one. */
  | { readonly kind: 'snapshot-failed'; readonly at: Clocks }
  /** The application was digested at an instance: to be compared with what the others hold there. */
  | { readonly kind: 'database-checked'; readonly at: Clocks; readonly digests: DatabaseDigests }
  /** The application was built anew, from a snapshot and the log; whether it is right is not known yet. */
  | { readonly kind: 'database-replayed'; readonly at: Clocks }
  /** Evidence was seen that the cell went back or forked: nothing more is promised, accepted, proposed or applied. */
  | { readonly kind: 'freeze'; readonly at: Clocks }
  /** A master gives up its lease and goes through phase 1 again, into a new epoch: nothing that it believed is relied on. */
  | { readonly kind: 'renounce'; readonly at: Clocks }
  /** This replica and another member have compared what they remember of each other's disks: nothing is missing here. */
  | { readonly kind: 'compared'; readonly at: Clocks; readonly member: ReplicaId }
  /** A member says that this incarnation was removed: it is past that change. */
  | { readonly kind: 'turned-away'; readonly at: Clocks; readonly member: ReplicaId }
  /** A peer or a witness remembers more of this replica's disk than is on it. */
  | { readonly kind: 'rolled-back'; readonly at: Clocks }
  /** An operator's wish: from now on others go first in an election, or no more. It votes as ever. */
  | { readonly kind: 'drain'; readonly at: Clocks; readonly drained: boolean }
  /** Hand mastership over, to the most caught-up voter when `to` is absent. */
  | { readonly kind: 'hand-over'; readonly at: Clocks; readonly to: ReplicaId | null }
  /** Propose one membership change. The caller has checked what an operator must be told; the core checks the rest. */
  | {
      readonly kind: 'change-configuration';
      readonly at: Clocks;
      readonly request: RequestId;
      readonly configuration: Configuration;
    };
