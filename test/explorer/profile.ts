/**
 * What one schedule is like: sizes, timing, which faults and how often. Drawn whole from the schedule's seed (swarm: every
 * class is on with probability one half), so that schedules differ in kind and not only in order.
 */
import type { Limits } from '../../src/core/consensus/limits.ts';
import type { Message } from '../../src/core/consensus/message.ts';
import type { Random } from '../../src/core/random.ts';

export interface Profile {
  readonly seed: string;
  readonly voters: number;
  readonly alpha: number;
  readonly leaseMs: number;
  readonly limits: Partial<Limits>;
  readonly steps: number;
  /** Runs smoothly until somebody serves before the faults begin. */
  readonly warm: boolean;
  /** Ends with everything delivered, so that what went wrong comes to light. */
  readonly settles: boolean;
  /** Probability that the oldest message goes first, and not any. */
  readonly inOrder: number;
  readonly drop: number;
  readonly copy: number;
  /** Weights of one step in a thousand. */
  readonly flush: number;
  readonly wake: number;
  readonly submit: number;
  readonly crash: number;
  readonly pass: number;
  readonly suspend: number;
  readonly handOver: number;
  readonly snapshot: number;
  readonly change: number;
  readonly loseDisk: number;
  /** Messages of this kind, or to or from this member, are mostly passed over: the late accept, the late promise. */
  readonly late: { readonly kind: Message['kind'] | null; readonly from: number; readonly to: number } | null;
  /** Clock rates by member. */
  readonly rates: readonly number[];
}

const lateKinds: readonly (Message['kind'] | null)[] = ['accept', 'accepted', 'promise', 'prepare', 'commit', null];

/** Names of all that ever take part; the first `voters` of them form the cell. */
export const names = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

export function drawProfile(random: Random, seed: string): Profile {
  const on = (weight: number): number => (random.word() & 1 ? weight * (0.3 + random.next()) : 0);
  const [three, five] = [3, 5];
  const memberships = random.below(3) === 0;
  const late = random.below(2) === 0;
  const voters = random.pick([2, three, three, three, three, three, three, five, five]);
  return {
    seed,
    voters,
    alpha: random.pick([1, 2, 3, 3, 8]),
    leaseMs: 500,
    limits: {
      acceptWindowInstances: random.pick([1, 4, 16]),
      eagerWindowInstances: random.pick([1, 4]),
      batchItemsMax: random.pick([1, 3]),
      pageBytesMax: random.pick([1, 1024 * 1024]),
      retainBehindSnapshotInstances: random.pick([0, 0, 1024]),
      boostEveryMs: random.pick([100, 20_000, 20_000]),
    },
    steps: random.pick([40, 80, 80, 140]) + (voters === five ? 60 : 0),
    warm: random.below(3) > 0,
    settles: random.below(3) === 0,
    inOrder: random.pick([0, 0.3, 0.8]),
    drop: on(0.1),
    copy: on(0.15),
    flush: random.pick([100, 250, 250]),
    wake: random.pick([40, 80]),
    submit: 50,
    crash: on(30),
    pass: on(40),
    suspend: on(10),
    handOver: on(12),
    snapshot: on(40),
    change: memberships ? 60 : 0,
    loseDisk: memberships || random.below(4) === 0 ? 12 : 0,
    late: late ? { kind: random.pick(lateKinds), from: random.below(voters), to: random.below(voters) } : null,
    rates: random.word() & 1 ? names.map(() => 1 + random.between(-0.0099, 0.0099)) : names.map(() => 1),
  };
}
