/** Whose database is right, and what becomes of the one that is not: P30, I15. */
import type { Mutant } from './mutant.ts';

const consensus = (name: string): string => `src/core/consensus/${name}.ts`;
const verdicts = 'test/core/consensus/database-verdict.test.ts';
const schedules = 'test/core/consensus/database-comparison.test.ts';
const scans = 'test/core/database/scan.test.ts';

const noDatabase = 'the explorer compares no databases';
const onlyUnderFlips = 'the swarm changes no memory; test/support/flip-search.ts does';
const blind = { explorer: noDatabase, simulator: onlyUnderFlips } as const;

export const checksums: readonly Mutant[] = [
  {
    id: 'P30-majority-of-those-who-answered',
    pitfalls: ['P30'],
    title: 'a majority of those who reported decides, instead of one of all voters',
    wrong: 'Who does not answer counts as a vote against the odd one out: two damaged ones set a sound one aside.',
    edits: [
      {
        file: consensus('database-verdict'),
        find: 'votes(members) * 2 > voters.length;',
        replace: 'votes(members) * 2 > reports.length;',
      },
    ],
    killedBy: [verdicts],
    blind,
  },
  {
    id: 'P30-fork-by-majority',
    pitfalls: ['P30'],
    title: 'different logs are not told apart from different databases',
    wrong: 'Two old copies of three outvote the one that has the acknowledged writes, and it is overwritten.',
    edits: [
      {
        file: consensus('database-verdict'),
        find: "if (branches.size > 1) return { kind: 'fork',",
        replace: "if (branches.size > 9) return { kind: 'fork',",
      },
    ],
    killedBy: [verdicts],
    blind,
  },
  {
    id: 'P30-newer-version-outvotes',
    pitfalls: ['P30'],
    title: 'a difference that follows the versions is judged by the majority',
    wrong: 'A new version that computes something else wins as soon as it runs on most members.',
    edits: [
      {
        file: consensus('database-verdict'),
        find: "if (oldest !== null) return against(oldest, 'version', reports, isMajority);",
        replace: '',
      },
    ],
    killedBy: [verdicts],
    blind,
  },
  {
    id: 'P30-majority-stops-for-a-minority',
    pitfalls: ['P30'],
    title: 'everybody whose database is not the right one is set aside, however many they are',
    wrong: 'A majority stops because of a minority.',
    edits: [
      {
        file: consensus('database-verdict'),
        find: 'quarantine: isMajority(right) ? odd : [] }',
        replace: 'quarantine: odd }',
      },
    ],
    killedBy: [verdicts],
    blind,
  },
  {
    id: 'P30-damaged-master-goes-on',
    pitfalls: ['P30'],
    title: 'a master that is the odd one out stays master until its lease ends',
    wrong: 'It serves reads from the damaged database.',
    edits: [
      { file: consensus('replica'), find: "    this.#coordinator.standDown('database differs');\n", replace: '' },
    ],
    killedBy: [schedules],
    blind,
  },
  {
    id: 'P30-set-aside-votes',
    pitfalls: ['P30'],
    title: 'a replica that is set aside goes on voting',
    wrong: 'It counts as redundancy that is not there, and may be elected.',
    edits: [
      {
        file: consensus('acceptor'),
        find: 'const voter = this.#context.mayVote && configurations',
        replace: 'const voter = configurations',
      },
    ],
    killedBy: [schedules],
    blind,
  },
  {
    id: 'P30-running-sum-takes-back',
    pitfalls: ['P30'],
    title: 'a replica comes back when its running sum is that of the others',
    wrong: 'The running sum does not see what rots in memory: it comes back as it was.',
    edits: [
      {
        file: consensus('database-comparison'),
        find: 'else if (round.full && this.#isRight(',
        replace: 'else if (this.#isRight(',
      },
    ],
    killedBy: [schedules],
    blind,
  },
  {
    id: 'P30-damage-is-snapshotted',
    pitfalls: ['P30'],
    title: 'a snapshot takes over what is in memory without looking at the digest of what was written',
    wrong: 'A replica that lags installs the damaged state of another one.',
    edits: [
      {
        file: 'src/core/database/view.ts',
        find: 'if (!isKeptDigest(stored.digest, digest.entry(stored.encoded))) throw new EntryRottenError(stored.key);',
        replace: '',
      },
    ],
    killedBy: [scans],
    blind,
  },
];
