/** Bugs in what is done about records that can be read no more: PAR, pitfalls P16 to P18 and P29. */
import type { Mutant } from './mutant.ts';

const consensus = (name: string): string => `src/core/consensus/${name}.ts`;
const storage = (name: string): string => `src/storage/${name}.ts`;

const items = 'test/core/consensus/bad-items.test.ts';
const log = 'test/storage/write-ahead-log.test.ts';
const snapshots = 'test/storage/snapshots.test.ts';

/** Nothing is ever bad in the explorer's disks. */
const blind = { explorer: 'nothing on its disks is ever damaged' } as const;

export const damage: readonly Mutant[] = [
  {
    id: 'P16-bad-is-nothing',
    pitfalls: ['P16'],
    title: 'a replica that lost a record counts as one that never had it',
    wrong: 'A majority in which nobody remembers a chosen value chooses another.',
    edits: [
      {
        file: consensus('campaign'),
        find: 'if (report.bad.length > 0) this.#bad.set(from, report.bad);',
        replace: 'void report.bad;',
      },
    ],
    killedBy: [items],
    blind,
  },
  {
    id: 'P17-identity-is-a-report',
    pitfalls: ['P17'],
    title: 'a bad record whose identity is known counts as a report though no copy of it was found',
    wrong: 'The value that it held may be chosen, and is replaced by a lower one or by nothing.',
    edits: [
      {
        file: consensus('campaign'),
        find: 'const item = items.find((one) => covers(one, instance));',
        replace: 'const item = items.find((one) => one.identity === null && covers(one, instance));',
      },
    ],
    killedBy: [items],
    blind,
  },
  {
    id: 'P17-halts-before-all-have-answered',
    pitfalls: ['P17'],
    title: 'a candidate halts as soon as those who answered cannot decide an item',
    wrong: 'A member that is down has the only copy: the cell is given up though nothing is lost.',
    edits: [
      {
        file: consensus('campaign'),
        find: '[...voters(configuration)].every((id) => this.promises.has(id)) &&',
        replace: 'voters(configuration).size > 0 ||',
      },
    ],
    killedBy: [items],
    blind,
  },
  {
    id: 'P18-damaged-replicas-do-not-promise',
    pitfalls: ['P18'],
    title: 'a replica of which anything is bad does not promise',
    wrong: 'One bad record on each of three replicas, all different, ends the cell though nothing is lost.',
    edits: [
      {
        file: consensus('acceptor'),
        find: 'this.promise(message.ballot);\n    this.#sendPromise(from, message);',
        replace:
          'if (log.badFrom(message.from).length > 0) return;\n    this.promise(message.ballot);\n    this.#sendPromise(from, message);',
      },
    ],
    killedBy: [items],
    blind,
  },
  {
    id: 'P29-any-value-of-the-instance-is-a-copy',
    pitfalls: ['P29'],
    title: 'any value that somebody accepted at the instance of a bad record stands in for it',
    wrong: 'An older value, which was never chosen, replaces the one that was.',
    edits: [
      {
        file: consensus('bad-item'),
        find: 'if (!ballotsEqual(identity.ballot, entry.ballot)) return false;',
        replace: 'if (!ballotsEqual(identity.ballot, entry.ballot)) return true;',
      },
    ],
    killedBy: [items],
    blind,
  },
  {
    id: 'bad-is-settled-by-nobody',
    pitfalls: [],
    title: 'a log whose end is gone stays so though a later ballot has settled what was accepted before',
    wrong: 'Its replica counts as no evidence for ever: tolerance is silently gone.',
    edits: [
      {
        file: consensus('reception'),
        find: 'this.#context.log.forgetBadAbove(above);\n    this.#context.outbox',
        replace: 'this.#context.outbox',
      },
    ],
    killedBy: [items],
    blind,
  },
  {
    id: 'P16-unknown-records-are-none',
    pitfalls: ['P16'],
    title: 'where whole groups of the log are gone, what was open there is not called bad',
    wrong: 'Acknowledged votes are gone, and the replica says that it never gave them.',
    edits: [
      {
        file: storage('wal/recovery'),
        find: 'if (records) this.#gapFrom ??= this.#chosenUpTo + 1;',
        replace: 'void records;',
      },
    ],
    killedBy: [log],
    blind,
  },
  {
    id: 'P16-lost-statement-is-of-one-instance',
    pitfalls: ['P16'],
    title: 'a record that said that a range was bad, and is itself bad, counts for the first instance of that range',
    wrong: 'What was lost further on is reported as never accepted, and a chosen value is replaced.',
    edits: [
      {
        file: storage('wal/recovery'),
        find: 'this.#gapFrom = Math.min(this.#gapFrom ?? instance, instance);',
        replace: '',
      },
    ],
    killedBy: [log],
    blind,
  },
  {
    id: 'P16-damage-forgotten-at-the-next-start',
    pitfalls: ['P16'],
    title: 'a start that takes over a damaged log writes down what is good of it only',
    wrong: 'The next start reports nothing accepted where something was.',
    edits: [
      {
        file: storage('wal/known-items'),
        find: 'return this.#since(this.#damagedFrom);',
        replace: 'return this.#since(this.#damagedFrom).filter((item) => !isBadItem(item));',
      },
    ],
    killedBy: [log],
    blind,
  },
  {
    id: 'chosen-above-a-hole-vouched-for',
    pitfalls: ['P29'],
    title: 'a log with a hole goes on saying that everything above it is chosen as it stands',
    wrong: 'What is accepted in the hole later is taken for chosen by the next start.',
    edits: [
      {
        file: storage('wal/recovery'),
        find: 'this.#items.soundUpTo(expected.above, this.#chosenUpTo),',
        replace: 'this.#chosenUpTo,',
      },
    ],
    killedBy: [log],
    blind,
  },
  {
    id: 'older-snapshot-is-a-start',
    pitfalls: ['P25'],
    title: 'a start from an older snapshot does not say that the state up to the bad one is missing',
    wrong: 'It votes and serves as if its state were whole.',
    edits: [
      {
        file: storage('opening'),
        find: 'Math.max(whole ? 0 : newest, lastUnaccounted(',
        replace: '0 * Math.max(whole ? 0 : newest, lastUnaccounted(',
      },
    ],
    killedBy: [snapshots],
    blind,
  },
];
