/**
 * When the operations of a load are to begin.
 *
 * In a closed loop each worker begins the next when the last was answered: a cell that stalls is asked less, and the stall counts
 * once. In an open loop operations arrive at a fixed rate, whatever the cell does; a latency counts from the moment at which the
 * operation was *to* begin, so that everybody who would have waited behind a stall is counted ("coordinated omission").
 */

/** Milliseconds of `performance.now()`; null when there is none left. */
export interface Arrivals {
  /** Takes the next operation: when it is to begin. `nowMs` is the time at which somebody is free for it. */
  take(nowMs: number): number | null;
  /** Operations whose time came before the end and that nobody took. */
  left(): number;
}

export function closedLoop(untilMs: number): Arrivals {
  return {
    take: (nowMs) => (nowMs < untilMs ? nowMs : null),
    left: () => 0,
  };
}

export interface OpenLoopOptions {
  readonly startMs: number;
  readonly untilMs: number;
  /** Operations a second. */
  readonly rate: number;
  /** How long after `untilMs` what is late is still begun. */
  readonly graceMs: number;
}

export function openLoop({ startMs, untilMs, rate, graceMs }: OpenLoopOptions): Arrivals {
  // Times are floating: the last one that is due at the end itself is none.
  const count = Math.ceil(((untilMs - startMs) * rate) / 1000 - 1e-6);
  let next = 0;
  return {
    take(nowMs) {
      if (next >= count || nowMs >= untilMs + graceMs) return null;
      const dueMs = startMs + (next * 1000) / rate;
      next += 1;
      return dueMs;
    },
    left: () => count - next,
  };
}
