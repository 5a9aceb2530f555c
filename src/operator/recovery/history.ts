/** The past that a report tells, as the runtime judges marks by it. Pure. */
import { contains, type KnownHistory } from '../../formats/history-points.ts';
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

/**
 * Revisions that a report counts in generations of which `known`, the epochs of another history, has none. Each generation counts on from
 * its multiple, and up to where the next one begins. Never too many: what another history holds cannot be of a generation that it never was in.
 */
export function writtenApart(
  { generations, applied }: Pick<RecoverReport, 'generations' | 'applied'>,
  known: readonly EpochDocument[],
): number {
  let sum = 0;
  for (const [at, { epoch, id }] of generations.entries()) {
    if (known.some((it) => it.epoch === epoch && it.id === id)) continue;
    sum += Math.max(0, (generations[at + 1]?.revision ?? applied.revision) - epoch);
  }
  return sum;
}
