/**
 * Many short random schedules over the core: crashes, losses, copies, reordering, pauses, slow disks, clocks, snapshots,
 * hand-overs, membership changes; then healing and progress. `LogChecker` looks at every step.
 */
import { describe, expect, test } from 'vitest';
import { exploreLog, type Schedule, transcriptOf } from '../../support/random-schedules.ts';

const full = process.env.PAXOSCTL_TEST_FULL === '1';
const schedules = full ? 20_000 : 300;

function explore(schedule: Schedule): number {
  try {
    return exploreLog(schedule).hash;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${JSON.stringify(schedule)}: ${why}\n${transcriptOf(schedule)}`);
  }
}

describe('under random schedules', () => {
  test.each([
    ['of one membership', false],
    ['with changes of the membership', true],
  ])(
    `${schedules} cells %s violate nothing, and all recover`,
    (_name, memberships) => {
      for (let i = 0; i < schedules; i++) explore({ seed: `schedule ${i}`, memberships });
    },
    full ? 900_000 : 60_000,
  );

  test('the same seed ends in the same state', () => {
    const schedule = { seed: 'again', memberships: true };
    expect(explore(schedule)).toBe(explore(schedule));
  });

  test('most schedules choose something and see several masters: the faults are real and the cell lives', () => {
    const seen = Array.from({ length: 50 }, (_, i) => exploreLog({ seed: `alive ${i}` }));
    expect(seen.filter(({ masters }) => masters > 1).length).toBeGreaterThan(30);
    expect(seen.filter(({ applied }) => applied > 3).length).toBeGreaterThan(25);
    expect(seen.reduce((sum, { chosen }) => sum + chosen, 0)).toBeGreaterThan(2000);
  });
});
