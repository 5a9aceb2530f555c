/** Whose turn it may be, forward and back, and what keeps a member from being taken away. Pure. */
import type { MemberProgress } from './journal.ts';
import { newcomers } from './membership.ts';
import { isLate, record, resting, step, stop, tried, waitOrStop } from './next-action.ts';
import { findingText, preflight } from './preflight.ts';
import { type Seen, seenMember, unwell } from './seen.ts';
import type { Action, Situation } from './situation.ts';

/** By its own word, and not that of whoever answers at its address. */
export function runsOther(seen: Seen, { name }: MemberProgress, version: string): boolean {
  const status = seenMember(seen, name)?.status ?? null;
  return status !== null && status.name === name && status.version !== version;
}

/** Who does not say which version it runs; null when all do. */
export function unheard(seen: Seen): string | null {
  const it = seen.members.find(({ member, status }) => status === null || status.name !== member.name);
  return it === undefined ? null : `${it.member.name} does not say which version it runs`;
}

/** Nothing was wrong that could be put back, and nothing is known to be right: 8. */
export function waitOrGiveUp(now: Situation, why: string): Action {
  if (!isLate(now, 'look')) return { do: 'wait', what: 'look', why };
  if (resting.has(now.attempt.state)) return { do: 'done', code: 8, reason: why };
  const stopped = { ...now.attempt, state: 'stopped', stop: { member: null, reason: why, judged: false } } as const;
  return record(now, stopped, step(null, 'stop', 'failed', why));
}

/** Whoever became a member since the attempt began takes part in it from now on. */
export function adopted(now: Situation, attempt = now.attempt): Action | null {
  const { seen } = now;
  const [newcomer] = newcomers(attempt, seen);
  if (newcomer === undefined) return null;
  const members = [...attempt.members, newcomer];
  return record(
    now,
    { ...attempt, members },
    step(newcomer.name, 'join', 'note', 'is a member since the attempt began'),
  );
}

/** Null when the member may be taken away now. */
export function mayTurn(now: Situation, { name }: MemberProgress): Action | null {
  const { options, seen } = now;
  const { minTolerance, diskFreeBytesMin } = options;
  const goingBack = options.goal !== 'run';
  const findings = preflight(seen, { turn: name, minTolerance, diskFreeBytesMin, goingBack });
  const [first] = findings;
  if (first !== undefined) {
    const why = findings.map(findingText).join('; ');
    // Who could not be asked was not found wrong.
    const judged = findings.every(({ unknown }) => !unknown);
    return findings.every(({ passing }) => passing)
      ? waitOrStop(now, `turn ${name}`, name, why, { judged })
      : stop(now, name, `before the turn of ${name}: ${why}`, { judged });
  }
  const foreign = goingBack ? null : leftBehind(now, name);
  if (foreign !== null) return foreign;
  if (seen.master !== name) return null;
  const successors = seen.members.filter(
    (it) => it.member.voting && it.member.name !== name && unwell(it, seen) === null,
  );
  const upgraded = successors.find((it) => it.status?.version === now.attempt.to);
  const to = (options.goal === 'run' ? upgraded : undefined) ?? successors[0];
  if (to === undefined) return waitOrStop(now, `transfer ${name}`, name, `nobody can be master instead of ${name}`);
  return tried(now, `transfer ${name}`, name, { do: 'transfer', from: name, to: to.member.name });
}

/**
 * Null when nothing of another attempt lies on any member. Asked again for each turn: a restart may have put something there, or somebody
 * who mended the member before (PML §7: what a failed upgrade had left was met by the next one).
 */
export function leftBehind(now: Situation, turn: string | null): Action | null {
  const { scanned } = now.session;
  if (scanned === null || scanned.turn !== turn) return { do: 'scan', turn };
  const { findings } = scanned;
  if (findings.length === 0) return null;
  const why = findings.map(findingText).join('; ');
  const when = turn === null ? 'before all is said to be done' : `before the turn of ${turn}`;
  if (findings.some(({ unknown }) => !unknown)) return stop(now, turn, `${when}: ${why}`, { judged: true });
  return waitOrStop(now, `scan ${turn ?? 'all'}`, turn, `${when}: ${why}`, { judged: false });
}
