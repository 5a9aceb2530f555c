/**
 * What somebody who upgrades a cell types, as data: the commands of `upgrade`, where each is killed, how the operator's own way to restart
 * a member goes wrong, and what earlier attempts have left lying about.
 *
 * Source: design §6; pitfalls U1 to U5, O11; PML §7 (incidents 2, 3 and 6).
 */
import type { Random } from '../../core/random.ts';
import { drawKill, type Kill } from './desk.ts';
import type { Meddling, Sleep } from './upgrade-moments.ts';

export type UpgradeKind = 'run' | 'resume' | 'rollback' | 'abort' | 'finalize';

/** What a restart does instead of what it was asked to do. */
export type Lie =
  | ''
  | 'nothing'
  | 'hang'
  | 'stays-down'
  /** A version that does not speak the level of the cell. */
  | 'wrong-version'
  | 'same-version'
  | 'two-processes'
  /** The directory as it was before the upgrade, or long before. */
  | 'old-copy';

export type UpgradeOrder = {
  readonly command: UpgradeKind;
  readonly kill: Kill | null;
  readonly lie: Lie;
  /** Which of its restarts lies, from 0. */
  readonly lieAt: number;
  /** Restarts by kill -9 instead of a clean stop. */
  readonly harsh: boolean;
  /** Before it somebody leaves files of another attempt on this member; empty: nobody does. */
  readonly residueAt: string;
  /** Typed so often at the most, while the cell does not answer or somebody is not well. */
  readonly tries: number;
  readonly pauseMs: number;
  /** Of `run`: to one that speaks what all speak by now, so that nothing is raised. */
  readonly patch?: boolean;
  /** Of its calls, those at which the operator's line drops for a moment. */
  readonly dropShare?: number;
  readonly sleep?: Sleep | null;
  readonly meddlings?: readonly Meddling[];
  /** Of all but `run`: not typed while nothing is open, as whoever looks first does. */
  readonly looksFirst?: boolean;
};

const lies: readonly Lie[] = [
  ...(['nothing', 'hang', 'stays-down', 'wrong-version', 'same-version', 'two-processes', 'old-copy'] as const),
];

/** An attempt from its beginning to some end, as often as not; or from where the one is that is `open`, by its state. */
export function drawUpgrade(
  { members, open }: { readonly members: readonly string[]; readonly open: string | null },
  leaseMs: number,
  random: Random,
): readonly UpgradeOrder[] {
  const one = (command: UpgradeKind, troubled = 0.35): UpgradeOrder => ({
    command,
    kill: random.chance(troubled) ? drawKill(random.below(random.pick([10, 60, 250] as const)), leaseMs, random) : null,
    lie: random.chance(troubled / 2) ? random.pick(lies) : '',
    lieAt: random.below(4),
    harsh: random.chance(0.3),
    residueAt: command === 'run' && random.chance(0.1) ? random.pick(members) : '',
    tries: 1 + random.below(8),
    pauseMs: leaseMs * random.betweenLogarithmic(0.05, 10),
    patch: command === 'run' && random.chance(0.4),
    dropShare: random.chance(troubled) ? random.betweenLogarithmic(0.01, 0.3) : 0,
    sleep: random.chance(sleepShare(command, troubled)) ? drawSleep(command, random) : null,
    meddlings: Array.from({ length: random.chance(meddledShare(command)) ? 1 + random.below(2) : 0 }, () =>
      drawMeddling(command, members, random),
    ),
    looksFirst: random.fork('looks first').chance(looksFirstShare),
  });
  const orders: UpgradeOrder[] = [];
  if (open === null || !random.fork('goes on').chance(goesOnShare)) orders.push(one('run'));
  else if (open !== 'upgraded' && open !== 'finalizing') orders.push(one('resume'));
  while (random.chance(0.4)) orders.push(one(random.pick(['resume', 'resume', 'rollback', 'abort'] as const)));
  if (random.chance(0.6)) orders.push(one('resume', 0.1), one('finalize', 0.2));
  else orders.push(one('abort', 0.2));
  // While one sleeps, somebody else takes over, and thinks otherwise.
  return orders.flatMap((order) => {
    const other = (): UpgradeOrder => ({ ...one(random.pick(['abort', 'abort', 'resume'] as const), 0), tries: 8 });
    if (order.sleep == null) return [order];
    return order.sleep.writes === writesBeforeRaise && order.command === 'finalize'
      ? sleepersAtTheRaise(order, other(), random)
      : [order, other()];
  });
}

