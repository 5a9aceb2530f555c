/** What the next step of an upgrade is decided from, and what it may be. */
import type { Attempt, MemberProgress } from './journal.ts';
import type { Finding } from './preflight.ts';
import type { Seen } from './seen.ts';
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
