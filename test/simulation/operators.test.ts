/** Operators at work on simulated cells, beside everything else that goes wrong: pitfalls O1 to O12, design §1. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { SimulatedCell } from '../../src/simulator/cell.ts';
import { operatedKinds } from '../../src/simulator/faults/catalogue.ts';
import { calmNetwork } from '../../src/simulator/network-faults.ts';
import { drawOrders } from '../../src/simulator/operators/order.ts';

describe('cells whose members come and go', () => {
  test.each(['b', 'd'])('keep what they acknowledged, and end with all members running: %s', async (seed) => {
    const cell = new SimulatedCell({
      seed: `operators/${seed}`,
      replicas: 3,
      hours: 0.01,
      mode: null,
      operators: 'often',
    });
    const { violation, faults } = await cell.run();
    expect(violation === null ? null : { ...violation, trace: [] }).toBeNull();
    expect(faults['operator-sequence']).toBeGreaterThan(0);
  });

  test('the same seed is the same run', async () => {
    const options = { seed: 'operators/twice', replicas: 3, hours: 0.005, mode: null, operators: 'often' } as const;
    const [first, second] = [await new SimulatedCell(options).run(), await new SimulatedCell(options).run()];
    expect(second.traceHash).toBe(first.traceHash);
  });
});

describe('without any other fault', () => {
  test.each(operatedKinds)('%s strikes, and everybody is there again in the end', async (kind) => {
    // What the seed draws for another lease would be too slow for this one.
    const network = { ...calmNetwork, delayMsMin: 0.2, delayMsMean: 1 };
    const quick = { leaseMs: 200, network, flushMeanMs: 0.5, timerLatenessMs: 1, clockStepMs: 0 };
    const profile = { ...quick, operated: true, faultEveryMs: { [kind]: 1_500, 'operator-sequence': 8_000 } };
    const cell = new SimulatedCell({ seed: `operators/${kind}`, replicas: 5, hours: 0.01, mode: null, profile });
    const { violation, faults } = await cell.run();
    expect(violation === null ? null : { ...violation, trace: [] }).toBeNull();
    expect(faults[kind]).toBeGreaterThan(0);
  });
});

describe('who comes', () => {
  const scene = { voters: ['n1', 'n2', 'n3'], learners: [], spares: ['n4'], broken: [], leaseMs: 500 };
  const strangers = (upgraded: boolean): number =>
    Array.from({ length: 100 }, (_, i) => drawOrders({ ...scene, upgraded }, new Random(i)))
      .flat()
      .filter(({ strange = false }) => strange).length;

  test('runs a program of another level now and then, where the level rises', () => {
    expect(strangers(true)).toBeGreaterThan(0);
    expect(strangers(false)).toBe(0);
  });
});
