/** The checks of `doctor` that stand in the way of an upgrade when they fail: the same list, asked of the same look (design §6.1). */
import type { Survey } from '../../client/cell-status.ts';
import { factsOf } from '../doctor/live-facts.ts';
import { cellReport } from '../doctor/report.ts';
import type { Finding } from './preflight.ts';

/**
 * Not those that the driver asks in its own way, member by member (who answers, votes, is caught up, reaches whom), and not those of speed:
 * a busy machine is a reason to look, not to stay on a version.
 */
const asked: ReadonlySet<string> = new Set([
  'frozen',
  'change',
  'voters',
  'versions',
  'clocks',
  'disk',
  'descriptors',
  'memory',
  'databases',
]);

export function doctorFindings(survey: Survey): readonly Finding[] {
  return cellReport(factsOf(survey)).checks.flatMap(({ findings, id }) =>
    findings
      .filter(({ level }) => level === 'fail' && asked.has(id))
      .map(({ text }) => ({ check: id, member: null, problem: text, passing: true, unknown: false })),
  );
}
