/**
 * Random schedules over the consensus core alone, a sample of what `npm run explore` runs by the million; and proof that the
 * explorer sees a cell that makes the gravest mistake, and can tell it shortly.
 */
import { describe, expect, test } from 'vitest';
import { countsOf } from './coverage.ts';
import { actionsOf, exploreRandom, type Failure } from './explore-random.ts';
import { replay, shrink } from './shrink.ts';
import { transcriptOf } from './transcript.ts';

function told(failure: Failure): string {
  const { profile, actions } = actionsOf(failure);
  return transcriptOf(profile, shrink(profile, actions, failure.rule));
}

describe('random schedules of the consensus core', () => {
  test('2,000 of a fresh seed break no rule, and everything that can happen happens', () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const { failure, coverage } = exploreRandom({ seed, schedules: 2000 });
    expect(failure, failure === null ? '' : `seed ${seed}\n${told(failure)}`).toBeNull();
    expect(countsOf(coverage).filter(([, count]) => count === 0)).toEqual([]);
    expect(coverage.contested).toBeGreaterThan(200);
    expect(coverage.chosen).toBeGreaterThan(5000);
  });

  test('the same seed is the same run', () => {
    const [one, two] = [1, 2].map(() => exploreRandom({ seed: 'again', schedules: 100 }).coverage);
    expect(one).toEqual(two);
  });

  test('a schedule runs alone as it ran among others', () => {
    const parts = [0, 1, 2].map((first) => exploreRandom({ seed: 'parts', first, every: 3, schedules: 20 }));
    const whole = exploreRandom({ seed: 'parts', schedules: 60 });
    expect(parts.reduce((sum, { steps }) => sum + steps, 0)).toBe(whole.steps);
  });
});

describe('a cell whose lost disks come back under the same identity', () => {
  const { failure } = exploreRandom({ seed: 5, schedules: 3000, rejoin: 'same-identity' });

  test('is found out', () => {
    expect(failure?.rule).toMatch(/^I/);
  });

  test('is shown by a short schedule that breaks the same rule again', () => {
    if (failure === null) throw new Error('nothing was found');
    const { profile, actions } = actionsOf(failure, 'same-identity');
    const shortest = shrink(profile, actions, failure.rule, 'same-identity');
    expect(shortest.length).toBeLessThan(actions.length / 2);
    expect(replay(profile, shortest, 'same-identity')?.rule).toBe(failure.rule);
    expect(replay(profile, shortest)?.rule).not.toBe(failure.rule);
    expect(transcriptOf(profile, shortest, 'same-identity').split('\n').at(-1)).toContain(`BROKEN ${failure.rule}: `);
  });
});
