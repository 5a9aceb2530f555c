/** The end of an upgrade: the level is raised, and nothing of the attempt is left anywhere. Pure. */
import { isRaised } from './journal.ts';
import { isGone, presentOf } from './membership.ts';
import { record, step, tried, waitOrRefuse } from './next-action.ts';
import { type SeenMember, seenMember, spokenByAll, unwell } from './seen.ts';
import type { Action, Situation } from './situation.ts';
import { adopted } from './turns.ts';

export function decideFinalize(now: Situation): Action {
  const { attempt, options, seen, session } = now;
  const present = seenMember(seen, seen.master ?? '')?.status?.level ?? null;
  if (attempt.state === 'upgraded') {
    for (const it of seen.members) {
      const { name } = it.member;
      const why = offTarget(now, it);
      if (why !== null) return waitOrRefuse(now, `finalize ${name}`, `${name} ${why}`);
      const up = it.status?.uptimeMs ?? 0;
      if (up < options.soakMs) {
        const seconds = (ms: number): number => Math.round(ms / 1000);
        const reason = `${name} has run version ${attempt.to} for ${seconds(up)} s, ${seconds(options.soakMs)} s are asked for`;
        return { do: 'done', code: 5, reason };
      }
    }
    const raiseTo = spokenByAll(seen);
    if (present === null || raiseTo === null || raiseTo < present)
      return waitOrRefuse(now, 'level', 'not every member answers');
    const boot = seenMember(seen, seen.master ?? '')?.status?.boot.id ?? '';
    if (session.verified === null) return { do: 'verify', member: seen.master ?? '', boot };
    const { detail, verdict } = session.verified;
    if (verdict === 'incomplete') return waitOrRefuse(now, 'compare', detail);
    if (verdict === 'differ') return { do: 'done', code: 5, reason: detail };
    const what =
      raiseTo > present ? `no way back from here, to level ${raiseTo}` : `nothing is raised, level ${present} stays`;
    const said = step(null, 'finalize', 'begun', what);
    return tried(
      now,
      'announce',
      null,
      record(now, { ...attempt, state: 'finalizing', raiseTo, raiseFrom: present }, said),
    );
  }
  const level = attempt.raiseTo ?? 0;
  if (present === null) return waitOrRefuse(now, 'level', 'nobody is master');
  if (isRaised(attempt, present)) return clearAll(now, 'finalized');
  // Decided once, with every member on the target: who left it since is not to decide what the cell is raised to, and where it is not
  // raised nothing but this look keeps that one from being called final.
  for (const it of seen.members) {
    const why = offTarget(now, it);
    if (why !== null) return waitOrRefuse(now, `finalize ${it.member.name}`, `${it.member.name} ${why}`);
  }
  return present >= level ? clearAll(now, 'finalized') : tried(now, 'raise', null, { do: 'raise', level });
}

/** Why a member is not what is to be made final; null where it is. */
function offTarget({ attempt, seen }: Situation, it: SeenMember): string | null {
  const why = unwell(it, seen);
  if (why !== null) return why;
  return it.status?.version === attempt.to ? null : `runs version ${it.status?.version} instead of ${attempt.to}`;
}

/** Every member says, signed, that nothing of the attempt is left there: only then is it over. */
export function clearAll(now: Situation, end: 'finalized' | 'aborted-clean'): Action {
  const { attempt, seen } = now;
  // Who is no member any more can come back only as another incarnation, and what it then has blocks the next attempt.
  const joined = adopted(now);
  if (joined !== null) return joined;
  const left = attempt.members.find((it) => it.cleared === null && !isGone(seen, it));
  if (left !== undefined) {
    const member = { ...left, ...presentOf(seen, left.name) };
    return tried(now, `clear ${left.name}`, left.name, { do: 'clear', member });
  }
  const said = step(null, end === 'finalized' ? 'finalize' : 'abort', 'done', 'every member is clean');
  return record(now, { ...attempt, state: end }, said, { end: true });
}
