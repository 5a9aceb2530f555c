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

export function examinedStatus(asked: Survey): CellStatus {
  const facts = factsOf(asked);
  const { cell, members } = facts.status;
  const told = new Set(cell.why);
  const found = cellReport(facts).checks.flatMap(({ id, findings }) =>
    toldElsewhere.has(id)
      ? []
      : findings.filter(({ level, text }) => level !== 'not-checked' && !told.has(text)).map(({ text }) => text),
  );
  return { cell: { ...cell, warnings: [...cell.warnings, ...found] }, members };
}
