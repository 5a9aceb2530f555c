import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';

const draw = (random: Random, count = 20): number[] => Array.from({ length: count }, () => random.word());

describe('the seeded generator', () => {
  test('gives the same numbers from the same seed, whether it is a number or its text', () => {
    expect(draw(new Random(42))).toEqual(draw(new Random('42')));
  });

  test('keeps giving these numbers: recorded seeds must replay on every version', () => {
    expect(draw(new Random(42), 4)).toMatchInlineSnapshot(`
      [
        2542378283,
        742858673,
        2818949763,
        3574233405,
      ]
    `);
    expect(draw(new Random(42).fork('network'), 2)).toMatchInlineSnapshot(`
      [
        1462398144,
        2846873839,
      ]
    `);
  });

  test('gives unrelated numbers from neighbouring seeds', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 1000; seed++) for (const word of draw(new Random(seed), 4)) seen.add(word);
    expect(seen.size).toBeGreaterThan(3995);
  });

  test('forks by seed and label, not by how much was drawn before', () => {
    const fresh = new Random('cell');
    const used = new Random('cell');
    draw(used);
    expect(draw(used.fork('disk'))).toEqual(draw(fresh.fork('disk')));
    expect(draw(fresh.fork('disk'))).not.toEqual(draw(fresh.fork('network')));
  });

  test('spreads evenly: 16 buckets of next() and below() stay within 5 % of their share', () => {
    const random = new Random(7);
    const nexts = new Array<number>(16).fill(0);
    const belows = new Array<number>(16).fill(0);
    for (let i = 0; i < 160_000; i++) {
      nexts[Math.floor(random.next() * 16)]!++;
      belows[random.below(16)]!++;
    }
    for (const count of [...nexts, ...belows]) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  test('draws once for every chance, whatever its probability', () => {
    const never = new Random(1);
    const always = new Random(1);
    expect(never.chance(0)).toBe(false);
    expect(always.chance(1)).toBe(true);
    expect(draw(never)).toEqual(draw(always));
  });

  test('stays inside ranges and keeps all items when it shuffles', () => {
    const random = new Random(3);
    for (let i = 0; i < 1000; i++) {
      const t = random.betweenLogarithmic(0.01, 20);
      expect(t).toBeGreaterThanOrEqual(0.01);
      expect(t).toBeLessThan(20);
    }
    expect(random.shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
  });

  test('refuses a limit that leaves nothing to draw', () => {
    expect(() => new Random(1).below(0)).toThrow('invariant violated');
  });
});
