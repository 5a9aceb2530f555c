/** Whether a member that was restarted is what it is to be: by its own word, and by the databases of all. Pure. */
import type { MemberProgress } from './journal.ts';
import { judgeRestart, type Verdict } from './judge.ts';
import { presentOf } from './membership.ts';
import { seenMember } from './seen.ts';
import type { Action, Situation } from './situation.ts';
import type { Compared } from './world.ts';

export const commandEnd = ({ session }: Situation): string =>
  session.restarted?.end ?? 'no command was run by this driver';

export function beforeOf({ seen }: Situation, { name }: MemberProgress): MemberProgress['before'] {
  const status = seenMember(seen, name)?.status;
  if (status == null) return null;
  return {
    boot: status.boot,
    applied: status.instances.applied,
    cellApplied: seen.applied,
    warnings: status.warnings,
  };
}

export function judged({ attempt, seen, session }: Situation, member: MemberProgress, version: string): Verdict {
  const { before } = member;
  const mine = session.restarted?.member === member.name && session.restarted.version === version;
  const status = seenMember(seen, member.name)?.status;
  // Put back without ever having been restarted: the boot of before is the right one.
  const untouched = version === attempt.from && !mine && status?.boot.id === before?.boot.id;
  const floor = Math.max(before?.cellApplied ?? 0, before?.applied ?? 0, attempt.mark?.instance ?? 0);
  const bootSeen = mine ? (session.restarted?.bootSeen ?? null) : null;
  // Forward it has to be what it was; on the way back what the cell counts on by now, which may be another incarnation.
  const expected = version === attempt.from ? { ...member, ...presentOf(seen, member.name) } : member;
  // After a first restart went wrong, whatever answers is newer than what was before it.
  const anew = untouched || expected.incarnation !== member.incarnation;
  return judgeRestart(anew ? { ...expected, before: null } : expected, seen, { version, floor, bootSeen });
}

/** A good verdict stands only when all databases agree at one instance of after the restart. */
export function verified(now: Situation, { name }: MemberProgress, verdict: Verdict): Verdict | Action {
  const { seen, session } = now;
  if (verdict.kind !== 'good') return verdict;
  const boot = seenMember(seen, name)?.status?.boot.id ?? '';
  const known = session.verified;
  if (known === null || known.member !== name || known.boot !== boot) return { do: 'verify', member: name, boot };
  if (known.verdict === 'agree' || isEnoughBack(now, name, known)) return verdict;
  return known.verdict === 'differ'
    ? { kind: 'doubt', why: known.detail }
    : { kind: 'pending', why: `checksums could not be compared: ${known.detail}` };
}

/** The way back asks for a quorum alone: a member that is down keeps nobody on a version that is doubted. */
function isEnoughBack({ options, seen }: Situation, name: string, { agreeing, verdict }: Compared): boolean {
  if (verdict !== 'incomplete' || (options.goal !== 'rollback' && options.goal !== 'abort')) return false;
  const voters = seen.members.filter(({ member }) => member.voting).map(({ member }) => member.name);
  const same = voters.filter((voter) => agreeing.includes(voter)).length;
  return agreeing.includes(name) && 2 * same > voters.length;
}
