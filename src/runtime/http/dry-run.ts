/**
 * What a MultiOp would do to a state, without proposing it: for `--dry-run`, which the cell answers and nobody guesses.
 * The database remains the judge of real ones; this one only reads.
 */
import type { MultiOp, Operation, Test } from '../../core/database/command.ts';
import { unreachable } from '../../core/invariant.ts';
import type { DryRunDocument } from '../../formats/http-body.ts';
import type { ReadState } from './service.ts';

export function dryRun(state: ReadState, multiOp: MultiOp): DryRunDocument {
  const guard = multiOp.guard.map((test) => holds(state, test));
  const succeeded = guard.every((it) => it);
  const operations = succeeded ? multiOp.then : multiOp.else;
  return { dryRun: true, succeeded, guard, wouldChange: operations.some((it) => changes(state, it)) };
}

function holds(state: ReadState, test: Test): boolean {
  const entry = state.get(test.key);
  switch (test.test) {
    case 'absent':
      return entry === null;
    case 'present':
      return entry !== null;
    case 'revision':
      return (entry?.revision ?? 0) === test.revision;
    case 'equals':
      return entry !== null && Buffer.compare(entry.value, test.value) === 0;
    case 'less':
      return entry !== null && Buffer.compare(entry.value, test.value) < 0;
    case 'greater':
      return entry !== null && Buffer.compare(entry.value, test.value) > 0;
    default:
      return unreachable(test);
  }
}

/** A put always raises the revision; a delete does when there is something to delete. */
const changes = (state: ReadState, operation: Operation): boolean =>
  operation.op === 'put' || (operation.op === 'delete' && state.get(operation.key) !== null);
