/**
 * Whether points belong to one history, and what a point outside it proves to be lost. The same for replicas, which judge marks,
 * and for operators' programs, which count the price of going on (design §3, §4 "Position mark").
 */
import type { MarkedPoint } from './position-mark.ts';

/** A new generation's numbers (instance, revision, epoch, incarnation …) begin at the next multiple of this: design §3. */
export const numbersApart = 2 ** 40;

interface HistoryEpoch {
  readonly instance: number;
  readonly id: string;
  readonly revision: number;
}

export interface KnownHistory {
  readonly generation: number;
  readonly revision: number;
  epochAt(epoch: number): HistoryEpoch | null;
  epochAfter(epoch: number): HistoryEpoch | null;
}

export type SeenPoint = Pick<MarkedPoint, 'generation' | 'epoch' | 'epochId' | 'instance' | 'revision'>;

/**
 * Revisions that `point`, which is outside `history`, proves to be lost: what it counts beyond the latest point that its branch
 * can have in common with this history. Never too many.
 */
export function lostAtLeast(point: SeenPoint, history: KnownHistory): number {
  // A generation counts on from a multiple: of a newer one only what it counted itself is known.
  if (point.generation > history.generation) return point.revision % numbersApart;
  const own = history.epochAt(point.epoch);
  // In an epoch that this history shares, the branches part where the next epoch begins here, at the latest; an epoch
  // that it does not share began, in both, above what they have in common.
  const parted = own === null || own.id !== point.epochId ? own : history.epochAfter(point.epoch);
  return Math.max(0, point.revision - (parted?.revision ?? history.revision));
}

/** Whether `point` is in a history that is applied up to `appliedUpTo`. */
export function contains(history: KnownHistory, appliedUpTo: number, point: SeenPoint): boolean {
  const own = history.epochAt(point.epoch);
  if (own === null || own.id !== point.epochId || point.instance < own.instance) return false;
  const next = history.epochAfter(point.epoch);
  return next === null ? point.instance <= appliedUpTo : point.instance < next.instance;
}
