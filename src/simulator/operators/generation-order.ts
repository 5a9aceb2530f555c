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
  /** So long after it somebody else types a restore of his own, and neither knows of the other. */
  readonly rival?: { readonly afterMs: number; readonly order: GenerationOrder } | null;
};

const rivalShare = 0.5;

/**
 * One restore, or a few of different files after each other: what was left open by one is in the way of the next. Somebody else may
 * restore at the same time.
 */
export function drawGenerations(leaseMs: number, random: Random): readonly GenerationOrder[] {
  const orders = [drawOrder(leaseMs, random)];
  while (random.chance(0.3)) orders.push(drawOrder(leaseMs, random));
  return orders.map((order, i) => {
    const own = random.fork(`beside ${i}`);
    if (!own.chance(rivalShare)) return order;
    const rival = drawOrder(leaseMs, own.fork('rival'));
    return {
      ...order,
      rival: { afterMs: own.chance(0.5) ? 0 : own.betweenLogarithmic(1, 3_000), order: rival },
    };
  });
}

const drawOrder = (leaseMs: number, random: Random): GenerationOrder => ({
  age: random.chance(0.5) ? 1 : random.next(),
  kills: Array.from({ length: random.below(4) }, () =>
    drawKill(random.below(random.pick([15, 40, 100] as const)), leaseMs, random),
  ),
  tries: 1 + random.below(10),
  pauseMs: leaseMs * random.betweenLogarithmic(0.05, 5),
  margin: random.chance(0.5) ? 0 : Math.round(random.betweenLogarithmic(1, 100)),
});
