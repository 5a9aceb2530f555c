/** Who runs cells for somebody who has many of them: in this thread, or in several others (see `worker-pool.ts`). */
import { type CellOptions, type CellReport, SimulatedCell } from './cell.ts';

/** How far a run under way is. */
export interface Pulse {
  readonly simulatedMs: number;
  readonly operations: number;
}

export interface RunHooks {
  /** Gives the run up. */
  readonly signal?: AbortSignal;
  /** A few times a second. */
  readonly onPulse?: (pulse: Pulse) => void;
}

export interface CellRunner {
  /** Runs that go on at a time; more than these wait for their turn. */
  readonly lanes: number;
  /** Null when it was given up. Rejects only when there is something wrong with the runner itself. */
  run(options: CellOptions, hooks?: RunHooks): Promise<CellReport | null>;
  /** Gives up whatever goes on, and takes no more. */
  close(): Promise<void>;
}

/** One after another in this thread, which has no time for anything else meanwhile: a run once begun goes to its end. */
export const runnerHere: CellRunner = {
  lanes: 1,
  run: async (options, { signal } = {}) => (signal?.aborted === true ? null : new SimulatedCell(options).run()),
  close: async () => {},
};
