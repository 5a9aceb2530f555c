/** What the exhaustive search need not look at: exactly the states that another known one covers. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { Flights } from './exhaustive/flights.ts';
import { StateTable } from './exhaustive/state-table.ts';

describe('a table of states', () => {
  const width = 4;
  const keyWidth = 2;
  /** The rest of a tuple as two sets of bits. */
  const covers = (one: Int32Array, other: Int32Array): boolean =>
    [2, 3].every((i) => ((other[i] as number) & ~(one[i] as number)) === 0);

  test('keeps what no other covers, however many there are, and knows how each was reached', () => {
    const random = new Random('covered states');
    const table = new StateTable({ width, keyWidth, covers }, 8);
    const kept: { number: number; tuple: Int32Array; covered: boolean }[] = [];
    for (let i = 0; i < 4_000; i++) {
      const tuple = Int32Array.from([random.below(6), random.below(6), random.below(64), random.below(64)]);
      const alike = kept.filter(
        ({ tuple: known, covered }) => !covered && known[0] === tuple[0] && known[1] === tuple[1],
      );
      const isNew = !alike.some(({ tuple: known }) => covers(known, tuple));
      expect(table.add(tuple, i, i % 3, i * 2)).toBe(isNew);
      if (!isNew) continue;
      for (const known of alike) known.covered = covers(tuple, known.tuple);
      const number = kept.push({ number: kept.length, tuple, covered: false }) - 1;
      expect([table.parent(number), table.mover(number), table.step(number)]).toEqual([i, i % 3, i * 2]);
    }
    expect(table.size).toBe(kept.length);
    expect(table.keys).toBe(36);
    expect(table.superseded).toBe(kept.filter(({ covered }) => covered).length);
    const found = new Int32Array(width);
    for (const { number, tuple, covered } of kept) {
      table.read(number, found);
      expect(found).toEqual(tuple);
      expect(table.isCovered(number)).toBe(covered);
    }
  });
});

test('messages on their way are part of others only when all of them are', () => {
  const random = new Random('flights');
  const flights = new Flights();
  const draw = (): number[] => Array.from({ length: 80 }, (_, i) => i).filter(() => random.chance(0.05));
  const sets = [[], [0], [31], [0, 31], [62], ...Array.from({ length: 60 }, draw)];
  for (const part of sets) {
    for (const all of sets) {
      const within = part.every((message) => all.includes(message));
      expect(flights.has(flights.numberOf(all), flights.numberOf(part)), `${part} in ${all}`).toBe(within);
    }
  }
});
