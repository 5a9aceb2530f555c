/**
 * Members change while an upgrade is open: one is removed, one is added, one is rebuilt as another incarnation. An attempt that waited
 * for what is gone could neither be finished nor aborted (pitfall U3; design §6.6).
 */
import type { Attempt, MemberProgress } from './journal.ts';
import { type Seen, seenMember } from './seen.ts';

/** A member that is about to have its turn, as the cell has it now. */
export function progressOf(seen: Seen, name: string): MemberProgress {
  const { member } = seenMember(seen, name) as NonNullable<ReturnType<typeof seenMember>>;
  return {
    name,
    url: member.url,
    incarnation: member.incarnation,
    voting: member.voting,
    state: 'waiting',
    begun: false,
    rehearsed: false,
    before: null,
    doubt: null,
    cleared: null,
  };
}

/** As the master says; while nobody is master nobody is known to be gone. */
export const isGone = (seen: Seen, { name }: Pick<MemberProgress, 'name'>): boolean =>
  seen.master !== null && seenMember(seen, name) === null;

/** What the cell counts on under this name now; nothing where it has no such member, or nobody tells. */
export function presentOf(seen: Seen, name: string): Partial<MemberProgress> {
  const it = seen.master === null ? null : seenMember(seen, name);
  if (it === null) return {};
  const { incarnation, url, voting } = it.member;
  return { incarnation, url, voting };
}

/** Members that the attempt does not know. One that runs the target already has had its turn. */
export function newcomers({ members, to }: Attempt, seen: Seen): readonly MemberProgress[] {
  if (seen.master === null) return [];
  return seen.members
    .filter(({ member }) => members.every(({ name }) => name !== member.name))
    .map(({ member, status }) => ({
      ...progressOf(seen, member.name),
      state: status?.version === to ? ('upgraded' as const) : ('waiting' as const),
    }));
}

/** Its folder of the attempt is gone: should the attempt go on there, it is made again, and taken away again at the end. */
export const uncleared = (member: MemberProgress): MemberProgress =>
  member.cleared === null ? member : { ...member, begun: false, cleared: null };
