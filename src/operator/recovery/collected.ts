/**
 * The folder in which `recover collect` keeps what it found: for each member a sealed document with its report, and its state as a
 * snapshot file beside it. Nothing there is ever replaced: an older copy of a member may know what a newer one does not.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from '../../errors/index.ts';
import type { OfferedState, RecoverReport } from '../../formats/recovery.ts';
import { flushFolder } from '../flush-folder.ts';
import type { CollectedCopy } from './candidates.ts';
import { readSealed, sealed, writeSealed } from './sealed.ts';

export interface CollectedDocument extends CollectedCopy {
  readonly kind: 'collected';
  readonly madeAt: string;
  /** The data directory that was read; null for a member that was asked. */
  readonly directory: string | null;
  /** A replica can be started on that directory, as far as its files tell. */
  readonly startable: boolean;
  readonly notes: readonly string[];
  /** Name of the file beside this one; null where there is no state. */
  readonly stateFile: string | null;
  readonly hash: string;
}

export interface CollectedFile extends CollectedCopy {
  /** Of the state. */
  readonly file: string;
  readonly directory: string | null;
  readonly startable: boolean;
}

const ending = '.collected.json';

/** @throws {UsageError} (exit 2) when the folder cannot be made. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`Folder ${folder} cannot be made: ${(error as Error).message}.`, { cause: error });
  }
}

/** The same content under the same name: collecting twice changes nothing. */
export function nameFor({ member, generation, applied, entries, chosenUpTo }: RecoverReport): string {
  const what = JSON.stringify([generation, applied, entries, chosenUpTo]);
  return `${member}-${applied.instance}-${createHash('sha256').update(what).digest('hex').slice(0, 8)}`;
}

/** What is kept there already with its state stays, where there is none now. @returns the document's file. */
export async function keepCollected(
  folder: string,
  document: Omit<CollectedDocument, 'kind' | 'hash' | 'madeAt'>,
): Promise<string> {
  const file = path.join(folder, `${nameFor(document.report)}${ending}`);
  if (document.stateFile === null && (await hasState(file))) return file;
  await writeSealed(file, sealed({ kind: 'collected' as const, madeAt: new Date().toISOString(), ...document }));
  return file;
}

const hasState = (file: string): Promise<boolean> =>
  readSealed<CollectedDocument>(file, 'collected copy').then(
    ({ stateFile }) => stateFile !== null,
    () => false,
  );

/** Writes the parts of a state and flushes them; under its name only when whole. */
export async function writeState(file: string, parts: Generator<Uint8Array, string>): Promise<OfferedState> {
  const part = `${file}.part-${process.pid}`;
  const handle = await open(part, 'w', 0o600).catch((error: unknown) => {
    throw new UsageError(`File ${part} cannot be written: ${(error as Error).message}.`, { cause: error });
  });
  try {
    let bytes = 0;
    for (let next = parts.next(); ; next = parts.next()) {
      if (next.done === true) {
        await handle.sync();
        await rename(part, file);
        await flushFolder(path.dirname(path.resolve(file)));
        return { sha256: next.value, bytes };
      }
      // A short write is none of the errors that are thrown.
      for (let at = 0; at < next.value.length; ) at += (await handle.write(next.value, at)).bytesWritten;
      bytes += next.value.length;
    }
  } finally {
    await handle.close();
    await rm(part, { force: true });
  }
}

/** All that a folder holds, of one cell. @throws {UsageError} (exit 2) for documents that were changed, and states that are gone. */
export async function readCollected(folder: string, cellId: string): Promise<CollectedFile[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new UsageError(`Folder ${folder} cannot be read: ${(error as Error).message}.`, { cause: error });
  });
  const found: CollectedFile[] = [];
  for (const name of names.filter((it) => it.endsWith(ending)).sort()) {
    const file = path.join(folder, name);
    const { report, state, stateFile, directory, startable } = await readSealed<CollectedDocument>(
      file,
      'collected copy',
    );
    if (report.cell.id !== cellId) continue;
    const stateAt = stateFile === null ? '' : path.resolve(folder, stateFile);
    if (state !== null && (await stat(stateAt).catch(() => null))?.size !== state.bytes) {
      throw new UsageError(`File ${stateAt}, which ${name} belongs to, is not there whole.`, {
        facts: { file: stateAt },
      });
    }
    found.push({ report, state, directory, startable, file: stateAt });
  }
  return found;
}
