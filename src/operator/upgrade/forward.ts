/** The way forward: preparations, one member after the other, and the look at all of them at the end. Pure. */
import { putBack } from './back.ts';
import { type Attempt, type MemberProgress, withMember } from './journal.ts';
import { isGone, presentOf } from './membership.ts';
import { isLate, record, restartMs, step, tried, waitOrRefuse, waitOrStop } from './next-action.ts';
import { beforeOf, commandEnd, judged, verified } from './restart-verdict.ts';
import { seenMember } from './seen.ts';
import type { Action, Situation } from './situation.ts';
import { adopted, leftBehind, mayTurn, runsOther, unheard, waitOrGiveUp } from './turns.ts';

export function decideRun(now: Situation): Action {
  const { attempt } = now;
  if (attempt.state === 'stopped') return stoppedEnd(attempt);
  if (attempt.state === 'upgraded') return everyoneStill(now);
  const back = attempt.members.find(({ state }) => state === 'putting-back');
  if (back !== undefined) return putBack(now, back, 'stop');
  const busy = attempt.members.find(({ state }) => state === 'restarting');
  if (busy !== undefined) return upgradeMember(now, busy);
  return prepare(now) ?? nextTurn(now);
}

/** Mark, backup, the members' folders, rehearsals: nothing of it touches what a replica reads. */
function prepare(now: Situation): Action | null {
  const { attempt, seen } = now;
  if (attempt.mark === null) {
    const master = seen.master === null ? null : (seenMember(seen, seen.master)?.status ?? null);
    if (master === null) return waitOrStop(now, 'mark', null, 'nobody is master');
    const { instance, log, database } = master.checksum;
    const { generation } = master.cell;
    const mark = { generation, epoch: master.epoch, instance, log, checksum: database, revision: master.revision };
    return record(now, { ...attempt, mark }, step(null, 'mark', 'done', `instance ${instance}, epoch ${mark.epoch}`));
  }
  if (attempt.backup === null) return tried(now, 'backup', null, { do: 'backup' });
  const members = attempt.members
    .filter((it) => !isGone(seen, it))
    .map((it) => ({ ...it, ...presentOf(seen, it.name) }));
  const without = members.find(({ begun }) => !begun);
  if (without !== undefined) {
    const begin = { do: 'begin', member: without } as const;
    return tried(now, `begin ${without.name}`, without.name, begin, { judged: false });
  }
  if (attempt.rehearse === null) return null;
  const unrehearsed = members.find(({ rehearsed }) => !rehearsed);
  if (unrehearsed === undefined) return null;
  return tried(now, `rehearse ${unrehearsed.name}`, unrehearsed.name, { do: 'rehearse', member: unrehearsed });
}

/** Followers first, as listed; who is master only when nobody else is left. */
function nextTurn(now: Situation): Action {
  const { attempt, seen } = now;
  const joined = adopted(now);
  if (joined !== null) return joined;
  const strayed = attempt.members.find((it) => it.state === 'upgraded' && runsOther(seen, it, attempt.to));
  if (strayed !== undefined) return again(now, attempt, strayed);
  const left = attempt.members.filter((it) => it.state !== 'upgraded' && !isGone(seen, it));
  const [first] = left;
  if (first === undefined) {
    const silent = unheard(seen);
    if (silent !== null) return waitOrGiveUp(now, silent);
    const foreign = leftBehind(now, null);
    if (foreign !== null) return foreign;
    const done = { ...attempt, state: 'upgraded', upgradedAt: now.at, stop: null } as const;
    return record(now, done, step(null, 'upgrade', 'done', `every member runs version ${attempt.to}`));
  }
  const member = left.find(({ name }) => name !== seen.master) ?? first;
  return (
    mayTurn(now, member) ??
    record(
      now,
      withMember(attempt, member.name, {
        ...presentOf(seen, member.name),
        state: 'restarting',
        before: beforeOf(now, member),
        doubt: null,
      }),
      step(member.name, 'restart', 'begun', `with version ${attempt.to}`),
    )
  );
}

/** A member that was done, and that somebody or something took to another version since, has its turn again. */
export function again(now: Situation, attempt: Attempt, member: MemberProgress): Action {
  const version = seenMember(now.seen, member.name)?.status?.version;
  return record(
    now,
    withMember({ ...attempt, state: 'running', upgradedAt: null }, member.name, { state: 'waiting', doubt: null }),
    step(member.name, 'restart', 'note', `runs version ${version} again; it has another turn`),
  );
}

/** "Every member runs the target" is asked anew, and never taken from the journal. */
function everyoneStill(now: Situation): Action {
  const { attempt, seen } = now;
  if (seen.master === null) return waitOrRefuse(now, 'look', 'nobody is master');
  const joined = adopted(now, { ...attempt, state: 'running', upgradedAt: null });
  if (joined !== null) return joined;
  const strayed = attempt.members.find((it) => runsOther(seen, it, attempt.to));
  if (strayed !== undefined) return again(now, attempt, strayed);
  const silent = unheard(seen);
  return silent === null ? { do: 'done', code: 0, reason: null } : waitOrRefuse(now, 'look', silent);
}

function upgradeMember(now: Situation, member: MemberProgress): Action {
  const { attempt, seen, session } = now;
  const status = seenMember(seen, member.name)?.status ?? null;
  const mine = session.restarted?.member === member.name && session.restarted.version === attempt.to;
  const there = status?.version === attempt.to && status.boot.id !== member.before?.boot.id;
  if (!mine && !there) {
    const restart = { do: 'restart', member, version: attempt.to, forward: true } as const;
    return tried(now, `restart ${member.name}`, member.name, restart);
  }
  const verdict = verified(now, member, judged(now, member, attempt.to));
  if ('do' in verdict) return verdict;
  switch (verdict.kind) {
    case 'good':
      return record(
        now,
        withMember(attempt, member.name, { state: 'upgraded', doubt: null }),
        step(member.name, 'restart', 'done', `runs version ${attempt.to} as boot ${status?.boot.number}`),
      );
    case 'pending':
      return isLate(now, `judge ${member.name}`, restartMs(now))
        ? doubted(now, member, `${verdict.why}; ${commandEnd(now)}`)
        : { do: 'wait', what: `judge ${member.name}`, why: verdict.why };
    case 'doubt':
      return doubted(now, member, verdict.why);
  }
}

function doubted(now: Situation, member: MemberProgress, why: string): Action {
  const attempt = withMember(now.attempt, member.name, { state: 'putting-back', doubt: why });
  return record(now, attempt, step(member.name, 'restart', 'failed', why), { back: true });
}

function stoppedEnd({ stop: why }: Attempt): Action {
  return { do: 'done', code: why?.judged === false ? 8 : 5, reason: why?.reason ?? null };
}
