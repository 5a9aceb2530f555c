/** Old disks: P20 and P22 as the fence finds them, and the rule by which a start waits for it. */
import type { Mutant } from './mutant.ts';

const directed = 'test/core/consensus/fence.test.ts';
const pasts = 'test/core/consensus/boot-history.test.ts';
const history = 'src/core/consensus/boot-history.ts';
const noOldDisks = {
  explorer: 'disks of its schedules never go back',
  simulator: 'disks of the swarm never go back whole',
};

export const fence: readonly Mutant[] = [
  {
    id: 'P22-flush-not-compared',
    pitfalls: ['P22'],
    title: 'only boots are compared, not the flush at which the next one began',
    wrong: 'A disk put back to the middle of a boot goes on with what it acknowledged forgotten.',
    edits: [
      {
        file: history,
        find: "  if (remembered.flush > next.began) return found('flush-missing', next.began);\n",
        replace: '',
      },
    ],
    killedBy: [pasts],
    blind: noOldDisks,
  },
  {
    id: 'P22-promise-not-compared',
    pitfalls: ['P22', 'P19'],
    title: 'where the end of a log is lost, nobody asks whether a promise is lost as well',
    wrong: 'It promises and accepts against its own word, with files that are all good.',
    edits: [
      {
        file: history,
        find: 'if (remembered.promiseFlush <= next.promiseFlush) return null;',
        replace: 'if (remembered.promiseFlush <= next.promiseFlush || last.number > 0) return null;',
      },
    ],
    killedBy: [pasts],
  },
  {
    id: 'P22-lost-end-asks-a-majority',
    pitfalls: ['P22', 'P19'],
    title: 'a member whose log has lost its end compares with a majority, as any other',
    wrong:
      'Its promise was put back as well, and the candidate that has the newest one is not asked: it votes against its word.',
    edits: [{ file: 'src/runtime/member-fence.ts', find: "return 'voters';", replace: "return 'majority';" }],
    killedBy: ['test/runtime/lost-end.test.ts'],
  },
  {
    id: 'P22-boot-ids-not-compared',
    pitfalls: ['P22'],
    title: 'boots are compared by their numbers alone',
    wrong: 'The next start of an old disk takes the number of a boot that was there already, and passes for it.',
    edits: [
      {
        file: history,
        find: 'if (same !== undefined && same.id !== last.id) return',
        replace: 'if (same === null) return',
      },
    ],
    killedBy: [pasts],
    blind: noOldDisks,
  },
  {
    id: 'P20-votes-before-comparing',
    pitfalls: ['P20', 'P22'],
    title: 'a member votes from its start on, and compares meanwhile',
    wrong: 'An old disk promises and accepts before anybody has said that it is one.',
    edits: [
      {
        file: 'src/core/consensus/participation.ts',
        find: "this.#context.silent = transition.to === 'checking';",
        replace: 'this.#context.silent = false;',
      },
    ],
    killedBy: [directed],
    blind: noOldDisks,
  },
  {
    id: 'fence-one-is-enough',
    pitfalls: [],
    title: 'a start waits for one other member, not for a majority',
    wrong: 'The one may know nothing of what the disk acknowledged.',
    edits: [
      {
        file: 'src/core/consensus/comparison.ts',
        find: 'if (!isQuorum(configuration, this.#compared)) return false;',
        replace: 'if (this.#compared.size < 2 && configuration.members.length > 1) return false;',
      },
    ],
    killedBy: [directed],
    blind: noOldDisks,
  },
  {
    id: 'O2-second-process-untold',
    pitfalls: ['P50'],
    title: 'whoever turns the second process of a member away tells nobody',
    wrong: 'Only that process says so, at an address that nobody asks.',
    edits: [
      {
        file: 'src/runtime/fencing.ts',
        find: 'this.secondProcesses.turnedAway(hello, first);',
        replace: 'void first;',
      },
    ],
    killedBy: ['test/runtime/second-processes.test.ts'],
    blind: { explorer: 'not in the core of consensus', simulator: 'nobody reads a status for it' },
  },
  {
    id: 'fence-what-is-known-replaced',
    pitfalls: [],
    title: 'of two pasts of a member that exclude each other, the later heard of counts',
    wrong: 'An old disk that has met others before makes the witness forget what it remembered.',
    edits: [
      {
        file: 'src/core/consensus/witness-memory.ts',
        find: 'if (together === null) continue;',
        replace: 'if (together === null) return this.#set(member, [history]);',
      },
    ],
    killedBy: [pasts],
    blind: noOldDisks,
  },
  {
    id: 'rebuilt-for-its-witness',
    pitfalls: [],
    title: 'a witness that is damaged ends the incarnation of the member whose disk it vouches for',
    wrong: 'With --rebuild in the unit files one bad storage of witnesses makes all members give up sound directories.',
    edits: [
      {
        file: 'src/runtime/membership/entrance.ts',
        find: " && code !== 'PAXOS_WITNESS_UNUSABLE'",
        replace: " && code !== 'none'",
      },
    ],
    killedBy: ['test/runtime/witness-keeper.test.ts'],
    blind: { explorer: 'not in the core of consensus', simulator: 'its members keep no witness' },
  },
];
