/** What a membership survives, from its roles alone: one rule for whoever tells of it. */

export interface MembersSize {
  readonly voters: number;
  readonly quorum: number;
  /** How many voters may fail while the cell goes on, were all of them well. */
  readonly tolerates: number;
  /** The same once everybody votes who is to vote: one that is rebuilt has its place, and no vote until it has caught up. */
  readonly intended: number;
}

interface Role {
  readonly role: string;
  readonly voting: boolean;
}

const spare = (count: number): number => Math.max(0, count - (Math.floor(count / 2) + 1));

export function sizeOfMembers(members: readonly Role[]): MembersSize {
  const voters = members.filter(({ voting }) => voting).length;
  const meant = members.filter(({ role, voting }) => voting || role === 'rebuilding').length;
  return { voters, quorum: Math.floor(voters / 2) + 1, tolerates: spare(voters), intended: spare(meant) };
}
