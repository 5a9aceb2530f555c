/**
 * Who decides: the members in force at each instance, and the cell's timing values.
 *
 * Source: PML §5.4 (details withheld there), Lamport 2001 §3 (α window). A configuration is a value in the log from the
 * first day: what is chosen at `i` governs from `i + alpha` on. See docs/DIVERGENCE.md.
 */
import type { Instance, ReplicaId } from './identity.ts';
import { replicaId } from './identity.ts';

export type MemberRole = 'voter' | 'learner' | 'rebuilding';

export interface Member {
  readonly name: string;
  readonly incarnation: number;
  /** A learner takes part without a vote; one that is rebuilding takes the place of an incarnation that was a voter. */
  readonly role: MemberRole;
  /** `http://host:port` where it is reached; a hint for transport, never part of its identity. */
  readonly url: string;
}

export interface Configuration {
  /** Sorted by name in code-unit order; a name stands once. */
  readonly members: readonly Member[];
  /** How far ahead of the last applied instance anybody may propose. Recorded at formation; never a flag. */
  readonly alpha: number;
  /** Length of the lease that a replica grants by accepting from the master, by the grantor's monotonic clock. */
  readonly leaseMs: number;
  /** How far two members' clocks may drift apart, in parts per million of elapsed time. */
  readonly driftPpm: number;
}

export const memberId = (member: Member): ReplicaId => replicaId(member.name, member.incarnation);

/**
 * Of a member whose incarnation is numbered by the instance of the change that admits it (design §3): nobody can know it
 * before that is proposed.
 */
export const incarnationToCome = 0;

/** `configuration` as it is proposed for `instance`. Proposed again there by another master it is the same. */
export function numberedAt(configuration: Configuration, instance: Instance): Configuration {
  if (configuration.members.every(({ incarnation }) => incarnation !== incarnationToCome)) return configuration;
  const numbered = (member: Member): Member =>
    member.incarnation === incarnationToCome ? { ...member, incarnation: instance } : member;
  return { ...configuration, members: configuration.members.map(numbered) };
}

/** One configuration with the first instance that it governs. */
export interface ConfigurationFrom {
  readonly from: Instance;
  readonly configuration: Configuration;
}
