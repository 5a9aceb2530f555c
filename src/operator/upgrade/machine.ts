/**
 * What to do next in an upgrade: a pure function of the journal, of what the members report, and of what this driver has done.
 *
 * Whatever was done before is found again by looking, so that the driver can be killed between any two actions, and another
 * one can go on elsewhere (design §6). Nothing forward happens that the journal does not announce; what leads back may
 * happen first and be recorded when the cell can choose again.
 */
import {
  type Attempt,
  type AttemptState,
  endStates,
  isRaised,
  type MemberProgress,
  type Step,
  withMember,
  withStep,
} from './journal.ts';
import { judgeRestart, type Verdict } from './judge.ts';
import { isGone, newcomers, presentOf, uncleared } from './membership.ts';
import { type Finding, findingText, preflight } from './preflight.ts';
import { type Seen, type SeenMember, seenMember, spokenByAll, unwell } from './seen.ts';
import type { Compared } from './world.ts';

/** Who restarts a member by hand reads the request first, and logs in somewhere. */
export const manualRestartMsMin = 600_000;

export type Goal = 'run' | 'rollback' | 'abort' | 'finalize';

/** What this driver has done and seen since it started; of an earlier one there is only the journal. */
export interface Session {
  /** Since when the present wait has lasted. */
  readonly waiting: { readonly what: string; readonly sinceMs: number } | null;
  readonly restarted: {
    readonly member: string;
    readonly version: string;
    /** How COMMAND ended, for people: nothing is decided by it. */
    readonly end: string;
    readonly bootSeen: string | null;
  } | null;
  readonly verified: (Compared & { readonly member: string; readonly boot: string }) | null;
  /** What other attempts have left on the members, looked at for this turn; of nobody: before all is said to be done. */
  readonly scanned: { readonly turn: string | null; readonly findings: readonly Finding[] } | null;
  /** An action that did not come to its end. */
  readonly failed: {
    readonly what: string;
    readonly why: string;
    /** Something was found wrong, and not only nothing known. */
    readonly judged: boolean;
  } | null;
}

export const newSession: Session = { waiting: null, restarted: null, verified: null, scanned: null, failed: null };

export interface Options {
  readonly goal: Goal;
  readonly stepTimeoutMs: number;
  readonly minTolerance: number;
  readonly diskFreeBytesMin: number;
  /** Every member must have run the target for so long before it is final. */
  readonly soakMs: number;
}

export interface Situation {
  readonly attempt: Attempt;
  readonly seen: Seen;
  readonly session: Session;
  readonly options: Options;
  readonly nowMs: number;
  /** RFC 3339. */
  readonly at: string;
}

export type Action =
  /** Replace the journal. `end`: the attempt is over. `back`: need not wait for a cell that cannot choose. */
  | { readonly do: 'journal'; readonly attempt: Attempt; readonly end: boolean; readonly back: boolean }
  | { readonly do: 'backup' }
  | { readonly do: 'begin' | 'rehearse' | 'clear'; readonly member: MemberProgress }
  | { readonly do: 'transfer'; readonly from: string; readonly to: string }
  | { readonly do: 'restart'; readonly member: MemberProgress; readonly version: string; readonly forward: boolean }
  | { readonly do: 'verify'; readonly member: string; readonly boot: string }
  | { readonly do: 'scan'; readonly turn: string | null }
  | { readonly do: 'raise'; readonly level: number }
  | { readonly do: 'wait'; readonly what: string; readonly why: string }
  | { readonly do: 'done'; readonly code: 0 | 5 | 8; readonly reason: string | null };

export function decide(now: Situation): Action {
  if (endStates.has(now.attempt.state)) return { do: 'done', code: 0, reason: null };
  switch (now.options.goal) {
    case 'run':
      return decideRun(now);
    case 'rollback':
    case 'abort':
      return decideBack(now);
    case 'finalize':
      return decideFinalize(now);
  }
}

// ---- forward ----

