/**
 * The journal of one upgrade: all that is known of it, as one document in the cell (design §6).
 *
 * Any operator on any machine reads the same one. It is only ever replaced whole, by whoever holds the claim.
 */

import { raiseKey } from '../../formats/levels.ts';
import {
  attemptKey,
  claimKey,
  claimLapsesMs,
  claimRenewedKey,
  currentKey,
  upgradeAttemptsPrefix,
} from '../../formats/upgrade-body.ts';

export type AttemptState =
  /** Members are being upgraded. */
  | 'running'
  /** Every member runs the target; only `finalize` is open. */
  | 'upgraded'
  /** Something was doubtful: the member concerned was put back, the cell serves. */
  | 'stopped'
  | 'rolling-back'
  /** Every member runs the version from before. */
  | 'rolled-back'
  | 'finalizing'
  | 'finalized'
  | 'aborting'
  | 'aborted-clean';

export const endStates: ReadonlySet<AttemptState> = new Set(['finalized', 'aborted-clean']);

export type MemberState = 'waiting' | 'restarting' | 'upgraded' | 'putting-back' | 'back';

/** A member as it was just before it was touched. */
export interface MemberBefore {
  readonly boot: { readonly number: number; readonly id: string };
  readonly applied: number;
  /** The furthest that any member had applied. */
  readonly cellApplied: number;
  readonly warnings: readonly string[];
}

export interface MemberProgress {
  readonly name: string;
  readonly url: string;
  readonly incarnation: number;
  readonly voting: boolean;
  readonly state: MemberState;
  /** Its folder of this attempt exists. */
  readonly begun: boolean;
  readonly rehearsed: boolean;
  readonly before: MemberBefore | null;
  /** Why it is being put back. */
  readonly doubt: string | null;
  /** Its signed word, verified by another member, that nothing of this attempt is left there. */
  readonly cleared: { readonly at: string; readonly signature: string; readonly verifiedBy: string } | null;
}

export interface Mark {
  readonly generation: number;
  readonly epoch: number;
  readonly instance: number;
  readonly log: string;
  readonly checksum: string;
  /** Of the cell then: what was written since is the difference. */
  readonly revision: number;
}

export interface Backup {
  readonly file: string;
  /** Name of the machine that has the file. */
  readonly host: string;
  /** RFC 3339, when it was begun: everything acknowledged before is in it. */
  readonly at: string;
  readonly instance: number;
  readonly bytes: number;
  readonly digest: string;
}

/** One thing that happened, for people and for `history`. */
export interface Step {
  readonly member: string | null;
  readonly step: string;
  readonly state: 'begun' | 'done' | 'failed' | 'note';
  /** RFC 3339, by the driver's clock. */
  readonly at: string;
  readonly detail: string;
}

export interface Attempt {
  readonly attempt: string;
  readonly state: AttemptState;
  readonly cell: string;
  readonly from: string;
  readonly to: string;
  readonly how: 'exec' | 'manual' | 'local';
  readonly exec: string | null;
  readonly rehearse: string | null;
  readonly startedBy: string;
  readonly startedAt: string;
  readonly changedAt: string;
  readonly generation: number;
  readonly mark: Mark | null;
  readonly backup: Backup | null;
  /** Canary first. Who is master when only that one is left is upgraded after a hand-over. */
  readonly members: readonly MemberProgress[];
  readonly steps: readonly Step[];
  /** Why it stopped. */
  readonly stop: { readonly member: string | null; readonly reason: string; readonly judged: boolean } | null;
  /** When every member ran the target. */
  readonly upgradedAt: string | null;
  /** The level that finalizing raises the cell to, decided with the step that begins it; null before. */
  readonly raiseTo: number | null;
  /** The level in force then. */
  readonly raiseFrom?: number;
  /** Not written: a new generation of the cell began while it was open, and left it as history, in the state that it was in. */
  readonly endedBy?: 'new-generation';
}

/** Who drives, by the cell's own entry. */
export interface Claim {
  readonly attempt: string;
  /** `alice@ops1, process 4711` */
  readonly driver: string;
  /** Tells two drivers of one name apart. */
  readonly nonce: string;
}

export const keys = {
  current: currentKey,
  claim: claimKey,
  renewed: claimRenewedKey,
  raise: raiseKey,
  attempt: attemptKey,
  attempts: upgradeAttemptsPrefix,
} as const;

export { claimLapsesMs };
export const claimRenewEveryMs = 1_000;

/** Older steps of an attempt are dropped: a document has to fit into one entry. */
const stepsMax = 300;

export const withStep = (attempt: Attempt, step: Step): Attempt => ({
  ...attempt,
  changedAt: step.at,
  steps: [...attempt.steps, step].slice(-stepsMax),
});

export const withMember = (attempt: Attempt, name: string, change: Partial<MemberProgress>): Attempt => ({
  ...attempt,
  members: attempt.members.map((member) => (member.name === name ? { ...member, ...change } : member)),
});

export const memberOf = (attempt: Attempt, name: string): MemberProgress =>
  attempt.members.find((member) => member.name === name) as MemberProgress;

/** Whether finalizing has raised the level, so that the version from before does not start any more. `level`: of the cell, now. */
export const isRaised = ({ raiseFrom, raiseTo }: Attempt, level: number): boolean =>
  level > (raiseFrom ?? (raiseTo ?? 0) - 1);

/** What to type next, whole commands. `level`: of the cell, where it is known. */
export function nextCommands(attempt: Attempt, level: number | null = null): readonly string[] {
  switch (attempt.state) {
    case 'upgraded':
      return ['paxosctl upgrade finalize', 'paxosctl upgrade rollback'];
    case 'rolled-back':
      return ['paxosctl upgrade abort', 'paxosctl upgrade resume'];
    case 'aborting':
      return ['paxosctl upgrade abort'];
    case 'finalizing':
      return level === null || isRaised(attempt, level)
        ? ['paxosctl upgrade finalize']
        : ['paxosctl upgrade finalize', 'paxosctl upgrade rollback', 'paxosctl upgrade abort'];
    case 'finalized':
    case 'aborted-clean':
      return [];
    case 'rolling-back':
      return ['paxosctl upgrade rollback', 'paxosctl upgrade abort'];
    default:
      return ['paxosctl upgrade resume', 'paxosctl upgrade rollback', 'paxosctl upgrade abort'];
  }
}
