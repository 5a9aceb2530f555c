/**
 * `recover collect`: copies of all that members know, before anything is decided or thrown away. Asks those that answer; a directory
 * whose process is not there is read by itself. Changes nothing but its own folder.
 */
import path from 'node:path';
import { OperatorError, UnreachableError } from '../../errors/index.ts';
import type { SnapshotDocument } from '../../formats/http-body.ts';
import type { OfferedState, ReadyDocument, RecoverReport } from '../../formats/recovery.ts';
import type { CellFlags } from '../connect.ts';
import { downloadSnapshot, saveSnapshot } from '../snapshot-save.ts';
import { membersOf } from '../snapshots.ts';
import { askReport } from './ask.ts';
import { keepCollected, makeFolder, nameFor, writeState } from './collected.ts';

/** What was collected of one member. */
export interface CollectedRow {
  readonly member: string;
  readonly incarnation: number;
  readonly generation: number;
  readonly instance: number;
  readonly epoch: number;
  readonly revision: number;
  /** Accepted above that; some of it may be chosen. */
  readonly accepted: number;
  readonly unreadable: number;
  readonly entries: number;
  readonly directory: string | null;
  readonly startable: boolean;
  readonly notes: readonly string[];
  readonly file: string;
}

export interface CollectResult {
  readonly folder: string;
  readonly cell: { readonly id: string; readonly name: string };
  readonly collected: readonly CollectedRow[];
  readonly unanswered: readonly { readonly name: string; readonly why: string }[];
}

/** A directory as `runtime/collect-directory.ts` reads it. */
export interface DirectoryCopy {
  readonly directory: string;
  readonly report: RecoverReport;
  readonly startable: boolean;
  readonly notes: readonly string[];
  readonly parts: Generator<Uint8Array, string>;
  readonly ready: readonly { readonly document: ReadyDocument; readonly parts: Generator<Uint8Array, string> }[];
}

const reportMsMax = 10_000;
/** Between report and state nothing may be applied; more often is a cell that serves. */
const triesMax = 3;

export async function keepDirectory(folder: string, copy: DirectoryCopy): Promise<CollectResult> {
  await makeFolder(folder);
  const { report, directory, startable, notes } = copy;
  const stateFile = `${nameFor(report)}.snapshot`;
  const state = await writeState(path.join(folder, stateFile), copy.parts);
  const file = await keepCollected(folder, { report, state, stateFile, directory, startable, notes });
  const rows = [rowOf(report, { directory, startable, notes, file })];
  for (const { document, parts } of copy.ready) {
    const name = readyFileOf(document);
    const written = await writeState(path.join(folder, name), parts);
    rows.push(await keepReady(folder, { ...document, state: written }, directory));
  }
  return { folder, cell: report.cell, collected: rows, unanswered: [] };
}

const readyFileOf = ({ report }: ReadyDocument): string => `${nameFor(report)}.snapshot`;

/** What a member is ready with, as a copy of its own: its file lies in the folder already. */
async function keepReady(folder: string, ready: ReadyDocument, directory: string | null): Promise<CollectedRow> {
  const { report, state } = ready;
  const notes = [`the state that ${report.member} is ready with for generation ${report.generation}`];
  const kept = { report, state, stateFile: readyFileOf(ready), directory, startable: false, notes };
  return rowOf(report, { directory, startable: false, notes, file: await keepCollected(folder, kept) });
}

/** @throws {OperatorError} when it cannot be had. */
async function collectReady(
  { name, url }: { readonly name: string; readonly url: string },
  ready: ReadyDocument,
  { timeout }: CellFlags,
  { folder, verify }: CollectOptions,
): Promise<CollectedRow> {
  const file = path.join(folder, readyFileOf(ready));
  const found = await downloadSnapshot({ name, url: `${url}/v1/recover/state/${ready.state.sha256}` }, timeout, {
    file,
    overwrite: true,
    verify,
    onProgress: () => undefined,
  });
  if (found.digest !== ready.state.sha256) throw new UnreachableError(`${name} is ready with another state by now.`);
  return keepReady(folder, ready, null);
}

export interface CollectOptions {
  readonly folder: string;
  readonly verify: (file: string) => Promise<Omit<SnapshotDocument, 'member' | 'createdAt'>>;
  readonly onStep: (what: string) => void;
}

/** @throws {UnreachableError} (exit 3) when nobody answers. */
export async function collectCell(cell: CellFlags, options: CollectOptions): Promise<CollectResult> {
  const { answering, silent } = await membersOf(cell);
  await makeFolder(options.folder);
  const unanswered = [...silent];
  const collected: CollectedRow[] = [];
  let of: CollectResult['cell'] | null = null;
  for (const { name, url } of answering) {
    options.onStep(`collecting ${name}`);
    try {
      const { report, file, notes } = await collectMember({ name, url }, cell, options);
      of = report.cell;
      collected.push(rowOf(report, { directory: null, startable: true, notes, file }));
      for (const ready of report.ready) collected.push(await collectReady({ name, url }, ready, cell, options));
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      unanswered.push({ name, why: error.message });
    }
  }
  if (of === null) {
    const why = unanswered.map((it) => `${it.name}: ${it.why}`).join(' ');
    throw new UnreachableError(`No member could be collected. ${why}`, { facts: { unanswered } });
  }
  return { folder: options.folder, cell: of, collected, unanswered };
}

async function collectMember(
  { name, url }: { readonly name: string; readonly url: string },
  cell: CellFlags,
  { folder, verify }: CollectOptions,
): Promise<{ readonly report: RecoverReport; readonly file: string; readonly notes: readonly string[] }> {
  for (let tries = 1; ; tries++) {
    const report = await askReport(url, Math.min(cell.timeout, reportMsMax));
    if (report === null) throw new UnreachableError(`${name} does not say what it holds.`);
    const stateFile = `${nameFor(report)}.snapshot`;
    const state = await stateOf(name, report, path.join(folder, stateFile), { cell, verify });
    // Above all else what it accepted is kept, with or without its state.
    if (state === 'moved' && tries < triesMax) continue;
    const whole = state === 'moved' ? null : state;
    const notes = whole === null ? ['its state could not be saved: only what it accepted and reached is known'] : [];
    const kept = { report, state: whole, stateFile: whole === null ? null : stateFile, directory: null };
    return { report, notes, file: await keepCollected(folder, { ...kept, startable: true, notes }) };
  }
}

async function stateOf(
  member: string,
  report: RecoverReport,
  file: string,
  { cell, verify }: { readonly cell: CellFlags; readonly verify: CollectOptions['verify'] },
): Promise<OfferedState | 'moved' | null> {
  if (report.applied.instance === 0) return null;
  try {
    const saved = await saveSnapshot(cell, {
      file,
      member,
      overwrite: true,
      verify,
      unconfirmed: 'as-it-is',
      onProgress: () => undefined,
    });
    const [snapshot] = saved.snapshots;
    if (snapshot === undefined || snapshot.instance !== report.applied.instance) return 'moved';
    return { sha256: snapshot.digest, bytes: snapshot.bytes };
  } catch (error) {
    if (error instanceof OperatorError && error.exitCode !== 2) return null;
    throw error;
  }
}

const rowOf = (
  { member, incarnation, generation, applied, entries, unreadable, entryCount }: RecoverReport,
  more: Pick<CollectedRow, 'directory' | 'startable' | 'notes' | 'file'>,
): CollectedRow => ({
  member,
  incarnation,
  generation,
  instance: applied.instance,
  epoch: applied.epoch,
  revision: applied.revision,
  accepted: entries.length,
  unreadable,
  entries: entryCount,
  ...more,
});
