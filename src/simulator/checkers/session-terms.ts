/**
 * Sessions (I20): none is called expired before it has been silent for as long as it was promised, in true time.
 *
 * Source: design §3 "Exactly once"; pitfalls P54. Cell time follows the masters' clocks, which may be fast by half the promised drift.
 */
import type { ExpiredSession } from './reference-coordination.ts';
import { Violation } from './violation.ts';

export interface SessionTerm {
  readonly session: string;
  readonly ttlMs: number;
  /** When the last request that it answered was first sent: it was alive then. */
  readonly aliveMs: number;
}

/** What so long a time of the cell takes at least in true time. */
export const leastMs = (cellMs: number, driftPpm: number): number => cellMs * (1 - driftPpm / 1_000_000);

/** The cell says that the session is expired, at `nowMs`. @throws {Violation} */
export function checkExpiry({ session, ttlMs, aliveMs }: SessionTerm, nowMs: number, driftPpm: number): void {
  if (nowMs - aliveMs >= leastMs(ttlMs, driftPpm)) return;
  throw new Violation('session', `session ${session} has expired after ${Math.round(nowMs - aliveMs)} of ${ttlMs} ms`);
}

/** Clocks may go in steps this long. */
const clockStepMsMax = 16;

/** Under each new master a session has its full time once more (CHB §2.9): while there was none, nobody could keep it alive. */
export class FreshTerms {
  readonly #driftPpm: number;
  /** The newest master's epoch has begun then: it cannot have counted from before that. */
  #begunMs = 0;

  constructor(driftPpm: number) {
    this.#driftPpm = driftPpm;
  }

  mastershipBegins(nowMs: number): void {
    this.#begunMs = nowMs;
  }

  /** The newest master has ended it, at `nowMs` at the latest. @throws {Violation} */
  expired({ session, ttlMs }: ExpiredSession, nowMs: number): void {
    const givenMs = nowMs - this.#begunMs + clockStepMsMax;
    if (givenMs >= leastMs(ttlMs, this.#driftPpm)) return;
    throw new Violation('session', `a new master has ended session ${session} without a fresh term`, {
      ttlMs,
      sinceMastershipMs: nowMs - this.#begunMs,
    });
  }
}