function decideRun(now: Situation): Action {
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
function again(now: Situation, attempt: Attempt, member: MemberProgress): Action {
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

/** By its own word, and not that of whoever answers at its address. */
function runsOther(seen: Seen, { name }: MemberProgress, version: string): boolean {
  const status = seenMember(seen, name)?.status ?? null;
  return status !== null && status.name === name && status.version !== version;
}

/** Who does not say which version it runs; null when all do. */
function unheard(seen: Seen): string | null {
  const it = seen.members.find(({ member, status }) => status === null || status.name !== member.name);
  return it === undefined ? null : `${it.member.name} does not say which version it runs`;
}

/** Nothing was wrong that could be put back, and nothing is known to be right: 8. */
function waitOrGiveUp(now: Situation, why: string): Action {
  if (!isLate(now, 'look')) return { do: 'wait', what: 'look', why };
  if (resting.has(now.attempt.state)) return { do: 'done', code: 8, reason: why };
  const stopped = { ...now.attempt, state: 'stopped', stop: { member: null, reason: why, judged: false } } as const;
  return record(now, stopped, step(null, 'stop', 'failed', why));
}

/** Whoever became a member since the attempt began takes part in it from now on. */
function adopted(now: Situation, attempt = now.attempt): Action | null {
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
function mayTurn(now: Situation, { name }: MemberProgress): Action | null {
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
function leftBehind(now: Situation, turn: string | null): Action | null {
  const { scanned } = now.session;
  if (scanned === null || scanned.turn !== turn) return { do: 'scan', turn };
  const { findings } = scanned;
  if (findings.length === 0) return null;
  const why = findings.map(findingText).join('; ');
  const when = turn === null ? 'before all is said to be done' : `before the turn of ${turn}`;
  if (findings.some(({ unknown }) => !unknown)) return stop(now, turn, `${when}: ${why}`, { judged: true });
  return waitOrStop(now, `scan ${turn ?? 'all'}`, turn, `${when}: ${why}`, { judged: false });
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

const commandEnd = ({ session }: Situation): string => session.restarted?.end ?? 'no command was run by this driver';

function doubted(now: Situation, member: MemberProgress, why: string): Action {
  const attempt = withMember(now.attempt, member.name, { state: 'putting-back', doubt: why });
  return record(now, attempt, step(member.name, 'restart', 'failed', why), { back: true });
}

// ---- back ----

/** After it, `then` stops the run, or goes on with the next one. */
function putBack(now: Situation, member: MemberProgress, then: 'stop' | 'next'): Action {
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

function decideBack(now: Situation): Action {
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

// ---- the end ----

function decideFinalize(now: Situation): Action {
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
function clearAll(now: Situation, end: 'finalized' | 'aborted-clean'): Action {
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

function stoppedEnd({ stop: why }: Attempt): Action {
  return { do: 'done', code: why?.judged === false ? 8 : 5, reason: why?.reason ?? null };
}

// ---- parts ----

type Said = Omit<Step, 'at'>;

const step = (member: string | null, name: string, state: Step['state'], detail: string): Said => ({
  member,
  step: name,
  state,
  detail,
});

function record(
  { at, attempt: known }: Situation,
  attempt: Attempt,
  said: Said,
  more: { end?: boolean; back?: boolean; unless?: Said; code?: 5 | 8; reason?: string } = {},
): Action {
  const { end = false, back = false, unless, code = 8, reason = null } = more;
  const last = known.steps.at(-1);
  // Written down already: what is left is to say so.
  if (
    unless !== undefined &&
    last?.step === unless.step &&
    last.state === unless.state &&
    last.member === unless.member
  ) {
    return { do: 'done', code, reason };
  }
  return { do: 'journal', attempt: withStep(attempt, { ...said, at }), end, back };
}

function beforeOf({ seen }: Situation, { name }: MemberProgress): MemberProgress['before'] {
  const status = seenMember(seen, name)?.status;
  if (status == null) return null;
  return {
    boot: status.boot,
    applied: status.instances.applied,
    cellApplied: seen.applied,
    warnings: status.warnings,
  };
}

function judged({ attempt, seen, session }: Situation, member: MemberProgress, version: string): Verdict {
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
function verified(now: Situation, { name }: MemberProgress, verdict: Verdict): Verdict | Action {
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

const isLate = ({ nowMs, options, session }: Situation, what: string, ms = options.stepTimeoutMs): boolean =>
  session.waiting?.what === what && nowMs - session.waiting.sinceMs >= ms;

const restartMs = ({ attempt, options }: Situation): number =>
  attempt.how === 'manual' ? Math.max(options.stepTimeoutMs, manualRestartMsMin) : options.stepTimeoutMs;

/** An action that is tried again until its time is up. */
function tried(
  now: Situation,
  what: string,
  member: string | null,
  action: Action,
  more?: { readonly judged: boolean },
): Action {
  const { failed } = now.session;
  if (failed?.what !== what) return action;
  if (!isLate(now, what)) return now.session.waiting?.what === what ? action : { do: 'wait', what, why: failed.why };
  return ending(now, member, `${what}: ${failed.why}`, more ?? failed);
}

const waitOrStop = (
  now: Situation,
  what: string,
  member: string | null,
  why: string,
  more = { judged: true },
): Action => (isLate(now, what) ? ending(now, member, why, more) : { do: 'wait', what, why });

const waitOrRefuse = (now: Situation, what: string, why: string): Action =>
  isLate(now, what) ? { do: 'done', code: 8, reason: why } : { do: 'wait', what, why };

const resting: ReadonlySet<AttemptState> = new Set([
  'rolling-back',
  'rolled-back',
  'aborting',
  'finalizing',
  'upgraded',
]);

/** On the way back, and when only cleaning is left, the state says already what is to be done: it is only not done now. */
function ending(now: Situation, member: string | null, reason: string, more: { readonly judged: boolean }): Action {
  if (resting.has(now.attempt.state)) return { do: 'done', code: 8, reason };
  return stop(now, member, reason, more);
}

/** `judged`: something was found wrong (5), and not only nothing known (8). */
function stop(now: Situation, member: string | null, reason: string, { judged }: { readonly judged: boolean }): Action {
  if (resting.has(now.attempt.state)) return { do: 'done', code: judged ? 5 : 8, reason };
  const stopped = { ...now.attempt, state: 'stopped', stop: { member, reason, judged } } as const;
  return record(now, stopped, step(member, 'stop', 'failed', reason));
}
