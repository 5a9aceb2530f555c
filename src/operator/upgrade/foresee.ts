/**
 * What a command of an upgrade would do first: the driver's own decision over the cell as it is, with nothing carried out (contract §1,
 * "--dry-run, checked by the cell, not guessed").
 */
import { compared } from './driver.ts';
import type { Attempt } from './journal.ts';
import { decide } from './machine.ts';
import { foreignResidue } from './scan-all.ts';
import { seenMember } from './seen.ts';
import { type Action, newSession, type Options, type Session } from './situation.ts';
import type { UpgradeWorld } from './world.ts';

const pollMs = 200;

export interface Foreseen {
  readonly attempt: Attempt;
  /** Null when there is nothing left to do, or it would be refused. */
  readonly first: string | null;
  /** As the command itself would end; 0 where it would begin, or has nothing to do. */
  readonly code: 0 | 5 | 8;
  readonly reason: string | null;
  /** Of the cell, at the last look; null where nobody told. */
  readonly level: number | null;
}

/** Looks, waits for what may pass, and compares databases, as the driver does before it changes anything. */
export async function foresee(
  world: UpgradeWorld,
  attempt: Attempt,
  options: Options,
  onWaiting: (why: string) => void,
): Promise<Foreseen> {
  let session: Session = newSession;
  for (;;) {
    const seen = await world.see(attempt.members);
    const level = seenMember(seen, seen.master ?? '')?.status?.level ?? null;
    const action = decide({ attempt, seen, session, options, nowMs: world.nowMs(), at: world.at() });
    switch (action.do) {
      case 'done':
        return { attempt, first: null, code: action.code, reason: action.reason, level };
      case 'wait':
        session = { ...session, verified: null, scanned: null };
        if (session.waiting?.what !== action.what)
          session = { ...session, waiting: { what: action.what, sinceMs: world.nowMs() } };
        onWaiting(action.why);
        await world.sleep(pollMs);
        break;
      case 'verify':
        session = { ...session, verified: { member: action.member, boot: action.boot, ...(await compared(world)) } };
        break;
      case 'scan':
        session = {
          ...session,
          scanned: { turn: action.turn, findings: await foreignResidue(world, attempt) },
        };
        break;
      default:
        return { ...begun(attempt, action), level };
    }
  }
}

/** One that changes something. */
type FirstAction = Exclude<Action, { readonly do: 'done' | 'wait' | 'verify' | 'scan' }>;

function begun(attempt: Attempt, action: FirstAction): Omit<Foreseen, 'level'> {
  const stop = action.do === 'journal' && action.attempt.state === 'stopped' ? action.attempt.stop : null;
  if (stop !== null) return { attempt, first: null, code: stop.judged ? 5 : 8, reason: stop.reason };
  return { attempt, first: textOf(action), code: 0, reason: null };
}

function textOf(action: FirstAction): string {
  switch (action.do) {
    case 'journal': {
      const step = action.attempt.steps.at(-1);
      return [step?.member, step?.step, step?.detail].filter((it) => it != null && it !== '').join(' ');
    }
    case 'restart':
      return `${action.member.name} is restarted with version ${action.version}`;
    case 'transfer':
      return `mastership goes from ${action.from} to ${action.to}`;
    case 'raise':
      return `the cell is raised to level ${action.level}`;
    case 'backup':
      return 'a backup is taken';
    default:
      return `${action.do} ${action.member.name}`;
  }
}
