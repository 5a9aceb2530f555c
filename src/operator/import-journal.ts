/** What an import writes down as it goes, so that it can go on after it was killed; and how it goes on after its session has ended. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stateDirectory } from '../client/state-file.ts';
import type { ImportTarget } from './import.ts';
import type { ImportEntry } from './ndjson.ts';

/** One file a cell and source, so that imports do not write over each other's. */
export function importJournalFile(cell: string, source: string, env?: NodeJS.ProcessEnv): string {
  const name = createHash('sha256').update(`${cell}\0${source}`).digest('hex').slice(0, 32);
  return path.join(stateDirectory(env), 'imports', `${name}.json`);
}

/** Null where none was interrupted. */
export function readImportJournal<Journal>(file: string): Journal | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Journal;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

export function writeImportJournal(file: string, journal: object): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.next`, `${JSON.stringify(journal)}\n`, { mode: 0o600 });
  renameSync(`${file}.next`, file);
}

export const endImportJournal = (file: string): void => rmSync(file, { force: true });

/**
 * The session ended, as it does when an import is resumed late. What was sent under it can be told only from the database: a
 * key that holds the last value that the batch has for it is done. `onSession` is called before anything is sent.
 */
export async function putUnderNewNumbers(
  target: Pick<ImportTarget, 'get' | 'openSession' | 'putAll'>,
  entries: readonly ImportEntry[],
  onSession: (session: string) => void,
): Promise<void> {
  const last = new Map(entries.map((entry) => [entry.key, entry]));
  const missing: ImportEntry[] = [];
  for (const entry of last.values()) {
    const present = await target.get(entry.key);
    if (present === null || Buffer.compare(present, entry.value) !== 0) missing.push(entry);
  }
  const session = await target.openSession();
  onSession(session);
  if (missing.length > 0) await target.putAll(missing, { session, sequence: 1 });
}
