/**
 * Ballots: who may propose, totally ordered.
 *
 * Source: PMS §2.2, PML §4.1 (sequence numbers). Difference: PML's example `s mod n = i` breaks when the membership
 * changes; ours are (round, member name, incarnation). See docs/DIVERGENCE.md.
 */
import { type ReplicaId, replicaId } from './identity.ts';

export interface Ballot {
  /** From 1; 0 only in {@link zeroBallot}. */
  readonly round: number;
  readonly name: string;
  readonly incarnation: number;
}

/** Below every ballot that anybody proposes in. */
export const zeroBallot: Ballot = { round: 0, name: '', incarnation: 0 };

/** Rounds above this are refused wherever they come from, so that nobody can exhaust the ballots (2^48 leaves 2^53 far away). */
export const roundMax = 2 ** 48;

/** Negative, zero or positive, like a sort callback. Names compare by code unit, never by locale. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.round !== b.round) return a.round - b.round;
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.incarnation - b.incarnation;
}

export const ballotsEqual = (a: Ballot, b: Ballot): boolean => a === b || compareBallots(a, b) === 0;

/** The replica that may propose in this ballot. */
export const ballotOwner = (ballot: Ballot): ReplicaId => replicaId(ballot.name, ballot.incarnation);

/** `3.n1#1`, for transcripts and logs. */
export const formatBallot = (ballot: Ballot): string => `${ballot.round}.${ballot.name}#${ballot.incarnation}`;
