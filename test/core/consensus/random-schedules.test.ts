/**
 * Many short random schedules over the core: crashes, losses, copies, reordering, pauses, slow disks, clocks, snapshots,
 * hand-overs, membership changes; then healing and progress. `LogChecker` looks at every step.
 */
import { describe, expect, test } from 'vitest';
import { TransitionCounts } from '../../../src/simulator/transition-counts.ts';
import { type Explored, exploreLog, type Schedule, transcriptOf } from '../../support/random-schedules.ts';

const full = process.env.PAXOSCTL_TEST_FULL === '1';
const schedules = full ? 20_000 : 300;

function explore(schedule: Schedule): Explored {
  try {
    return exploreLog(schedule);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${JSON.stringify(schedule)}: ${why}\n${transcriptOf(schedule)}`);
  }
}

const counted = new Map<boolean, TransitionCounts>();

/** The moves of the state machines under all schedules, with or without changes of the membership; run once. */
function exploreAll(memberships: boolean): TransitionCounts {
  const known = counted.get(memberships);
  if (known !== undefined) return known;
  const transitions = new TransitionCounts();
  for (let i = 0; i < schedules; i++) transitions.add(explore({ seed: `schedule ${i}`, memberships }).transitions);
  counted.set(memberships, transitions);
  return transitions;
}

/** By what comes from outside the core, which has schedules of its own: `fence.test.ts`, `freeze.test.ts`. */
const movesByEvidence = [
  'participation.waiting.restarted.checking',
  'participation.checking.compared.waiting',
  'participation.checking.left.removed',
  ...['waiting', 'checking', 'learner', 'rebuilding', 'voting'].flatMap((state) => [
    `participation.${state}.rolled-back.halted`,
    `participation.${state}.fork-seen.frozen`,
  ]),
];

describe('under random schedules', () => {
  test.each([
    ['of one membership', false],
    ['with changes of the membership', true],
  ])(
    `${schedules} cells %s violate nothing, and all recover`,
    (_name, memberships) => {
      exploreAll(memberships);
    },
    full ? 900_000 : 60_000,
  );

  test(
    'every move of the state machines happens, but for those of rare-moves, bad-items, freeze and database-comparison',
    () => {
      const rare = [
        'coordinator.asking.release-received.preparing',
        'coordinator.recovering.gave-up.following',
        'coordinator.boosting.outvoted.following',
        'coordinator.handing-over.outvoted.following',
        'participation.waiting.admitted-as-learner[new-incarnation].rebuilding',
        'participation.rebuilding.admitted-as-voter.voting',
        'participation.voting.admitted-as-learner.learner',
        'participation.learner.left.removed',
        'participation.rebuilding.left.removed',
        'participation.voting.cannot-go-on.halted',
        ...movesByEvidence,
        'participation.learner.database-differs.quarantined',
        'participation.rebuilding.database-differs.quarantined',
        'participation.voting.database-differs.quarantined',
        'participation.quarantined.database-rebuilt.waiting',
        'participation.quarantined.left.removed',
        'participation.quarantined.fork-seen.frozen',
        'participation.quarantined.rolled-back.halted',
      ];
      const transitions = new TransitionCounts();
      for (const memberships of [false, true]) transitions.add(exploreAll(memberships).toRecord());
      const never = Object.entries(transitions.toRecord()).flatMap(([move, count]) => (count === 0 ? [move] : []));
      expect(never.filter((move) => !rare.includes(move))).toEqual([]);
    },
    full ? 900_000 : 60_000,
  );

  test('the same seed ends in the same state', () => {
    const schedule = { seed: 'again', memberships: true };
    expect(explore(schedule).hash).toBe(explore(schedule).hash);
  });

  test('most schedules choose something and see several masters: the faults are real and the cell lives', () => {
    const seen = Array.from({ length: 50 }, (_, i) => exploreLog({ seed: `alive ${i}` }));
    expect(seen.filter(({ masters }) => masters > 1).length).toBeGreaterThan(30);
    expect(seen.filter(({ applied }) => applied > 3).length).toBeGreaterThan(25);
    expect(seen.reduce((sum, { chosen }) => sum + chosen, 0)).toBeGreaterThan(2000);
  });
});
