/** The cell of a torture run: one member as it is built, the others with hooks, some of which clean up behind them all the time. */
import type { CellProcessOptions } from '../cell-process.ts';
import { type TunedProgram, tunedEnv } from '../tuned-program.ts';

/** Snapshots and cuts of the log all the time, so that others come back to a log that is gone. */
const busy = tunedEnv({
  snapshotLogBytes: 64 * 1024,
  segmentBytes: 128 * 1024,
  limits: { retainBehindSnapshotInstances: 16 },
});

export const torturedCell = (replicas: number, tuned: TunedProgram): CellProcessOptions => ({
  replicas,
  programOf: (at) => (at === 0 ? undefined : tuned.program),
  envOf: (at) => (at % 2 === 1 ? busy : tunedEnv({})),
});