/** Whoever finds an upgrade open goes on with it, mostly. */
const goesOnShare = 0.8;
const looksFirstShare = 0.8;

/** What finalizing writes before the level: its claim, and what it announces. */
const writesBeforeRaise = 2;
/** Long enough for another one to take over. */
const raiseSleepMs = [11_500, 16_000] as const;
const sleepBeforeClaim: Sleep = { before: 'write', writes: 0, until: 'level-is-raised', forMs: null };

/** The one who raises the level sleeps before that, with no reason not to do it; the other writes, mostly, as soon as it was done. */
function sleepersAtTheRaise(raising: UpgradeOrder, other: UpgradeOrder, random: Random): readonly UpgradeOrder[] {
  const both = random.fork('both').chance(0.7);
  return [
    { ...raising, meddlings: [] },
    // A third one would take over from both.
    both ? { ...other, sleep: sleepBeforeClaim, pauseMs: Math.max(other.pauseMs, raiseSleepMs[1]) } : other,
  ];
}

/** Between the step that begins finalizing and its end is where nobody looks any more who looks once. */
const meddledShare = (command: UpgradeKind): number => (command === 'finalize' ? 0.5 : 0.35);
const sleepShare = (command: UpgradeKind, troubled: number): number => (command === 'finalize' ? 0.4 : 0.7 * troubled);

/**
 * What finalizing writes is little: its claim, what it begins, what it raises. Before the first member has its turn a run writes one more than
 * twice as much as it has members.
 */
const drawWrites = (command: UpgradeKind, random: Random): number =>
  command === 'finalize' ? random.pick([1, 2, 2, 3] as const) : 1 + (random.chance(0.2) ? 0 : 3) + random.below(10);

function drawSleep(command: UpgradeKind, random: Random): Sleep {
  if (command === 'finalize') {
    const raise = random.fork('raise');
    if (!raise.chance(raiseShare)) return drawOtherSleep(command, random);
    const forMs = raise.betweenLogarithmic(...raiseSleepMs);
    return { before: 'write', writes: writesBeforeRaise, until: 'another-writes', forMs };
  }
  if (command === 'run' && random.fork('opening').chance(openingShare)) return sleepBeforeOpening;
  const turn = random.fork('turn');
  return turn.chance(turnShare) ? { ...sleepBehindTurn, turns: 1 + turn.below(3) } : drawOtherSleep(command, random);
}

const raiseShare = 0.5;
/** What opens an upgrade is its first write: a change of the members that is on its way then is one of which its plan knows nothing. */
const openingShare = 0.3;
const sleepBeforeOpening: Sleep = { before: 'write', writes: 0, until: 'members-change', forMs: null };

/** What announces a restart is written, and who wrote it looks once more: whoever ends the upgrade meanwhile has ended that as well. */
const turnShare = 0.5;
const sleepBehindTurn: Sleep = { before: 'look', writes: 0, until: 'upgrade-is-over', forMs: null };

const drawOtherSleep = (command: UpgradeKind, random: Random): Sleep => ({
  before: random.chance(command === 'finalize' ? 0.3 : 0.7) ? 'look' : 'write',
  writes: drawWrites(command, random),
  until: command === 'finalize' || random.chance(0.4) ? 'another-writes' : 'upgrade-is-over',
  forMs: random.chance(0.3) ? random.betweenLogarithmic(1_000, 40_000) : null,
});

const drawMeddling = (command: UpgradeKind, members: readonly string[], random: Random): Meddling => {
  // What is left there would stop a run, and is nothing to the end of one.
  const what = command === 'finalize' || random.chance(0.3) ? 'other-version' : 'residue';
  // It looks, and then, when it scans the members, it looks who they are.
  const unseenLook = what === 'residue' ? random.pick([0, 2, 2] as const) : random.pick([0, 0, 1] as const);
  return { writes: drawWrites(command, random), what, member: random.pick(members), unseenLook };
};
