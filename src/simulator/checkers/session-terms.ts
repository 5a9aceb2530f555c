/**
 * Sessions (I20): none is called expired before it has been silent for as long as it was promised, in true time.
 *
 * Source: design §3 "Exactly once"; pitfalls P54. Cell time follows the masters' clocks, which may be fast by half the promised drift.
 */
import { Violation } from './violation.ts';

export interface SessionTerm {
  readonly session: string;
  readonly ttlMs: number;
  /** When the last request that it answered was first sent: it was alive then. */
  readonly aliveMs: number;
}

/** The cell says that the session is expired, at `nowMs`. @throws {Violation} */
export function checkExpiry({ session, ttlMs, aliveMs }: SessionTerm, nowMs: number, driftPpm: number): void {
  const leastMs = ttlMs * (1 - driftPpm / 1_000_000);
  if (nowMs - aliveMs >= leastMs) return;
  throw new Violation('session', `session ${session} has expired after ${Math.round(nowMs - aliveMs)} of ${ttlMs} ms`);
}
