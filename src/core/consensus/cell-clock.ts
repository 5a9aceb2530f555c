/**
 * The cell's own time, as its masters stamp it on what they propose: advanced by the master's monotonic clock, continued
 * by the next master from what is in the log, never read from a wall clock. Source: design §3 "Exactly once".
 */
import type { CellTimeMs, MonotonicMs } from './identity.ts';

export class CellClock {
  #base = 0;
  #sinceMs = 0;
  #last = 0;

  /** This replica became master at `now`, when the log says `time`. */
  continue(time: CellTimeMs, now: MonotonicMs): void {
    this.#base = time;
    this.#sinceMs = now;
    this.#last = time;
  }

  at(now: MonotonicMs): CellTimeMs {
    return Math.max(this.#last, this.#base + Math.floor(now - this.#sinceMs)) as CellTimeMs;
  }

  /** The stamp of a value proposed at `now`; never below an earlier one. */
  stamp(now: MonotonicMs): CellTimeMs {
    const time = this.at(now);
    this.#last = time;
    return time;
  }
}
