/** How an action of an upgrade is tried again, waited for, written down and given up. Pure. */
import { type Attempt, type AttemptState, type Step, withStep } from './journal.ts';
import { type Action, manualRestartMsMin, type Situation } from './situation.ts';

type Said = Omit<Step, 'at'>;

export const step = (member: string | null, name: string, state: Step['state'], detail: string): Said => ({
  member,
  step: name,
  state,
  detail,
});

export function record(
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

export const isLate = ({ nowMs, options, session }: Situation, what: string, ms = options.stepTimeoutMs): boolean =>
  session.waiting?.what === what && nowMs - session.waiting.sinceMs >= ms;

export const restartMs = ({ attempt, options }: Situation): number =>
  attempt.how === 'manual' ? Math.max(options.stepTimeoutMs, manualRestartMsMin) : options.stepTimeoutMs;

/** An action that is tried again until its time is up. */
export function tried(
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

export const waitOrStop = (
  now: Situation,
  what: string,
  member: string | null,
  why: string,
  more = { judged: true },
): Action => (isLate(now, what) ? ending(now, member, why, more) : { do: 'wait', what, why });

export const waitOrRefuse = (now: Situation, what: string, why: string): Action =>
  isLate(now, what) ? { do: 'done', code: 8, reason: why } : { do: 'wait', what, why };

export const resting: ReadonlySet<AttemptState> = new Set([
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
export function stop(
  now: Situation,
  member: string | null,
  reason: string,
  { judged }: { readonly judged: boolean },
): Action {
  if (resting.has(now.attempt.state)) return { do: 'done', code: judged ? 5 : 8, reason };
  const stopped = { ...now.attempt, state: 'stopped', stop: { member, reason, judged } } as const;
  return record(now, stopped, step(member, 'stop', 'failed', reason));
}
