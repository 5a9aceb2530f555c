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
  readonly late: { readonly kind: Kind | null; readonly from: number; readonly to: number } | null;
  /** Clock rates by member. */
  readonly rates: readonly number[];
}

type Kind = Message['kind'];

/**
 * What most schedules are about, beside everything else that may happen in them: the shapes of pitfalls §3. Weights are
 * added to the drawn ones.
 */
interface Theme {
  readonly weights: Partial<
    Record<'crash' | 'pass' | 'suspend' | 'handOver' | 'snapshot' | 'change' | 'loseDisk', number>
  >;
  readonly late: readonly (Kind | null)[];
  readonly warm: number;
  readonly retain?: number;
}

const themes: readonly Theme[] = [
  // Whatever the draw says.
  { weights: {}, late: ['accept', 'accepted', 'promise', 'prepare', 'commit', null], warm: 0.7 },
  // Candidates one after the other, values of several ballots at one instance (P02, P04, P06, P08, P09).
  { weights: { pass: 60 }, late: ['accept', 'promise', 'accepted', 'commit', 'prepare'], warm: 0.3 },
  // Restarts among messages and leases of the life before (P01, P03, P34, P35).
  { weights: { crash: 60, pass: 10 }, late: ['promise', 'prepare', 'accepted', null], warm: 0.6 },
  // Clocks and leases (P31, P33, P36, P38).
  { weights: { suspend: 40, pass: 10 }, late: ['accept', 'accepted', null], warm: 0.9 },
  // Logs that are cut while somebody is behind (P07, P23, P46).
  { weights: { snapshot: 90, pass: 40 }, late: ['commit', 'prepare', null], warm: 0.6, retain: 0 },
  // Members come and go, disks are lost (P20, P21, P39, P44-P48).
  { weights: { change: 120, loseDisk: 6, pass: 10 }, late: ['accept', 'commit', null], warm: 0.8 },
  { weights: { change: 120 }, late: ['promise', 'prepare', null], warm: 1 },
  // Mastership goes from hand to hand (P36, P41).
  { weights: { handOver: 70 }, late: ['release', 'prepare', 'accept'], warm: 0.9 },
];

/** Names of all that ever take part; the first `voters` of them form the cell. */
export const names = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

export function drawProfile(random: Random, seed: string): Profile {
  const theme = random.pick(themes);
  const on = (weight: number): number => (random.word() & 1 ? weight * (0.3 + random.next()) : 0);
  const weight = (name: keyof Theme['weights'], drawn: number): number => (theme.weights[name] ?? 0) + on(drawn);
  const [three, five] = [3, 5];
  const late = random.below(3) > 0;
  const voters = random.pick([2, three, three, three, three, three, three, three, five, five]);
  const change = weight('change', random.below(4) === 0 ? 60 : 0);
  return {
    seed,
    voters,
    alpha: random.pick([1, 2, 3, 3, 8]),
    leaseMs: 500,
    limits: {
      acceptWindowInstances: random.pick([1, 4, 16]),
      eagerWindowInstances: random.pick([1, 4]),
      commitDelayMs: random.pick([0, 10]),
      batchItemsMax: random.pick([1, 3]),
      pageBytesMax: random.pick([1, 1024 * 1024]),
      retainBehindSnapshotInstances: theme.retain ?? random.pick([0, 0, 1024]),
      boostEveryMs: random.pick([100, 20_000, 20_000]),
    },
    steps: random.pick([40, 80, 80, 140]) + (voters === five ? 60 : 0),
    warm: random.chance(theme.warm),
    settles: random.below(3) === 0,
    inOrder: random.pick([0, 0.3, 0.8]),
    drop: on(0.1),
    copy: on(0.15),
    flush: random.pick([100, 250, 350]),
    wake: random.pick([40, 80]),
    submit: 50,
    crash: weight('crash', 30),
    pass: weight('pass', 40),
    suspend: weight('suspend', 10),
    handOver: weight('handOver', 12),
    snapshot: weight('snapshot', 30),
    change,
    loseDisk: weight('loseDisk', change > 0 ? 12 : 6),
    late: late ? { kind: random.pick(theme.late), from: random.below(voters), to: random.below(voters) } : null,
    rates: random.word() & 1 ? names.map(() => 1 + random.between(-0.0099, 0.0099)) : names.map(() => 1),
  };
}
