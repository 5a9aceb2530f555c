/** Promises, votes and ballots: P01 to P06, and the rules of PMS §2.2 under them. */
import type { Mutant } from './mutant.ts';

const consensus = (name: string): string => `src/core/consensus/${name}.ts`;
const directed = ['test/core/consensus/promises-and-ballots.test.ts'];

export const promises: readonly Mutant[] = [
  {
    id: 'P01-promise-before-durable',
    pitfalls: ['P01'],
    title: 'a promise is sent while its write is on the way to the disk',
    wrong: 'A crash forgets the promise, and an older master gets a second majority.',
    edits: [{ file: consensus('acceptor'), find: 'this.#writeOf(entries),', replace: 'null,' }],
    killedBy: directed,
  },
  {
    id: 'P01-vote-before-durable',
    pitfalls: ['P01'],
    title: 'an accepted value is acknowledged while its write is on the way to the disk',
    wrong: 'A crash forgets a vote that was counted.',
    edits: [
      {
        file: consensus('acceptor'),
        find: 'outbox.send(to, message, write);',
        replace: 'outbox.send(to, message);\n    void write;',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'P01-own-vote-at-once',
    pitfalls: ['P01', 'P13'],
    title: 'the master counts its own votes at the end of any flush',
    wrong: 'A value is chosen by a vote that a crash can still take back.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'if (proposal.acks.has(self) || !outbox.isDurable(proposal.write)) continue;',
        replace: 'if (proposal.acks.has(self)) continue;\n      void outbox;',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'P01-runtime-sends-at-once',
    pitfalls: ['P01'],
    title: 'the runtime sends a message without waiting for the write that it names',
    wrong: 'The core says what must be durable first, and nobody listens.',
    edits: [
      {
        file: 'src/runtime/outbox.ts',
        find: 'if (effect.after === null) this.#network',
        replace: 'if (effect.kind === "send") this.#network',
      },
    ],
    killedBy: ['test/runtime/log-replica-effects.test.ts'],
  },
  {
    id: 'P01-entries-beside-the-promise',
    pitfalls: ['P01', 'P02'],
    title: 'accepted values are flushed beside the promise, not after it',
    wrong: 'A crash leaves values of a ballot that was never promised.',
    edits: [
      {
        file: 'src/storage/group-commit.ts',
        find: '      else if (this.#failure === null) this.#writeGroup(batch);\n    });',
        replace: '    });\n    this.#writeGroup(batch);',
      },
    ],
    killedBy: ['test/storage/write-ahead-log.test.ts'],
  },
  {
    id: 'P01-one-copy-of-the-promise',
    pitfalls: ['P01', 'P19'],
    title: 'only the first copy of the promise is raised',
    wrong: 'A write torn in that copy leaves the other one, which is old, as the promise.',
    edits: [
      {
        file: 'src/storage/promise-copies.ts',
        find: '(error === null ? write(1, done) : done(error))',
        replace: 'done(error)',
      },
    ],
    killedBy: ['test/storage/write-ahead-log.test.ts'],
  },
  {
    id: 'P02-accept-does-not-raise-the-promise',
    pitfalls: ['P02'],
    title: 'accepting in a higher ballot leaves the promise where it was',
    wrong: 'A late accept of a lower ballot replaces a chosen value.',
    edits: [
      {
        file: consensus('acceptor'),
        find: 'if (!ballotsEqual(entry.ballot, this.#promised)) this.promise(entry.ballot);\n    else if (longer)',
        replace: 'if (longer)',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'P03-prepare-before-own-promise',
    pitfalls: ['P03'],
    title: 'a prepare leaves before the round of its ballot is durable',
    wrong: 'After a restart the same ballot is used for another value.',
    edits: [{ file: consensus('election'), find: 'release }, campaign.ownWrite);', replace: 'release });' }],
    killedBy: directed,
  },
  {
    id: 'P03-round-not-above-the-own-promise',
    pitfalls: ['P03'],
    title: 'a candidate goes above the rounds that it heard of, not above its own promise',
    wrong: 'It uses a ballot again after a restart, and lowers its own promise.',
    edits: [
      {
        file: consensus('election'),
        find: 'Math.max(this.#acceptor.promised.round, this.#roundSeen, this.#ledRound) + 1',
        replace: 'Math.max(this.#roundSeen, this.#ledRound) + 1',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'P04-any-promise-counts',
    pitfalls: ['P04'],
    title: 'a promise counts for the present attempt whatever ballot and attempt it answers',
    wrong: 'An old "nothing accepted" hides a value that was chosen since.',
    edits: [
      {
        file: consensus('election'),
        find: 'if (message.nonce !== campaign.nonce || !ballotsEqual(message.ballot, campaign.ballot)) return;\n    campaign.addPage',
        replace: 'campaign.addPage',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'P05-votes-by-arrival',
    pitfalls: ['P05'],
    title: 'every acknowledgement that arrives is one more vote, copies too',
    wrong: 'One replica’s vote, doubled by the network, is a majority.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'proposal.acks.add(from);',
        replace: `const all = [...voters(this.#context.configurations.at(message.instance))];
      proposal.acks.add(proposal.acks.has(from) ? (all.find((id) => !proposal.acks.has(id)) ?? from) : from);`,
      },
    ],
    killedBy: directed,
  },
  {
    id: 'P05-votes-of-anybody',
    pitfalls: ['P05'],
    title: 'votes are counted whoever they come from, voter of that instance or not',
    wrong: 'A learner, or a voter to be, makes a majority that other majorities do not meet.',
    edits: [
      {
        file: consensus('quorum'),
        find: 'for (const id of voters(configuration)) if (votes.has(id)) count++;',
        replace: 'count = votes.size;',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'P05-half-is-a-majority',
    pitfalls: ['P05'],
    title: 'half of an even number of voters is a majority',
    wrong: 'Two halves choose two values.',
    edits: [
      {
        file: consensus('quorum'),
        find: 'Math.floor(voters(configuration).size / 2) + 1',
        replace: 'Math.ceil(voters(configuration).size / 2)',
      },
    ],
    killedBy: ['test/core/consensus/membership.test.ts'],
  },
  {
    id: 'quorum-of-one',
    pitfalls: [],
    title: 'one vote is a majority',
    wrong: 'Every replica chooses alone.',
    edits: [{ file: consensus('quorum'), find: 'Math.floor(voters(configuration).size / 2) + 1', replace: '1' }],
    killedBy: ['test/core/consensus/cell-of-logs.test.ts'],
  },
  {
    id: 'P06-acks-across-ballots',
    pitfalls: ['P06', 'P38'],
    title: 'an acknowledgement counts for whatever is proposed at its instance now',
    wrong: 'Votes of two ballots make one majority, and late ones renew a lease that nobody granted.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'if (!isProposing(this.#state) || !ballotsEqual(message.ballot, this.#ballot)) return;',
        replace: 'if (!isProposing(this.#state)) return;',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'P06-first-report-wins',
    pitfalls: ['P06'],
    title: 'of the values that promises report, the first to arrive is proposed',
    wrong: 'A value of a lower ballot replaces one that was chosen in a higher ballot.',
    edits: [
      {
        file: consensus('campaign'),
        find: 'if (known === undefined || compareBallots(entry.ballot, known.ballot) > 0) this',
        replace: 'if (known === undefined) this',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'PMS-accept-below-the-promise',
    pitfalls: [],
    title: 'a value is accepted in a ballot below the promise',
    wrong: 'What a candidate was told is true no more by the time it proposes.',
    edits: [
      {
        file: consensus('acceptor'),
        find: 'if (compareBallots(ballot, this.#promised) < 0) {',
        replace: 'if (ballot.round < 0) {',
      },
      {
        file: consensus('acceptor'),
        find: 'if (!ballotsEqual(entry.ballot, this.#promised)) this.promise(entry.ballot);',
        replace: 'if (compareBallots(entry.ballot, this.#promised) > 0) this.promise(entry.ballot);',
      },
    ],
    killedBy: directed,
  },
  {
    id: 'PMS-promise-goes-down',
    pitfalls: [],
    title: 'a prepare is answered with a promise though a higher one was given',
    wrong: 'The word to the higher candidate is broken.',
    edits: [
      {
        file: consensus('acceptor'),
        find: "if (compareBallots(message.ballot, this.#promised) < 0) return refuse('promised');",
        replace: '',
      },
    ],
    killedBy: ['test/scenarios/scenarios.test.ts'],
  },
  {
    id: 'PMS-ballots-ordered-by-round-alone',
    pitfalls: [],
    title: 'two candidates of one round have equal ballots',
    wrong: 'Both are promised the same ballot, and it has two values.',
    edits: [
      {
        file: consensus('ballot'),
        find: 'if (a.name !== b.name) return a.name < b.name ? -1 : 1;',
        replace: '',
      },
    ],
    killedBy: directed,
  },
];
