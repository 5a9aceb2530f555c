/**
 * The status of the cell with what the doctor sees at the same glance: a fault that is masked today is named in `status` too, and
 * not only to whoever thinks of asking (pitfalls P50, L4).
 */

import type { CellStatus, Survey } from './cell-status.ts';
import { factsOf } from './doctor/live-facts.ts';
import { cellReport } from './doctor/report.ts';

/** These stand in `why`, in the members' rows, or in the replicas' own warnings already. */
const toldElsewhere: ReadonlySet<string> = new Set([
  ...['serving', 'frozen', 'answers', 'voting', 'catch-up', 'databases', 'change', 'drain', 'hints', 'warnings'],
]);
/** Of those without a vote nothing stands there: a member that was to get one, and never did, would be nobody's business. */
const ofLearners: ReadonlySet<string> = new Set(['catch-up', 'change']);

export function examinedStatus(asked: Survey): CellStatus {
  const facts = factsOf(asked);
  const { cell, members } = facts.status;
  const told = new Set(cell.why);
  const learners = new Set(members.filter(({ voting }) => !voting).map(({ name }) => name));
  const found = cellReport(facts).checks.flatMap(({ id, findings }) =>
    findings
      .filter(({ member }) => !toldElsewhere.has(id) || (ofLearners.has(id) && learners.has(member ?? '')))
      .filter(({ level, text }) => level !== 'not-checked' && !told.has(text))
      .map(({ text }) => text),
  );
  return { cell: { ...cell, warnings: [...cell.warnings, ...found] }, members };
}
