/**
 * What somebody who upgrades a cell types, as data: the commands of `upgrade`, where each is killed, how the operator's own way to restart
 * a member goes wrong, and what earlier attempts have left lying about.
 *
 * Source: design §6; pitfalls U1 to U5, O11; PML §7 (incidents 2, 3 and 6).
 */
import type { Random } from '../../core/random.ts';
import { drawKill, type Kill } from './desk.ts';

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
};

const lies: readonly Lie[] = [
  ...(['nothing', 'hang', 'stays-down', 'wrong-version', 'same-version', 'two-processes', 'old-copy'] as const),
];

/** An attempt from its beginning to some end, as often as not. */
export function drawUpgrade(members: readonly string[], leaseMs: number, random: Random): readonly UpgradeOrder[] {
  const one = (command: UpgradeKind, troubled = 0.35): UpgradeOrder => ({
    command,
    kill: random.chance(troubled) ? drawKill(random.below(random.pick([10, 60, 250] as const)), leaseMs, random) : null,
    lie: random.chance(troubled / 2) ? random.pick(lies) : '',
    lieAt: random.below(4),
    harsh: random.chance(0.3),
    residueAt: command === 'run' && random.chance(0.1) ? random.pick(members) : '',
    tries: 1 + random.below(8),
    pauseMs: leaseMs * random.betweenLogarithmic(0.05, 10),
  });
  const orders = [one('run')];
  while (random.chance(0.4)) orders.push(one(random.pick(['resume', 'resume', 'rollback', 'abort'] as const)));
  if (random.chance(0.6)) orders.push(one('resume', 0.1), one('finalize', 0.2));
  else orders.push(one('abort', 0.2));
  return orders;
}
