/** The past that a report tells, as the runtime judges marks by it. Pure. */
import { contains, type KnownHistory } from '../../formats/history-points.ts';
import type { RecoverReport } from '../../formats/recovery.ts';

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
