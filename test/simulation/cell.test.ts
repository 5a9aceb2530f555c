import { describe, expect, test } from 'vitest';
import { allTransitions } from '../../src/core/consensus/transition.ts';
import { type CellReport, type Sabotage, SimulatedCell } from '../../src/simulator/cell.ts';
import { runSimulation } from '../../src/simulator/run.ts';

// Half a simulated minute under faults for each seed here; the full measure is three minutes and thousands of seeds.
const hours = 0.5 / 60;

const explain = ({ violation }: CellReport): string =>
  violation === null ? 'sound' : [violation.property, violation.message, ...violation.trace].join('\n');

describe('a simulated cell', () => {
  test.each([1, 2, 3, 4, 5, 6])(
    'keeps every promise under the faults of seed %i, and heals',
    async (seed) => {
      const report = await new SimulatedCell({ seed, replicas: null, hours, mode: null }).run();
      expect(explain(report)).toBe('sound');
      expect(report.operations).toBeGreaterThan(20);
      expect(report.healedAfterMs).not.toBeNull();
    },
    60_000,
  );

  test('does the same again from the same seed, and something else from another', async () => {
    const hash = async (seed: number): Promise<string> =>
      (await new SimulatedCell({ seed, replicas: 3, hours: hours / 4, mode: 'safety' }).run()).traceHash;
    expect(await hash(7)).toBe(await hash(7));
    expect(await hash(7)).not.toBe(await hash(8));
  }, 60_000);

  test('without faults answers every operation', async () => {
    const report = await new SimulatedCell({ seed: 11, replicas: 3, hours, mode: 'liveness' }).run();
    expect(explain(report)).toBe('sound');
    expect(report.unknown).toBe(0);
  }, 60_000);
});

describe('a broken promise underneath is found', () => {
  const found = async (sabotage: Sabotage): Promise<Set<string>> => {
    const properties = new Set<string>();
    for (let seed = 1; seed <= 12 && properties.size === 0; seed++) {
      const { violation } = await new SimulatedCell({ seed, replicas: 3, hours, mode: 'safety', sabotage }).run();
      if (violation !== null) properties.add(violation.property);
    }
    return properties;
  };

  test('disks that report flushes which they did not do', async () => {
    expect([...(await found('disks-forget'))].join()).toMatch(/recovery|durability/);
  }, 120_000);

  test('a data directory that goes back in time', async () => {
    expect([...(await found('directory-rolled-back'))].join()).toMatch(/durability|ballot-discipline|recovery/);
  }, 120_000);

  test('clocks that drift far beyond the bound', async () => {
    expect([...(await found('clocks-run-wild'))].join()).toMatch(/lease-exclusion|replay/);
  }, 120_000);
});

describe('the simulation', () => {
  test('reports in the shape of the contract and counts what struck', async () => {
    const seen: number[] = [];
    const result = await runSimulation({
      seed: 21,
      runs: 2,
      hours: hours / 4,
      mode: 'safety',
      replicas: 3,
      onProgress: ({ done }) => seen.push(done),
    });
    expect(result).toMatchObject({ ok: true, seed: 21, mode: 'safety' });
    const contract = ['ok', 'seed', 'mode', 'simulatedHours', 'events', 'operations', 'traceHash', 'faults'];
    expect(Object.keys(result)).toEqual(expect.arrayContaining(contract));
    expect(result).not.toHaveProperty('violation');
    expect(result.simulatedHours).toBeGreaterThan((2 * hours) / 4);
    expect(result.traceHash).toMatch(/^[0-9a-f]{16}$/);
    expect(Object.keys(result.faults).length).toBeGreaterThan(2);
    expect(Object.keys(result.transitions)).toEqual(allTransitions.map(({ id }) => id));
    expect(result.transitions['coordinator.opening.opened.serving']).toBeGreaterThanOrEqual(2);
    expect(result.transitions['participation.rebuilding.left.removed']).toBe(0);
    expect(seen).toEqual([1, 2]);
  }, 60_000);
});
