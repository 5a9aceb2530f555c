/**
 * What somebody who goes back to a backup of a cell types, as data: which file, where the command is killed, and how often it is typed
 * again by whoever reads what it says.
 *
 * Source: design §3 "Generations"; pitfall O11; PML §7 (the rollback that lost 15 hours).
 */
import type { Random } from '../../core/random.ts';
import { drawKill, type Kill } from './desk.ts';

export type GenerationOrder = {
  /** Of the files that there are, by their age: 0 is the oldest, 1 the newest. */
  readonly age: number;
  /** Of the runs that were told a price that is accepted. */
  readonly kills: readonly Kill[];
  /** Typed so often at the most; what is not done by then is left where it is. */
  readonly tries: number;
  readonly pauseMs: number;
  /** Revisions that are typed beyond what was shown: clients go on writing until the cell is stopped. */
  readonly margin: number;
};

/** One restore, or a few of different files after each other: what was left open by one is in the way of the next. */
export function drawGenerations(leaseMs: number, random: Random): readonly GenerationOrder[] {
  const one = (): GenerationOrder => ({
    age: random.chance(0.5) ? 1 : random.next(),
    kills: Array.from({ length: random.below(4) }, () =>
      drawKill(random.below(random.pick([15, 40, 100] as const)), leaseMs, random),
    ),
    tries: 1 + random.below(10),
    pauseMs: leaseMs * random.betweenLogarithmic(0.05, 5),
    margin: random.chance(0.5) ? 0 : Math.round(random.betweenLogarithmic(1, 100)),
  });
  const orders = [one()];
  while (random.chance(0.3)) orders.push(one());
  return orders;
}
