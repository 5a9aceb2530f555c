/** The past that a report tells, as the runtime judges marks by it. Pure. */
import { contains, type KnownHistory, numbersApart } from '../../formats/history-points.ts';
import type { EpochDocument, RecoverReport } from '../../formats/recovery.ts';

export function historyOf(report: Pick<RecoverReport, 'epochs' | 'generation' | 'applied'>): KnownHistory {
  const { epochs, generation, applied } = report;
  return {
    generation,
    revision: applied.revision,
    epochAt: (n) => epochs.find(({ epoch }) => epoch === n) ?? null,
    epochAfter: (n) => epochs.find(({ epoch }) => epoch > n) ?? null,
  };
}

export const historyContains = (report: RecoverReport, point: RecoverReport['applied']): boolean =>
  point.instance === 0 || contains(historyOf(report), report.applied.instance, { generation: 0, ...point });

/** How one history came about: where its epochs began, and where it stands. */
export interface ToldHistory {
  /** Rising; the newest of them where there are very many. */
  readonly epochs: readonly EpochDocument[];
  /** Of those all with which a generation began. */
  readonly generations: readonly EpochDocument[];
  /** Of the last point. */
  readonly revision: number;
}

export const toldBy = ({ epochs, generations, applied }: RecoverReport): ToldHistory => ({
  ...{ epochs, generations },
  revision: applied.revision,
});

/** Those of them with which a generation began. */
export const beginnings = (epochs: readonly EpochDocument[]): readonly EpochDocument[] =>
  epochs.filter(({ epoch }) => epoch % numbersApart === 0);

/**
 * Revisions of `own` that come after the last point that it has in common with `other`: each generation counts on from its multiple, and up
 * to where the next one begins. Never too many: behind the earlier of the two next epochs nothing is in common any more. Where no epoch
 * is known to be in both, they parted in the first generation, in which all histories begin.
 */
export function writtenApart(own: ToldHistory, other: ToldHistory): number {
  const { generations, revision } = own;
  const [points, others] = [commonlyTold(own, other), commonlyTold(other, own)];
  const isShared = ({ epoch, id }: EpochDocument): boolean => others.some((it) => it.epoch === epoch && it.id === id);
  const last = points.findLast(isShared)?.epoch ?? 0;
  const after = (its: readonly EpochDocument[]): number | undefined => its.find(({ epoch }) => epoch > last)?.revision;
  const parted = Math.min(after(points) ?? revision, after(others) ?? other.revision);
  let sum = 0;
  for (const [at, first] of [0, ...generations.map(({ epoch }) => epoch)].entries()) {
    const next = generations[at];
    if (next !== undefined && next.epoch <= last) continue;
    sum += Math.max(0, (next?.revision ?? revision) - (first > last ? first : parted));
  }
  return sum;
}

/** Epochs that `other` would tell as well if it had them; with which a generation began, all do. */
function commonlyTold({ epochs, generations }: ToldHistory, other: ToldHistory): readonly EpochDocument[] {
  const from = Math.max(epochs[0]?.epoch ?? 0, other.epochs[0]?.epoch ?? 0);
  const older = generations.filter(({ epoch }) => epoch < from);
  return [...older, ...epochs.filter(({ epoch }) => epoch >= from)];
}
