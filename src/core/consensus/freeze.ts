/**
 * Why a cell stopped: evidence that it went back, or that two histories of it exist (design §4 "Frozen", §5).
 *
 * It is kept by each member, told to all others, and shown to the operator; nothing in the core depends on what it says.
 */
import type { ReplicaId } from './identity.ts';

export const freezeCauses = [
  /** A client's genuine position mark belongs to no point of this history. */
  'mark-outside-history',
  /** As many members as a quorum run on directories older than what they acknowledged. */
  'majority-rolled-back',
  /** Two histories at one instance: different values chosen, or different log chains. */
  'log-fork',
] as const;

export type FreezeCause = (typeof freezeCauses)[number];

export interface FreezeEvidence {
  readonly cause: FreezeCause;
  /** Generation of the cell that it is about. */
  readonly generation: number;
  readonly seenBy: ReplicaId;
  /** Wall clock of `seenBy`; for people. */
  readonly seenAtMs: number;
  /** What contradicts what, in one sentence. */
  readonly text: string;
  /** The numbers and names of it, for programs. */
  readonly facts: Readonly<Record<string, string | number>>;
}
