/** How much of the world an exhaustive search takes in. */
export interface Scope {
  readonly name: string;
  readonly about: string;
  /** Members of the formation, all voters. */
  readonly voters: readonly string[];
  /** Attempts to become master: at most so many by each of these members, and in sum. */
  readonly elections: Readonly<Record<string, number>>;
  readonly ballots: number;
  /** Values submitted to each of these members while it is master. */
  readonly submissions: Readonly<Record<string, number>>;
  /** Processes that end and start again, at any moment, with any part of their unflushed writes. */
  readonly crashes: number;
  readonly lostDisks: number;
  /**
   * Whether a write is flushed before its member does anything else (a crash may still come first), or at any later time,
   * with other writes after it.
   */
  readonly disk: 'prompt' | 'free';
  /** The search begins when the first voter serves, elected by the second, while the third has received nothing yet. */
  readonly established?: boolean;
  /** Part of another scope: for who wants only that. */
  readonly onlyWhenNamed?: boolean;
  /** A lost disk comes back empty under the same identity: wrong, and to be found so. */
  readonly sameIdentity?: boolean;
}

/** Three acceptors; who campaigns stands first, since names only order ballots of one round. */
const common = { voters: ['a', 'b', 'c'], elections: { a: 1, b: 1 }, ballots: 2, disk: 'prompt' } as const;

export const scopes: readonly Scope[] = [
  {
    ...common,
    name: 'duel',
    about: 'two candidates from the start with a ballot each, a crash and a lost disk',
    submissions: {},
    crashes: 1,
    lostDisks: 1,
  },
  {
    ...common,
    name: 'again',
    about: 'one candidate with two ballots, a crash and a lost disk',
    elections: { a: 2 },
    submissions: {},
    crashes: 1,
    lostDisks: 1,
  },
  {
    ...common,
    name: 'slow-disks',
    about: 'one candidate with a value, writes that become durable at any later time, in order; a crash, a lost disk',
    elections: { a: 1 },
    ballots: 1,
    submissions: { a: 1 },
    crashes: 1,
    lostDisks: 1,
    disk: 'free',
  },
  {
    ...common,
    name: 'three-instances',
    about: 'two candidates from the start, a value submitted to the first: three instances',
    submissions: { a: 1 },
    crashes: 0,
    lostDisks: 0,
  },
  {
    ...common,
    name: 'whole',
    about: 'two candidates from the start, a value submitted to the first, a crash and a lost disk: three instances',
    submissions: { a: 1 },
    crashes: 1,
    lostDisks: 1,
  },
  {
    ...common,
    name: 'succession',
    about:
      'a master with a value to propose, a second candidate, a crash and a lost disk: what is left of `whole` from there on',
    submissions: { a: 1 },
    crashes: 1,
    lostDisks: 1,
    established: true,
    onlyWhenNamed: true,
  },
];
