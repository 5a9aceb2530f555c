/**
 * `doctor`: everything that quietly lowers fault tolerance, each with its fix (contract §1; design §5 "masked faults"; PML §6.3).
 *
 * One list of checks as data; whoever must know that a cell is well before going on asks the same list.
 */
import type { CellFlags } from '../connect.ts';
import { backupChecks } from './backup-checks.ts';
import { careChecks } from './care-checks.ts';
import { type Check, type Examined, examine, type Level } from './check.ts';
import { type DirectoryFacts, directoryChecks } from './directory-checks.ts';
import { type LiveFacts, liveFacts } from './live-facts.ts';
import { machineChecks } from './machine-checks.ts';
import { memberChecks } from './member-checks.ts';

/** In the order in which they are shown: what stops the cell first. */
export const liveChecks: readonly Check<LiveFacts>[] = [
  ...memberChecks,
  ...machineChecks,
  ...careChecks,
  ...backupChecks,
];

/** The JSON document of `doctor`. */
export interface DoctorDocument {
  /** Every check that could be made is ok. */
  readonly ok: boolean;
  readonly exitCode: 0 | 3 | 4 | 9;
  /** Whose health it is. */
  readonly subject:
    | { readonly kind: 'cell'; readonly id: string | null; readonly name: string | null }
    | { readonly kind: 'data-dir'; readonly directory: string };
  /** Of a live cell, as `status` says it. */
  readonly tolerates: number | null;
  readonly intended: number | null;
  readonly counts: { readonly ok: number; readonly warn: number; readonly fail: number; readonly notChecked: number };
  readonly checks: readonly Examined[];
}

/** @throws {UnreachableError} (exit 3) when no replica answers. */
export async function examineCell(cell: CellFlags): Promise<DoctorDocument> {
  return cellReport(await liveFacts(cell));
}

export function cellReport(facts: LiveFacts): DoctorDocument {
  const checks = examine(liveChecks, facts);
  const { id, name, tolerates, intended, health } = facts.status.cell;
  const exitCode = exitCodeOf(checks, health === 'unavailable');
  return { ...document(checks, exitCode), subject: { kind: 'cell', id, name }, tolerates, intended };
}

/** The same for the files of one member; changes nothing. */
export function examineDirectory(directory: DirectoryFacts): DoctorDocument {
  const checks = examine(directoryChecks, directory);
  const exitCode = exitCodeOf(checks, false);
  const subject = { kind: 'data-dir', directory: directory.directory } as const;
  return { ...document(checks, exitCode), subject, tolerates: null, intended: null };
}

/** These find wrong or damaged data: nothing outweighs that. */
const dataChecks: ReadonlySet<string> = new Set(['databases', 'formed', 'files']);

/** 4: wrong or damaged data; 3: the cell does not serve; 9: it could be better; 0: all that could be checked is ok. */
function exitCodeOf(checks: readonly Examined[], unavailable: boolean): DoctorDocument['exitCode'] {
  if (checks.some(({ id, level }) => level === 'fail' && dataChecks.has(id))) return 4;
  if (unavailable) return 3;
  return checks.some(({ level }) => level === 'fail' || level === 'warn') ? 9 : 0;
}

function document(
  checks: readonly Examined[],
  exitCode: DoctorDocument['exitCode'],
): Pick<DoctorDocument, 'ok' | 'exitCode' | 'counts' | 'checks'> {
  const count = (wanted: Level): number => checks.filter(({ level }) => level === wanted).length;
  const counts = { ok: count('ok'), warn: count('warn'), fail: count('fail'), notChecked: count('not-checked') };
  return { ok: exitCode === 0, exitCode, counts, checks };
}
