/** What a new coordinator must take over, commits, catch-up, and what becomes of requests: P07 to P12, P29. */
import type { Mutant } from './mutant.ts';

const consensus = (name: string): string => `src/core/consensus/${name}.ts`;
const ballots = 'test/core/consensus/promises-and-ballots.test.ts';
const phaseOne = 'test/core/consensus/phase-one-and-requests.test.ts';

export const recovery: readonly Mutant[] = [
  {
    id: 'P07-behind-is-not-said',
    pitfalls: ['P07'],
    title: 'a prepare from below what is chosen here is answered with what is left of the log',
    wrong: 'The candidate fills instances that were chosen and cut with values of its own.',
    edits: [
      {
        file: consensus('acceptor'),
        find: "if (message.from <= log.chosenUpTo) return refuse('behind');",
        replace: '',
      },
    ],
    killedBy: [ballots],
  },
  {
    id: 'P08-commit-by-number',
    pitfalls: ['P08'],
    title: 'a commit makes whatever was accepted at its instances chosen, in any ballot',
    wrong: 'A value of an old ballot is applied where another one was chosen.',
    edits: [
      {
        file: consensus('reception'),
        find: 'if (entry === undefined || !ballotsEqual(entry.ballot, ballot)) break;',
        replace: 'if (entry === undefined) break;',
      },
    ],
    killedBy: [ballots],
  },
  {
    id: 'P08-own-value-over-the-chosen-one',
    pitfalls: ['P08', 'P29'],
    title: 'catching up keeps what was accepted here, where there is something, and takes it for chosen',
    wrong: 'A value that lost its instance is applied.',
    edits: [
      {
        file: consensus('catch-up'),
        find: 'if (known === undefined || !ballotsEqual(known.ballot, entry.ballot)) {',
        replace: 'if (known === undefined) {',
      },
    ],
    killedBy: [ballots],
  },
  {
    id: 'P09-prepare-above-the-gap',
    pitfalls: ['P09'],
    title: 'phase 1 begins above the highest accepted instance',
    wrong: 'Gaps below are filled with no-ops that nobody was asked about.',
    edits: [
      {
        file: consensus('election'),
        find: 'from: (this.#context.log.chosenUpTo + 1) as Instance,',
        replace: 'from: (this.#context.log.highest + 1) as Instance,',
      },
    ],
    killedBy: [phaseOne],
  },
  {
    id: 'P09-own-entries-forgotten',
    pitfalls: ['P09'],
    title: 'a candidate asks the others what they accepted, and not itself',
    wrong: 'A value chosen with its own vote is overwritten by a no-op.',
    edits: [
      {
        file: consensus('election'),
        find: 'const entries = log.acceptedFrom(log.chosenUpTo + 1);',
        replace: 'const entries: never[] = [];',
      },
    ],
    killedBy: [phaseOne],
  },
  {
    id: 'P09-recovers-as-far-as-the-own-log',
    pitfalls: ['P09'],
    title: 'what promises report above the own last entry is not proposed again',
    wrong: 'New values are proposed where others may have been chosen.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'Math.max(campaign.highestReported, log.chosenUpTo)',
        replace: 'log.highest',
      },
    ],
    killedBy: [phaseOne, ballots],
  },
  {
    id: 'P09-boost-forgets-what-is-in-flight',
    pitfalls: ['P09'],
    title: 'a boost goes on behind what is in flight and does not propose it again',
    wrong: 'Those instances are never chosen, and nothing behind them is applied.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'this.#next = log.chosenUpTo + 1;\n    this.#toldUpTo',
        replace: 'if (!boosted) this.#next = log.chosenUpTo + 1;\n    this.#toldUpTo',
      },
    ],
    killedBy: ['test/core/consensus/stability.test.ts'],
  },
  {
    id: 'P10-last-page-is-enough',
    pitfalls: ['P10'],
    title: 'a promise counts as soon as its last page is there',
    wrong: 'What the missing pages report is overwritten.',
    edits: [
      {
        file: consensus('campaign'),
        find: 'if (pages.last === null || pages.pages.size !== pages.last + 1) return;',
        replace: 'if (pages.last === null) return;',
      },
    ],
    killedBy: [phaseOne],
  },
  {
    id: 'P10-promise-of-one-page',
    pitfalls: ['P10'],
    title: 'a promise that is too long for one message is cut short',
    wrong: 'What was left out is overwritten.',
    edits: [
      {
        file: consensus('acceptor'),
        find: 'paginate(log.acceptedFrom(message.from), limits.pageBytesMax);',
        replace: 'paginate(log.acceptedFrom(message.from), limits.pageBytesMax).slice(0, 1);',
      },
    ],
    killedBy: [phaseOne],
  },
  {
    id: 'P12-answered-by-instance',
    pitfalls: ['P12', 'P41'],
    title: 'requests are answered by their instance, whatever was chosen there',
    wrong: 'A client is told "done" with somebody else’s result.',
    edits: [
      {
        file: consensus('proposals'),
        find: 'if (requests === null && valuesEqual(waiting.value, value)) requests',
        replace: 'if (requests === null) requests',
      },
    ],
    killedBy: [phaseOne],
  },
  {
    id: 'P41-in-flight-told-as-not-done',
    pitfalls: ['P41', 'P12'],
    title: 'a master that loses its mastership tells what is in flight as not done',
    wrong: 'A successor has it chosen all the same.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'this.#proposals.abandon(appliedUpTo);\n    this.#recovered = null;',
        replace: `const told = [...this.#proposals.inFlight()].flatMap(({ requests }) => requests ?? []);
    if (told.length > 0) this.#context.outbox.push({ kind: 'settle', requests: told, reason: 'not-master' });
    this.#proposals.abandon(appliedUpTo);
    this.#recovered = null;`,
      },
    ],
    killedBy: [phaseOne],
  },
  {
    id: 'P29-gives-what-was-only-accepted',
    pitfalls: ['P29'],
    title: 'a replica that is asked for chosen values gives what it has accepted too',
    wrong: 'A value that was never chosen is taken for chosen.',
    edits: [
      {
        file: consensus('catch-up'),
        find: 'Math.min(message.to, log.knownChosenUpTo, message.from',
        replace: 'Math.min(message.to, log.highest, message.from',
      },
      {
        file: consensus('catch-up'),
        find: 'log.isChosen(i) ? log.get(i) : undefined',
        replace: 'log.get(i)',
      },
    ],
    killedBy: ['test/core/consensus/catch-up.test.ts'],
  },
  {
    id: 'P29-caught-up-values-not-written',
    pitfalls: ['P29', 'P23'],
    title: 'values learned by catching up are kept in memory alone',
    wrong: 'After a restart the log says that they are chosen, and does not have them.',
    edits: [
      {
        file: consensus('catch-up'),
        find: 'const write = outbox.persistEntry(entry);',
        replace: 'void outbox;\n      const write = 0 as never;',
      },
    ],
    killedBy: ['test/core/consensus/catch-up.test.ts'],
  },
];
