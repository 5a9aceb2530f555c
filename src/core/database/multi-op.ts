/**
 * One MultiOp: every test evaluated and reported, then one list of operations in order, later ones seeing earlier ones.
 *
 * Source: PML §5.6. Settled here: an empty guard is true; comparing an absent entry is false; a put over an entry is a
 * change even when the value is the same; deleting an absent key is none (docs/DIVERGENCE.md).
 */
import { unreachable } from '../invariant.ts';
import type { MultiOp, Operation, OperationResult, Revision, Test } from './command.ts';
import type { StoredEntry } from './entry-store.ts';
import type { EntryTable } from './entry-table.ts';
import { compareKeys } from './key.ts';

/** An entry as a MultiOp left it; null when it is gone. */
export interface StoredChange {
  readonly key: string;
  readonly stored: StoredEntry | null;
}

export interface MultiOpOutcome {
  readonly succeeded: boolean;
  readonly guard: readonly boolean[];
  readonly results: readonly OperationResult[];
  /** In the order of their keys, each key once; empty when the MultiOp had no effect and raises no revision. */
  readonly changes: readonly StoredChange[];
}

/** `revision` is the one that changes get, should there be any. */
export function executeMultiOp(entries: EntryTable, multiOp: MultiOp, revision: Revision): MultiOpOutcome {
  const guard = multiOp.guard.map((test) => holds(entries, test));
  const succeeded = !guard.includes(false);
  const changes: StoredChange[] = [];
  const results = (succeeded ? multiOp.then : multiOp.else).map((operation) =>
    execute(entries, operation, revision, changes),
  );
  return { succeeded, guard, results, changes: changes.length < 2 ? changes : lastOfEachKey(changes) };
}

function execute(
  entries: EntryTable,
  operation: Operation,
  revision: Revision,
  changes: StoredChange[],
): OperationResult {
  const { key } = operation;
  const before = entries.get(key);
  switch (operation.op) {
    case 'put':
      changes.push({ key, stored: entries.put(key, operation.value, revision, before) });
      return { op: 'put', revision, created: before === undefined };
    case 'delete':
      if (before === undefined) return { op: 'delete', deleted: false };
      entries.delete(key, before);
      changes.push({ key, stored: null });
      return { op: 'delete', deleted: true };
    case 'get':
      return { op: 'get', entry: before === undefined ? null : entries.toEntry(before) };
    default:
      return unreachable(operation);
  }
}

function holds(entries: EntryTable, test: Test): boolean {
  const stored = entries.get(test.key);
  switch (test.test) {
    case 'absent':
      return stored === undefined;
    case 'present':
      return stored !== undefined;
    case 'revision':
      return (stored === undefined ? 0 : stored.revision) === test.revision;
    case 'equals':
      return stored !== undefined && compareBytes(entries.toEntry(stored).value, test.value) === 0;
    case 'less':
      return stored !== undefined && compareBytes(entries.toEntry(stored).value, test.value) < 0;
    case 'greater':
      return stored !== undefined && compareBytes(entries.toEntry(stored).value, test.value) > 0;
    default:
      return unreachable(test);
  }
}

/** Unsigned bytes, a prefix first. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function lastOfEachKey(changes: readonly StoredChange[]): StoredChange[] {
  const last = new Map<string, StoredChange>();
  for (const change of changes) last.set(change.key, change);
  return [...last.values()].sort((a, b) => compareKeys(a.key, b.key));
}
