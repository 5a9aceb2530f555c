/**
 * Majorities, counted as sets of (name, incarnation)s of one configuration, never by arrival.
 *
 * Source: PMS §2; pitfalls P05, P06: a vote counts once, and only from a voter of that instance's configuration.
 */
import { type Configuration, type Member, memberId } from './configuration.ts';
import type { ReplicaId } from './identity.ts';

const votersOf = new WeakMap<Configuration, ReadonlySet<ReplicaId>>();

/** The voters of a configuration; computed once. */
export function voters(configuration: Configuration): ReadonlySet<ReplicaId> {
  let set = votersOf.get(configuration);
  if (set === undefined) {
    set = new Set(configuration.members.filter((member) => member.role === 'voter').map(memberId));
    votersOf.set(configuration, set);
  }
  return set;
}

export const quorumSize = (configuration: Configuration): number => Math.floor(voters(configuration).size / 2) + 1;

/** Do `votes` hold a majority of `configuration`? Votes of anybody else change nothing. */
export function isQuorum(configuration: Configuration, votes: ReadonlySet<ReplicaId>): boolean {
  let count = 0;
  for (const id of voters(configuration)) if (votes.has(id)) count++;
  return count >= quorumSize(configuration);
}

/**
 * At most one voter different, so that majorities of both intersect; names that stand once and in order; and values that make
 * sense. The window is the cell's for good: what it promises about instances that are proposed already must not change.
 */
export function mayFollow(before: Configuration, after: Configuration): boolean {
  if (after.alpha !== before.alpha || !namesRise(after)) return false;
  const [old, next] = [voters(before), voters(after)];
  let different = 0;
  for (const id of old) if (!next.has(id)) different++;
  for (const id of next) if (!old.has(id)) different++;
  return different <= 1 && next.size > 0 && after.leaseMs > 0;
}

/** Sorted by code unit, each name once: two lives of one member never stand side by side. */
const namesRise = ({ members }: Configuration): boolean =>
  members.every(({ name }, at) => at === 0 || (members[at - 1] as Member).name < name);
