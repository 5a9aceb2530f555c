/** Whom a replica takes for master, and where it is found. */
import { memberId } from '../core/consensus/configuration.ts';
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { Replica } from '../core/consensus/replica.ts';
import type { ClockPort } from '../ports/clocks.ts';

export interface KnownMaster {
  readonly id: ReplicaId;
  readonly name: string;
  readonly url: string;
}

/** Null when this replica knows of no master now, or has not yet learned who that member is. */
export function knownMaster(core: Replica, clocks: ClockPort): KnownMaster | null {
  const id = core.master(clocks.now());
  if (id === null) return null;
  for (const { configuration } of core.configurations) {
    const member = configuration.members.find((candidate) => memberId(candidate) === id);
    if (member !== undefined) return { id, name: member.name, url: member.url };
  }
  return null;
}
