/**
 * What replicas say to each other. The transport adds who, to whom, boot and flush number; the core sees only these.
 *
 * Source: PML §4 (propose, promise, accept, acknowledge, commit), PMS §2. Pre-vote and catch-up are ours: design §3.
 */
import type { BadItem, ItemIdentity } from './bad-item.ts';
import type { Ballot } from './ballot.ts';
import type { DatabaseDigests } from './database-comparison.ts';
import type { FreezeEvidence } from './freeze.ts';
import type { Instance, ReplicaId } from './identity.ts';
import type { Value } from './value.ts';

/** A value that a replica accepted in a ballot. */
export interface AcceptedEntry {
  readonly instance: Instance;
  readonly ballot: Ballot;
  readonly value: Value;
}

/** The outgoing master's word that its lease is over, carried by the successor's prepare. */
export interface Release {
  /** Who released, and the highest ballot it led. A grantor honours it for a grant to that owner at that ballot or below. */
  readonly ballot: Ballot;
  readonly successor: ReplicaId;
}

export type Message =
  /** Could I win at `ballot`? Raises nobody's promise. `nonce` names the attempt. */
  | {
      readonly kind: 'pre-vote';
      readonly ballot: Ballot;
      readonly nonce: number;
      readonly chosenUpTo: Instance;
    }
  | {
      readonly kind: 'pre-vote-reply';
      readonly ballot: Ballot;
      readonly nonce: number;
      readonly granted: boolean;
      readonly promised: Ballot;
      /** How far the responder knows the chosen values: a candidate that is behind catches up first. */
      readonly chosenUpTo: Instance;
    }
  /** Phase 1 for every instance from `from` on. */
  | {
      readonly kind: 'prepare';
      readonly ballot: Ballot;
      readonly nonce: number;
      readonly from: Instance;
      readonly release: Release | null;
    }
  /** One page of a promise; it counts only when all pages up to `last` of the same ballot and nonce are in. */
  | {
      readonly kind: 'promise';
      readonly ballot: Ballot;
      readonly nonce: number;
      readonly from: Instance;
      readonly page: number;
      readonly last: boolean;
      /** Entries up to here are the chosen values. Above the asked `from` only where something in between is bad. */
      readonly chosenUpTo: Instance;
      readonly entries: readonly AcceptedEntry[];
      /** What this replica had and can read no more: no evidence that nothing was accepted. On the last page. */
      readonly bad: readonly BadItem[];
    }
  /** Refusal of a prepare or accept at `ballot`; `promised` is higher, or a lease forbids, or the candidate is behind. */
  | {
      readonly kind: 'reject';
      readonly ballot: Ballot;
      readonly nonce: number;
      readonly reason: 'promised' | 'lease' | 'behind';
      readonly promised: Ballot;
      readonly chosenUpTo: Instance;
    }
  /** Phase 2. Sent live by the master, it also grants the lease (PML §5.2). Everything up to `chosenUpTo` is chosen. */
  | {
      readonly kind: 'accept';
      readonly ballot: Ballot;
      readonly instance: Instance;
      readonly value: Value;
      readonly chosenUpTo: Instance;
      readonly leaseMs: number;
    }
  | {
      readonly kind: 'accepted';
      readonly ballot: Ballot;
      readonly instance: Instance;
      readonly chosenUpTo: Instance;
      readonly appliedUpTo: Instance;
    }
  /** Everything up to `chosenUpTo` is chosen; what the receiver accepted in exactly `ballot` is the chosen value. */
  | { readonly kind: 'commit'; readonly ballot: Ballot; readonly chosenUpTo: Instance }
  | { readonly kind: 'catch-up'; readonly nonce: number; readonly from: Instance; readonly to: Instance }
  /** Chosen entries only, contiguous from the asked `from`; empty when `firstRetained` is above it: fetch a snapshot. */
  | {
      readonly kind: 'catch-up-reply';
      readonly nonce: number;
      readonly entries: readonly AcceptedEntry[];
      readonly chosenUpTo: Instance;
      readonly firstRetained: Instance;
    }
  /** Who has a copy of what `identity` names, or knows the chosen value? `nonce` names the attempt of phase 1. */
  | {
      readonly kind: 'item-request';
      readonly nonce: number;
      readonly instance: Instance;
      readonly identity: ItemIdentity | null;
    }
  /** `entry` is null without one. `chosen`: it is the chosen value. `chosenUpTo` as in a pre-vote's answer. */
  | {
      readonly kind: 'item';
      readonly nonce: number;
      readonly instance: Instance;
      readonly entry: AcceptedEntry | null;
      readonly chosen: boolean;
      readonly chosenUpTo: Instance;
    }
  /**
   * Nobody knows how much of the sender's log is gone; all of it was at or below `ballot`. Whoever leads in a higher one can
   * say what of it does not matter any more.
   */
  | { readonly kind: 'unsettled'; readonly ballot: Ballot }
  /** Above `above` nothing accepted below `ballot` can be chosen any more: whatever was bad there does not matter. */
  | { readonly kind: 'settled'; readonly ballot: Ballot; readonly above: Instance }
  /** The master gave up its lease for good; `successor` may prepare at once with it. */
  | { readonly kind: 'release'; readonly release: Release }
  /**
   * What the sender's database is at an instance (design §5). `full`: digested anew from all that is stored, else the sum that
   * is kept up with each operation. With `answer` the receiver says what its own is, as soon as it knows.
   */
  | { readonly kind: 'digests'; readonly digests: DatabaseDigests; readonly answer: boolean }
  /** The sender is set aside and has rebuilt its database: at which instance may it compare it? For the master. */
  | { readonly kind: 'check-wanted' }
  /** The sender is frozen; whoever hears it freezes too. Handled by the runtime, which makes it durable first. */
  | { readonly kind: 'frozen'; readonly evidence: FreezeEvidence };
