/** Everything a replica of the log asks of the world, as data, in order. The runtime carries effects out in this order. */
import type { BadItem } from './bad-item.ts';
import type { Ballot } from './ballot.ts';
import type { ComparedDatabases, DatabaseEvidence, ForkBranch } from './database-comparison.ts';
import type { Epoch, Instance, MonotonicMs, ReplicaId, RequestId, WriteId } from './identity.ts';
import type { AcceptedEntry, Message } from './message.ts';
import type { Transition } from './transition.ts';
import type { Value } from './value.ts';

/** Kept in two checksummed copies beside the log; both are durable before the write's accepted entries are. */
export interface PromiseRecord {
  readonly ballot: Ballot;
  /** The longest lease this replica has granted, in ms: how long it must assume after a restart that one is held. */
  readonly leaseMsMax: number;
}

/** One write to the local disk. Writes become durable in the order of their numbers. */
export interface WriteRequest {
  readonly write: WriteId;
  /** Present when the promise changes. */
  readonly promise: PromiseRecord | null;
  /** Present also for chosen entries learned by catch-up. A later entry for an instance replaces an earlier one. */
  readonly entries: readonly AcceptedEntry[];
  /** Everything up to here is chosen, and the newest entry of each instance in this log is the chosen one. */
  readonly chosenUpTo: Instance;
}

export type Effect =
  | { readonly kind: 'persist'; readonly request: WriteRequest }
  /** Sent once `after` is durable; at once when it is null. */
  | { readonly kind: 'send'; readonly to: ReplicaId; readonly message: Message; readonly after: WriteId | null }
  /**
   * Apply the chosen value of the next instance. `current` is false for submitted items whose epoch is no longer in
   * force: they are skipped. `requests` are this replica's own submissions, one an item, when this very value was theirs.
   */
  | {
      readonly kind: 'apply';
      readonly instance: Instance;
      readonly value: Value;
      readonly epoch: Epoch;
      readonly current: boolean;
      readonly requests: readonly RequestId[] | null;
    }
  /**
   * These submissions came to nothing (never proposed, or another value was chosen in their place); with 'unknown' their
   * instances were skipped by a snapshot and nobody here can tell.
   */
  | {
      readonly kind: 'settle';
      readonly requests: readonly RequestId[];
      readonly reason: 'not-master' | 'overloaded' | 'configuration-refused' | 'replaced' | 'unknown';
    }
  /** What the members hold at one instance was put side by side; again when one more has reported. */
  | { readonly kind: 'compared'; readonly comparison: ComparedDatabases }
  /** This replica's database is not the right one: it takes no part until it has that again. Build it anew. */
  | { readonly kind: 'set-aside'; readonly evidence: DatabaseEvidence }
  /** It has it again, and takes part. */
  | { readonly kind: 'taken-back'; readonly instance: Instance }
  /** Members do not have the same log: freeze, and tell all (design §5). */
  | { readonly kind: 'fork-seen'; readonly instance: Instance; readonly branches: readonly ForkBranch[] }
  /** A member that was set aside waits for a check, which only a master can have logged. */
  | { readonly kind: 'check-wanted' }
  /** This replica is out, and nobody will want to know anything of it any more: it may end. */
  | { readonly kind: 'parted' }
  /** This replica cannot catch up from logs any more: fetch a snapshot above `above` from a peer, `provider` preferred. */
  | { readonly kind: 'fetch-snapshot'; readonly provider: ReplicaId; readonly above: Instance }
  /** Mastership began, ended or moved; for people and metrics. */
  | {
      readonly kind: 'mastership';
      readonly role: 'master' | 'candidate' | 'replica';
      readonly cause: string;
      readonly ballot: Ballot;
    }
  /** What was bad above `above` does not matter any more. */
  | { readonly kind: 'bad-settled'; readonly above: Instance }
  /** All members have answered, and of `item` nobody can tell what was accepted: this replica does nothing any more. */
  | { readonly kind: 'halted'; readonly item: BadItem }
  /** One of this replica's state machines moved; for the log and for coverage, nothing depends on it. */
  | { readonly kind: 'transition'; readonly transition: Transition; readonly cause: string }
  /** Call `step({kind: 'woken'})` at or soon after `at`; replaces the wake asked for before. */
  | { readonly kind: 'wake'; readonly at: MonotonicMs };
