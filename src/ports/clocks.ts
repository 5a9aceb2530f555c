/** Time, as the runtime needs it. Adapter: `adapters/clocks-node`; twin: `simulator/virtual-clock`. */

import type { MonotonicMs } from '../core/consensus/identity.ts';
import type { Clocks } from '../core/consensus/input.ts';

export interface ClockPort {
  /** All three clocks, read now (the boot-time one at most once a turn of the event loop). */
  now(): Clocks;
  /** Calls back at or after `at`, never early, never synchronously. */
  schedule(at: MonotonicMs, callback: () => void): Timer;
  /** Calls back once in the next turn, after what has already arrived in this one was read. */
  nextTurn(callback: () => void): void;
}

export interface Timer {
  cancel(): void;
}

/** The time `ms` milliseconds after now, for {@link ClockPort.schedule}. */
export const fromNow = (clocks: ClockPort, ms: number): MonotonicMs => (clocks.now().monotonicMs + ms) as MonotonicMs;
