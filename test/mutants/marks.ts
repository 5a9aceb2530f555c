/** Position marks, frozen cells and new generations: contract §2, design §3-4. */
import type { Mutant } from './mutant.ts';

const judge = 'src/runtime/mark-judge.ts';
const position = 'src/runtime/position.ts';
const judged = 'test/runtime/mark-judge.test.ts';
const frozen = 'test/runtime/freeze.test.ts';
const decided = 'test/operator/decide.test.ts';

const notSimulated = 'no cell of its world goes back as a whole';

export const marks: readonly Mutant[] = [
  {
    id: 'mark-judged-without-the-lease',
    pitfalls: [],
    title: 'a replica that holds no lease judges marks',
    wrong: 'It lags or was deposed, and freezes a cell that has lost nothing.',
    edits: [
      {
        file: judge,
        find: "if (!log.isServing()) return { kind: 'wait', instance: position.instance };",
        replace: "if (!log.isServing() && verdict === 'ahead') return { kind: 'wait', instance: position.instance };",
      },
    ],
    killedBy: [judged],
    blind: { simulator: notSimulated },
  },
  {
    id: 'mark-freezes-at-first-sight',
    pitfalls: [],
    title: 'a mark outside the history freezes the cell without the master having proven itself anew',
    wrong: 'A master that was deposed without knowing it takes its own lag for the cell’s.',
    edits: [
      {
        file: judge,
        find: 'doubtedIn !== undefined && log.core.epoch > doubtedIn',
        replace: 'doubtedIn === undefined || log.core.epoch > doubtedIn',
      },
    ],
    killedBy: [judged],
    blind: { simulator: notSimulated },
  },
  {
    id: 'mark-churns-mastership',
    pitfalls: [],
    title: 'every mark outside the history makes the master renounce',
    wrong: 'Whoever sends many of them keeps the cell without a master.',
    edits: [{ file: judge, find: 'now - this.#provenMs >= proveEveryMs', replace: 'now >= this.#provenMs' }],
    killedBy: [judged],
    blind: { simulator: notSimulated },
  },
  {
    id: 'mark-behind-is-in-the-history',
    pitfalls: [],
    title: 'a mark at or below what is applied counts as part of the history',
    wrong: 'A cell that went back is found out only until it has moved on past the mark.',
    edits: [
      {
        file: position,
        find: 'if (record.id !== position.epochId || position.instance < record.instance)',
        replace: 'if (position.instance < record.instance)',
      },
    ],
    killedBy: [judged],
    blind: { simulator: notSimulated },
  },
  {
    id: 'mark-learned-from-a-redirect',
    pitfalls: [],
    title: 'a client takes the mark of a replica that only sends it on, and has judged nothing',
    wrong:
      'Asked through anybody but its master, a cell that went back and has moved on makes its clients forget what they have seen.',
    edits: [
      {
        file: 'src/client/caller.ts',
        find: 'const judged = reply.status < 300 || reply.status === 304;',
        replace: 'const judged = reply.status < 400;',
      },
    ],
    killedBy: ['test/client/client.test.ts'],
    blind: { simulator: 'its clients are of its own' },
  },
  {
    id: 'mark-given-unjudged',
    pitfalls: [],
    title: 'an answer that was made without judging the mark of the client carries one of the own history',
    wrong:
      'Whoever keeps the last mark that it was given forgets by a redirect, or by a question about the status, what it has seen.',
    edits: [{ file: position, find: "=== 'applied' ? own : sent;", replace: "=== 'applied' ? own : own;" }],
    killedBy: [judged],
    blind: { simulator: notSimulated },
  },
  {
    id: 'mark-of-a-newer-generation-given-up',
    pitfalls: [],
    title: 'a mark of a newer generation is taken for one of an older',
    wrong: 'A state from before a recovery comes back, and its clients are told to forget what came after.',
    edits: [
      {
        file: position,
        find: 'if (position.generation < identity.generation)',
        replace: 'if (position.generation !== identity.generation)',
      },
    ],
    killedBy: [judged],
    blind: { simulator: notSimulated },
  },
  {
    id: 'mark-not-authenticated',
    pitfalls: [],
    title: 'the proof of a mark is not looked at',
    wrong: 'Anybody can stop a cell with one request.',
    edits: [
      {
        file: position,
        find: 'if (!timingSafeEqual(this.#tag(parts.body), parts.proof)) return null;',
        replace: 'if (!timingSafeEqual(this.#tag(parts.body), this.#tag(parts.body))) return null;',
      },
    ],
    killedBy: [judged],
    blind: { simulator: notSimulated },
  },
  {
    id: 'frozen-said-before-it-is-durable',
    pitfalls: [],
    title: 'a freeze is told to the others before it is on the own disk',
    wrong: 'Killed right then, this member comes back as if nothing had been seen.',
    edits: [
      {
        file: 'src/runtime/freezing.ts',
        find: 'await this.#options.storage.freeze(evidence);',
        replace: 'this.#tellFrozen(evidence);\n      await this.#options.storage.freeze(evidence);',
      },
    ],
    killedBy: [frozen],
    blind: { simulator: notSimulated },
  },
  {
    id: 'generation-of-the-longest-log',
    pitfalls: [],
    title: 'a new generation takes values of the lowest ballot that anybody accepted',
    wrong: 'What a deposed master wrote and nobody chose replaces what was chosen after it.',
    edits: [
      {
        file: 'src/operator/recovery/decide.ts',
        find: 'if (a.round !== b.round) return a.round > b.round;',
        replace: 'if (a.round !== b.round) return a.round < b.round;',
      },
    ],
    killedBy: [decided],
  },
];
