/** Cells that somebody goes back to backups of while everything goes wrong, and the checkers of generations (design §1, §3 "Generations"). */
import { describe, expect, test } from 'vitest';
import { SimulatedCell } from '../../src/simulator/cell.ts';
import { BranchedReplay } from '../../src/simulator/checkers/branched-replay.ts';
import { LeaseExclusionChecker } from '../../src/simulator/checkers/lease-exclusion.ts';
import { type Branch, Lineage } from '../../src/simulator/checkers/lineage.ts';
import { PriceChecker } from '../../src/simulator/checkers/prices.ts';
import { History, instanceAt, readPosition } from '../../src/simulator/history.ts';

const apart = 2 ** 40;
const begins = (lineage: Lineage, generation: number, start: number): Branch =>
  lineage.begins({ generation, generationId: `g${generation}`, numbers: (generation - 1) * apart, start }, 0) as Branch;

describe('cells that go back to backups', () => {
  test('lose what was accepted and nothing else, and end in one generation', async () => {
    const options = { seed: 'generations/1', replicas: 3, hours: 0.004, mode: null, operators: 'generations' } as const;
    const profile = {
      ...{ leaseMs: 300, clockStepMs: 0, timerLatenessMs: 0, flushMeanMs: 0.2 },
      faultEveryMs: { crash: 5_000, 'backup-sequence': 700, 'restore-sequence': 1_000 },
    };
    const { violation, faults } = await new SimulatedCell({ ...options, profile }).run();
    expect(violation === null ? null : { ...violation, trace: [] }).toBeNull();
    expect((faults['restore-done'] ?? 0) + (faults['restore-found-done'] ?? 0)).toBeGreaterThan(1);
  });
});

describe('the lineage of generations', () => {
  test('has of each what led to it, over those that were given up', () => {
    const lineage = new Lineage();
    const second = begins(lineage, 2, 20);
    const third = begins(lineage, 3, 50);
    expect([second, third].map((it) => it.parent?.generation)).toEqual([1, 1]);
    expect(third.before).toBe(second);
    expect([20, 21, apart + 1].map((it) => lineage.contains(second, it))).toEqual([true, false, true]);
    expect([50, 51, apart + 1].map((it) => lineage.contains(third, it))).toEqual([true, false, false]);
    expect([20, 21, apart + 1].map((it) => lineage.isGivenUp(it))).toEqual([false, true, true]);
  });

  test.each([
    ['of another id', { generation: 2, generationId: 'other', numbers: apart, start: 20 }],
    ['with other numbers', { generation: 2, generationId: 'g2', numbers: 2 * apart, start: 20 }],
    ['from another point', { generation: 2, generationId: 'g2', numbers: apart, start: 21 }],
  ])('refuses a second generation of one number %s', (_, other) => {
    const lineage = new Lineage();
    begins(lineage, 2, 20);
    expect(() => lineage.begins(other, 0)).toThrow(/two generations 2 have begun/);
  });

  test('puts every place of a later generation behind those of an earlier one', () => {
    expect(readPosition(apart + 1)).toBeGreaterThan(readPosition(1_000_000));
    expect(instanceAt(readPosition(5 * apart + 7))).toBe(5 * apart + 7);
    expect(Number.isSafeInteger(readPosition(1_000 * apart + 7))).toBe(true);
  });
});

describe('a generation', () => {
  test('that nobody has asked for is a violation', () => {
    const lineage = new Lineage();
    const history = new History();
    const replay = new BranchedReplay(history, lineage, true);
    replay.begins(begins(lineage, 2, 0));
    expect(() => new PriceChecker().check(lineage, replay, history)).toThrow(/nobody has asked/);
    const asked = new PriceChecker();
    asked.accepted('g2', { typed: 0, counted: 0, proven: 0 });
    asked.check(lineage, replay, history);
    asked.accepted('g2', { typed: 3, counted: 3, proven: 3 });
    expect(() => asked.check(lineage, replay, history)).toThrow(/a loss of 3 was shown/);
  });

  test('that costs more acknowledged writes than were typed, or than the program has counted, is a violation', () => {
    const lineage = new Lineage();
    begins(lineage, 2, 0);
    const replay = { givenUpBy: () => [1, 2, 3], revisionsGivenUpBy: () => 3 } as unknown as BranchedReplay;
    const priced = (typed: number, counted: number): PriceChecker => {
      const checker = new PriceChecker();
      checker.accepted('g2', { typed, counted, proven: counted });
      return checker;
    };
    priced(3, 3).check(lineage, replay, new History());
    for (const [typed, counted] of [
      [2, 3],
      [1_000, 2],
    ] as const) {
      const check = (): void => priced(typed, counted).check(lineage, replay, new History());
      expect(check).toThrow(/lost 3 acknowledged writes for the price of 2/);
    }
  });

  test('begins from nothing that nobody has applied or kept', () => {
    const lineage = new Lineage();
    const replay = new BranchedReplay(new History(), lineage, true);
    expect(() => replay.begins(begins(lineage, 2, 7))).toThrow(/nobody has applied or kept instance 1/);
  });

  test('in which something was chosen ends all leases of the ones before', () => {
    const lease = new LeaseExclusionChecker();
    const ballot = { round: 9, name: 'n1', incarnation: 1 } as const;
    const serves = (generation: number) => [{ name: 'n1', generation, serving: { ballot } }];
    lease.chosen(ballot, 1);
    lease.check(serves(1));
    lease.chosen({ round: 1, name: 'n1', incarnation: apart }, 2);
    expect(() => lease.check(serves(1))).toThrow(/a generation that is over/);
  });
});
