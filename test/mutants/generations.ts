/** New generations: what an operator names as lost, whose disk is believed, and attempts that meet each other (design §3 "Generations"). */
import type { Mutant } from './mutant.ts';

const recovery = 'src/runtime/recovery.ts';
const memberTests = 'test/runtime/recovery.test.ts';
const decideTests = 'test/operator/decide.test.ts';
const lostTests = 'test/operator/named-as-lost.test.ts';
const onlyRestore = {
  simulator: 'its operators go back to backups, and do not recover what is left',
};
const ownIds = {
  simulator: 'its operators restore under ids of their own, which are drawn',
};
const noMajorityGivenUp = {
  simulator: 'its operators go on without members only where a whole majority answers',
};

export const generations: readonly Mutant[] = [
  {
    id: 'restore-priced-by-the-last-generation',
    pitfalls: [],
    title: 'of a file of what was given up, only the present generation is counted against it',
    wrong: 'What was written in the ones before is given up with a price of 0, and nobody types anything.',
    edits: [
      {
        file: 'src/operator/restore/price.ts',
        find: 'return Math.max(ownAtLeast, writtenApart(toldBy(report), toldByFile(backup)));',
        replace: 'return ownAtLeast;',
      },
    ],
    killedBy: ['test/operator/restore-price.test.ts'],
  },
  {
    id: 'restore-priced-by-whole-generations',
    pitfalls: [],
    title: 'of two histories that parted within a generation, what one wrote there is counted by nobody',
    wrong: 'What an earlier restore has brought back is given up again for the price of what was written since.',
    edits: [
      {
        file: 'src/operator/recovery/history.ts',
        find: '(first > last ? first : parted)',
        replace: '(first > last ? first : Math.max(parted, next?.revision ?? revision))',
      },
    ],
    killedBy: ['test/operator/restore-price.test.ts'],
  },
  {
    id: 'branch-priced-by-its-last-generation',
    pitfalls: [],
    title: 'of a branch that is not gone on from, only its last generation is counted',
    wrong: 'What the generations before it have written is given up at a lower price than the members tell.',
    edits: [
      {
        file: 'src/operator/recovery/decide.ts',
        find: 'Math.max(lostAtLeast(point, history), apart)',
        replace: 'Math.max(lostAtLeast(point, history), 0 * apart)',
      },
    ],
    killedBy: [decideTests],
    blind: onlyRestore,
  },
  {
    id: 'a-later-generation-is-out-of-reach',
    pitfalls: [],
    title: 'how far ahead anything may be counts from what is chosen here, and nothing is at a new member',
    wrong:
      'After a restore or a recovery nobody is ever let in or rebuilt: all that is said to it is absurdly far ahead.',
    edits: [
      {
        file: 'src/core/consensus/reception.ts',
        find: 'Math.max(log.chosenUpTo, configurations.latest.from)',
        replace: 'Math.max(log.chosenUpTo, configurations.latest.from * 0)',
      },
    ],
    killedBy: ['test/core/consensus/catch-up.test.ts'],
    blind: { explorer: 'its members all begin in the first generation' },
  },
  {
    id: 'generation-lost-by-word-alone',
    pitfalls: [],
    title: 'members that are named as lost are not looked for at those that are fenced',
    wrong: 'A generation begins on a minority while the majority, which it is connected to, goes on acknowledging.',
    edits: [
      {
        file: 'src/operator/recovery/signs-of-life.ts',
        find: 'if (signs.length > 0) throw notLost(signs, members, again);',
        replace: 'void signs;',
      },
    ],
    killedBy: [lostTests],
    blind: noMajorityGivenUp,
  },
  {
    id: 'generation-lost-looked-for-once',
    pitfalls: [],
    title: 'members that are named as lost are looked for before the fence, and not after it',
    wrong: 'One that came back meanwhile acknowledges what is lost when it hears of the generation.',
    edits: [
      {
        file: 'src/operator/restore/restore.ts',
        find: '  await look();\n',
        replace: '',
      },
    ],
    killedBy: [lostTests],
    blind: noMajorityGivenUp,
  },
  {
    id: 'generation-members-by-name',
    pitfalls: [],
    title: 'whoever answers under the name of a member was asked, whatever life of it that is',
    wrong: 'A disk from before the member was rebuilt stands for what its present one acknowledged.',
    edits: [
      {
        file: 'src/operator/recovery/takes-part.ts',
        find: 'name === report.member && incarnation === report.incarnation;',
        replace: 'name === report.member && incarnation > 0;',
      },
    ],
    killedBy: [decideTests],
  },
  {
    id: 'generation-old-disk-believed',
    pitfalls: [],
    title: 'a disk that nobody has compared is taken to hold all that its member acknowledged',
    wrong: 'Going on from an old copy is priced at nothing.',
    edits: [
      {
        file: 'src/operator/recovery/asked.ts',
        find: '  switch (disk) {',
        replace: "  switch ('compared' as typeof disk) {",
      },
    ],
    killedBy: [decideTests],
    blind: noMajorityGivenUp,
  },
  {
    id: 'generation-attempt-of-any-file',
    pitfalls: [],
    title: 'an attempt is gone on with whatever file it was begun for',
    wrong: 'Two operators restore two files under one id, each with the other one’s consent.',
    edits: [{ file: recovery, find: 'if (attempt.source === source) return;', replace: 'return;' }],
    killedBy: [memberTests],
    blind: ownIds,
  },
  {
    id: 'generation-fence-over-a-fence',
    pitfalls: [],
    title: 'a fence takes the place of another one of the same number',
    wrong: 'Two recoveries take members from one another, and each finds some that are ready for the other.',
    edits: [
      {
        file: recovery,
        find: 'if (open !== null && open.generation >= generation) {',
        replace: 'if (open === undefined) {',
      },
    ],
    killedBy: [memberTests],
  },
  {
    id: 'generation-state-placed-late',
    pitfalls: [],
    title: 'a state is put into its place without asking whether its attempt was given up',
    wrong: 'It takes the place of the state that its member is ready with, which cannot begin any more.',
    edits: [
      { file: 'src/storage/generation.ts', find: '  if (!isPresent()) {', replace: '  if (isPresent === undefined) {' },
    ],
    killedBy: [memberTests],
  },
  {
    id: 'generation-step-for-another',
    pitfalls: [],
    title: 'a member does a step that was meant for another cell, member or life of it',
    wrong: 'An address that was given to another process fences, or lifts, what nobody asked for.',
    edits: [
      {
        file: recovery,
        find: 'if (request.member === member.name && (isSame || begun)) return;',
        replace: 'if (isSame || begun || request.cell.length > 0) return;',
      },
    ],
    killedBy: [memberTests],
  },
  {
    id: 'generation-ready-state-forgotten',
    pitfalls: [],
    title: 'what a member is ready with for another generation is no state that is gone on from',
    wrong: 'Going on from its own falls behind what others acknowledged that were ready with the same.',
    edits: [
      {
        file: 'src/operator/recovery/candidates.ts',
        find: 'return [...known, ...readyCandidates({ to, reports: sorted, collected }, known)];',
        replace: 'void readyCandidates;\n  return known;',
      },
    ],
    killedBy: ['test/operator/ready-elsewhere.test.ts'],
    blind: onlyRestore,
  },
  {
    id: 'generation-begun-behind-a-ready-one',
    pitfalls: [],
    title: 'a member that is ready waits for the others, whatever generation they are in by now',
    wrong: 'It waits for ever, and nobody is told that it was left behind.',
    edits: [{ file: recovery, find: '      if (passed != null) {', replace: '      if (passed === null) {' }],
    killedBy: [memberTests],
  },
  {
    id: 'collected-state-that-is-lost-believed',
    pitfalls: ['P25'],
    title: 'what is collected of a directory without a good snapshot stands for a state like any other',
    wrong: 'A generation begins with what is left of its log, at no price.',
    edits: [
      {
        file: 'src/operator/recovery/candidates.ts',
        find: 'source: hasState(report) ? state : null, holder: null, mayHaveBegun: false };',
        replace: 'source: state, holder: null, mayHaveBegun: false };',
      },
    ],
    killedBy: [decideTests],
    blind: onlyRestore,
  },
  {
    id: 'generation-goes-on-behind-a-hole',
    pitfalls: [],
    title:
      'what follows an instance that is known to be chosen, and that nobody has any more, follows a no-op in its place',
    wrong: 'The generation begins with a state that the cell was never in.',
    edits: [
      {
        file: 'src/operator/recovery/decide.ts',
        find: 'if (known === undefined && instance <= chosenUpTo) break;',
        replace: 'void chosenUpTo;',
      },
    ],
    killedBy: [decideTests],
  },
];
