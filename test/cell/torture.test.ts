/**
 * A sample of `test/full/torture.test.ts`: concurrent clients on real replicas that are killed,
 * stopped, frozen, cut off from each other, and whose disks fail.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withCell } from '../support/cell-process.ts';
import { faults } from '../support/torture/faults.ts';
import { hookFaults } from '../support/torture/hook-faults.ts';
import { torture } from '../support/torture/torture.ts';
import { torturedCell } from '../support/torture/tortured-cell.ts';
import { buildTunedReplica, type TunedProgram } from '../support/tuned-program.ts';

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());

it('three replicas under faults lose nothing, read nothing stale and stay one database', {
  timeout: 120_000,
}, async () => {
  const seed = process.env.PAXOSCTL_TORTURE_SEED ?? String(Date.now());
  const sample = [...faults.slice(0, 6), ...hookFaults.slice(0, 6)];
  const report = await withCell(torturedCell(3, tuned), (cell) =>
    torture(cell, { rounds: sample.length, seed, faults: sample }),
  );
  process.stderr.write(`torture, seed ${seed}: ${JSON.stringify(report)}\n`);
  expect(report.rounds).toBe(sample.length);
  expect(report.outcomes.ok).toBeGreaterThan(300);
  expect(report.counted).toBeGreaterThan(10);
});
