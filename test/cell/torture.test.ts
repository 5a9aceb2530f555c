/** A sample of `test/full/torture.test.ts`: concurrent clients on real replicas that are killed, stopped and frozen. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withCell } from '../support/cell-process.ts';
import { faults } from '../support/torture/faults.ts';
import { torture } from '../support/torture/torture.ts';
import { buildTunedReplica, type TunedProgram, tunedEnv } from '../support/tuned-program.ts';

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());

it('three replicas under faults lose nothing, read nothing stale and stay one database', {
  timeout: 120_000,
}, async () => {
  const seed = process.env.PAXOSCTL_TORTURE_SEED ?? String(Date.now());
  // One member snapshots and cuts its log all the time, so that others come back to a log that is gone.
  const programOf = (at: number) => (at === 1 ? tuned.program : undefined);
  const env = tunedEnv({
    snapshotLogBytes: 64 * 1024,
    segmentBytes: 128 * 1024,
    limits: { retainBehindSnapshotInstances: 16 },
  });
  const sample = faults.slice(0, 8);
  const report = await withCell({ replicas: 3, programOf, env }, (cell) =>
    torture(cell, { rounds: sample.length, seed, faults: sample }),
  );
  process.stderr.write(`torture, seed ${seed}: ${JSON.stringify(report)}\n`);
  expect(report.rounds).toBe(sample.length);
  expect(report.outcomes.ok).toBeGreaterThan(300);
  expect(report.counted).toBeGreaterThan(10);
});
