/** The way back: one member that is doubted, or all of them. Pure. */
import { clearAll } from './finalize.ts';
import { type MemberProgress, type Step, withMember } from './journal.ts';
import { isGone, presentOf, uncleared } from './membership.ts';
import { isLate, record, restartMs, step, waitOrRefuse } from './next-action.ts';
import { beforeOf, commandEnd, judged, verified } from './restart-verdict.ts';
import { seenMember, unwell } from './seen.ts';
import type { Action, Situation } from './situation.ts';
import { adopted, mayTurn, runsOther, unheard, waitOrGiveUp } from './turns.ts';

export function decideBack(now: Situation): Action {
  const { attempt, options } = now;
  if (attempt.state === 'aborting') return everyoneBack(now) ?? clearAll(now, 'aborted-clean');
  if (attempt.state === 'rolled-back') {
    const strayed = everyoneBack(now);
    if (strayed !== null) return strayed;
    if (options.goal === 'rollback') return { do: 'done', code: 0, reason: null };
    return record(now, { ...attempt, state: 'aborting' }, step(null, 'abort', 'begun', 'what is left is deleted'));
  }
  if (attempt.state !== 'rolling-back') {
    const begun = step(null, 'rollback', 'begun', `to version ${attempt.from}`);
    return record(now, { ...attempt, state: 'rolling-back', stop: null }, begun);
  }
  const putting = attempt.members.filter(({ state }) => state === 'putting-back');
  const back = putting.find((it) => !isStuck(now, it));
  if (back !== undefined) return putBack(now, back, 'next');
  const joined = adopted(now);
  if (joined !== null) return joined;
  const [stuck] = putting;
  const untouched: ReadonlySet<string> = new Set(['waiting', 'back']);
  const touched = attempt.members
    .filter((it) => !isGone(now.seen, it) && (!untouched.has(it.state) || runsOther(now.seen, it, attempt.from)))
    .reverse();
  const [first] = touched;
  if (first === undefined) {
    const silent = unheard(now.seen);
    if (silent !== null) return waitOrGiveUp(now, silent);
    const done = step(null, 'rollback', 'done', `every member runs version ${attempt.from}`);
    return record(now, { ...attempt, state: 'rolled-back', upgradedAt: null }, done);
  }
  // One that is no use to the cell anyway may always be restarted; where that did not help, nobody else waits for it.
  const isSick = ({ name }: MemberProgress): boolean => {
    const seenNow = seenMember(now.seen, name);
    return seenNow === null || unwell(seenNow, now.seen) !== null;
  };
  const left = touched.filter((it) => it.state !== 'putting-back');
  const member = left.find(isSick) ?? left.find(({ name }) => name !== now.seen.master) ?? left[0];
  if (member === undefined) return putBack(now, stuck ?? first, 'next');
  const blocked = isSick(member) ? null : mayTurn(now, member);
  if (blocked !== null) return stuck !== undefined && blocked.do === 'wait' ? putBack(now, stuck, 'next') : blocked;
  const it = seenMember(now.seen, member.name);
  const before = it?.status == null ? member.before : beforeOf(now, member);
  return record(
    now,
    withMember(attempt, member.name, {
      ...presentOf(now.seen, member.name),
      state: 'putting-back',
      before,
      doubt: null,
    }),
    step(member.name, 'put back', 'begun', `with version ${attempt.from}`),
  );
}

/** After it, `then` stops the run, or goes on with the next one. */
export function putBack(now: Situation, member: MemberProgress, then: 'stop' | 'next'): Action {
  const { attempt, seen, session } = now;
  if (isGone(seen, member)) return isBack(now, member, then, { state: 'note', detail: 'is no member any more' });
  const status = seenMember(seen, member.name)?.status ?? null;
  const mine = session.restarted?.member === member.name && session.restarted.version === attempt.from;
  const isThere = status?.version === attempt.from && status.name === member.name;
  if (!mine && !isThere) return { do: 'restart', member, version: attempt.from, forward: false };
  const verdict = verified(now, member, judged(now, member, attempt.from));
  if ('do' in verdict) return verdict;
  if (verdict.kind === 'good') {
    const detail = `runs version ${attempt.from} as boot ${status?.boot.number}`;
    return isBack(now, member, then, { state: 'done', detail });
  }
  if (verdict.kind === 'pending' && !isLate(now, `put back ${member.name}`, restartMs(now))) {
    // A member that neither was touched nor restarts by itself has to be restarted after all.
    if (!mine && status === null) {
      return { do: 'restart', member, version: attempt.from, forward: false };
    }
    return { do: 'wait', what: `put back ${member.name}`, why: verdict.why };
  }
  const end = mine ? `; ${commandEnd(now)}` : '';
  const reason = `${member.doubt === null ? '' : `${member.doubt}; `}it could not be put back: ${verdict.why}${end}`;
  const failed = step(member.name, 'put back', 'failed', verdict.why);
  if (then === 'next') return record(now, attempt, failed, { back: true, unless: failed, code: 8, reason });
  const stopped = { ...attempt, state: 'stopped', stop: { member: member.name, reason, judged: false } } as const;
  return record(now, stopped, failed, { back: true });
}

/** It could not be put back, and does not answer still. */
function isStuck({ attempt, seen }: Situation, { name }: MemberProgress): boolean {
  const last = attempt.steps.filter((it) => it.member === name && it.step === 'put back').at(-1);
  return last?.state === 'failed' && (seenMember(seen, name)?.status ?? null) === null;
}

function isBack(
  now: Situation,
  member: MemberProgress,
  then: 'stop' | 'next',
  { detail, state }: Pick<Step, 'state' | 'detail'>,
): Action {
  const back = withMember(now.attempt, member.name, { state: 'back' });
  const said = step(member.name, 'put back', state, detail);
  // Nothing is doubted any more: it has its turn again.
  if (then === 'next' || member.doubt === null) return record(now, back, said, { back: true });
  const why = { member: member.name, reason: member.doubt, judged: true };
  return record(now, { ...back, state: 'stopped', stop: why }, said, { back: true });
}

/** Null while every member runs the version from before: asked anew, and never taken from the journal. Who does not is put back. */
function everyoneBack(now: Situation): Action | null {
  const { attempt, seen } = now;
  if (seen.master === null) return waitOrRefuse(now, 'look', 'nobody is master');
  const joined = adopted(now);
  if (joined !== null) return joined;
  const astray = attempt.members.find((it) => runsOther(seen, it, attempt.from));
  if (astray !== undefined) {
    const version = seenMember(seen, astray.name)?.status?.version;
    const said = step(astray.name, 'put back', 'note', `runs version ${version} again; it is put back once more`);
    return record(now, { ...attempt, state: 'rolling-back', members: attempt.members.map(uncleared) }, said);
  }
  const silent = unheard(seen);
  return silent === null ? null : waitOrRefuse(now, 'look', silent);
}
