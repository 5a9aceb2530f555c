/**
 * What to do next in an upgrade: a pure function of the journal, of what the members report, and of what this driver has done.
 *
 * Whatever was done before is found again by looking, so that the driver can be killed between any two actions, and another
 * one can go on elsewhere (design §6). Nothing forward happens that the journal does not announce; what leads back may
 * happen first and be recorded when the cell can choose again. The ways: `forward.ts`, `back.ts`, `finalize.ts`.
 */
import { decideBack } from './back.ts';
import { decideFinalize } from './finalize.ts';
import { decideRun } from './forward.ts';
import { endStates } from './journal.ts';
import type { Action, Situation } from './situation.ts';

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
