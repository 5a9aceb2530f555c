/** Watching changes, and how requests come: contract §2, ADR 24. */
import type { Mutant } from './mutant.ts';

const watchers = 'src/runtime/http/watchers.ts';
const events = 'src/runtime/http/watch-events.ts';
const route = 'src/runtime/http/watch-route.ts';
const watched = 'test/runtime/http/watch.test.ts';

const blind = { explorer: 'not in the core of consensus', simulator: 'HTTP is not simulated' } as const;

export const watch: readonly Mutant[] = [
  {
    id: 'watch-tells-without-a-look',
    pitfalls: ['P32'],
    title: 'changes are told without a look whether this replica still serves',
    wrong: 'A frozen, removed or deposed member goes on telling.',
    edits: [
      {
        file: watchers,
        find: 'const { kind } = this.#service().serving();',
        replace: "const kind = 'serving' as string;",
      },
    ],
    killedBy: [watched],
    blind,
  },
  {
    id: 'watch-id-of-the-whole-revision',
    pitfalls: [],
    title: 'each change of a MultiOp has the revision as its id',
    wrong: 'Who comes back after the first of them never hears of the others.',
    edits: [
      {
        file: events,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: quoted source, in which it is a template
        find: 'const id = at === lastAt ? `${revision}` :',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: quoted source, in which it is a template
        replace: 'const id = at <= lastAt ? `${revision}` :',
      },
    ],
    killedBy: [watched],
    blind,
  },
  {
    id: 'watch-waits-for-another-history',
    pitfalls: [],
    title: 'who has seen more than this history has is made to wait for it',
    wrong: 'It is told of other changes under revisions that it has seen, or of none.',
    edits: [{ file: route, find: 'if (seenUpTo + Math.sign(seenOfNext) > revision)', replace: 'if (seenUpTo < 0)' }],
    killedBy: [watched],
    blind,
  },
  {
    id: 'arrivals-kept-without-bound',
    pitfalls: [],
    title: 'requests that are sent on without waiting for answers are kept, however many, while many clients connect',
    wrong: 'One client fills the memory of a replica, before any limit is asked.',
    edits: [
      {
        file: 'src/runtime/http/arrivals.ts',
        find: 'if (this.#waiting.length > requestsWaitingMax) return this.#handleFirst(this.#waiting.length);',
        replace: 'void requestsWaitingMax;',
      },
    ],
    killedBy: ['test/runtime/http/arrivals.test.ts'],
    blind,
  },
];
