import { describe, expect, test } from 'vitest';
import { type CellOptions, type CellReport, SimulatedCell } from '../../src/simulator/cell.ts';

const options: CellOptions = { seed: 3, replicas: 3, hours: 0.08 / 60, mode: 'safety' };
const run = (more: Partial<CellOptions> = {}): Promise<CellReport> => new SimulatedCell({ ...options, ...more }).run();

describe('a run from the list of its strikes', () => {
  test('is the same run, after the list went through its text', async () => {
    const drawn = await run();
    expect(drawn.strikes.length).toBeGreaterThan(3);
    const strikes: CellReport['strikes'] = JSON.parse(JSON.stringify(drawn.strikes));
    const repeated = await run({ script: { strikes } });
    expect(repeated.strikes).toEqual(drawn.strikes);
    expect(repeated.traceHash).toBe(drawn.traceHash);
  }, 60_000);

  test('without one strike has all the others as they were', async () => {
    const drawn = await run();
    const strikes = drawn.strikes.slice(1);
    const shorter = await run({ script: { strikes } });
    expect(shorter.strikes).toEqual(strikes);
    expect(shorter.traceHash).not.toBe(drawn.traceHash);
  }, 60_000);

  test('takes what its profile says in place of what the seed drew', async () => {
    const calm = await run({ script: { profile: { leaseMs: 321, faultEveryMs: { crash: 1 } }, strikes: [] } });
    expect(calm.profile.leaseMs).toBe(321);
    expect(calm.strikes).toEqual([]);
  }, 60_000);
});
