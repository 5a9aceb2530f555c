/**
 * `kv import`: entries of a file into the cell, in order, each exactly once.
 *
 * Entries go out in batches, one at a time, numbered by a session of the cell: a batch whose answer was lost (the master died) is
 * sent again under the same numbers, and what had been applied is not applied twice. After each acknowledged batch the
 * place in the file is written down beside the numbers; so an import that was itself killed goes on where it stood, and its last
 * batch, which may or may not have arrived, is sent again under its old numbers too.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { OperatorError, RefusedError } from '../errors/index.ts';
import {
  endImportJournal,
  importJournalFile,
  putUnderNewNumbers,
  readImportJournal,
  writeImportJournal,
} from './import-journal.ts';
import {
  BadLineError,
  type EntrySource,
  type ImportEntry,
  type ImportLine,
  openForReading,
  readEntries,
} from './ndjson.ts';

/** What an import needs of a cell. Both calls wait for a master and retry by themselves for as long as they may. */
export interface ImportTarget {
  openSession(): Promise<string>;
  /**
   * Writes in order under the numbers from `sequence` on. Resolves when all are applied.
   *
   * @throws {OperatorError} `PAXOS_SESSION_EXPIRED` when the cell can no longer tell what it did under these numbers.
   */
  putAll(entries: readonly ImportEntry[], numbers: { session: string; sequence: number }): Promise<void>;
  /** Whether writing these would change the database now, as the master sees it; nothing is written. */
  wouldChange(entries: readonly ImportEntry[]): Promise<boolean>;
  /** The present value, or null. */
  get(key: string): Promise<Uint8Array | null>;
}

export interface ImportProgress {
  /** In the cell, those of earlier runs included. */
  readonly entries: number;
  readonly bytes: number;
  /** Of the file; null for a pipe. */
  readonly bytesTotal: number | null;
  readonly tookMs: number;
}

export interface ImportOptions {
  /** `-` is standard input, which cannot be resumed. */
  readonly file: string;
  /** Names the cell in what is written down: an import into another cell starts from the beginning. */
  readonly cell: string;
  readonly resume: boolean;
  readonly onProgress: (progress: ImportProgress) => void;
  readonly env?: NodeJS.ProcessEnv;
}

/** The JSON document of `kv import`. */
export interface ImportResult {
  readonly file: string;
  /** Entries of the file that are in the cell now. */
  readonly entries: number;
  /** Those of them that an earlier, interrupted run had brought in. */
  readonly resumedFrom: number;
  readonly bytes: number;
  readonly tookMs: number;
}

/** Limits of the cell are 1,000 operations a batch and 2 MiB of JSON. */
const batchEntriesMax = 500;
const batchBytesMax = 512 * 1024;

interface Journal {
  /** Of the file: an import goes on only in the file that it began with. */
  readonly fingerprint: string;
  readonly session: string;
  /** Of the first entry that is not known to be applied. */
  readonly sequence: number;
  readonly bytes: number;
  readonly lines: number;
  readonly entries: number;
  /** Digest of the first `bytes` of the file: nothing after them was sent, so what follows may have been mended. */
  readonly mendable?: string;
}

/** The JSON document of `kv import --dry-run`. */
export interface ImportDryRun {
  readonly dryRun: true;
  readonly file: string;
  readonly entries: number;
  readonly bytes: number;
  readonly wouldChange: boolean;
}

/**
 * Reads all of the file and asks the cell of each batch what it would do; nothing is written, here or there.
 *
 * @throws {BadLineError} (exit 2) for a line that is no entry; another {OperatorError} for what the cell would refuse.
 */
export async function dryRunOfImport(
  target: Pick<ImportTarget, 'wouldChange'>,
  { file, onProgress }: Pick<ImportOptions, 'file' | 'onProgress'>,
): Promise<ImportDryRun> {
  const started = performance.now();
  const source = await openForReading(file);
  try {
    const so = { entries: 0, bytes: 0, wouldChange: false };
    for await (const batch of batches(readEntries(source, { from: 0, firstNumber: 1 }))) {
      if (await target.wouldChange(entriesOf(batch))) so.wouldChange = true;
      so.entries += batch.length;
      so.bytes = batch.at(-1)?.endsAt ?? so.bytes;
      const tookMs = performance.now() - started;
      onProgress({ entries: so.entries, bytes: so.bytes, bytesTotal: source.file?.size ?? null, tookMs });
    }
    return { dryRun: true, file, ...so };
  } finally {
    await source.close();
  }
}

/**
 * @throws {BadLineError} for a line that is no entry: everything before it is in the cell.
 * @throws {RefusedError} with `resume`, when there is nothing to resume or the file has changed.
 */
export async function importFile(target: ImportTarget, options: ImportOptions): Promise<ImportResult> {
  const started = performance.now();
  const source = await openForReading(options.file);
  try {
    const journalFile = source.file === null ? null : journalPath(options);
    const fingerprint = source.file === null ? '' : `${source.file.size}-${source.file.mtimeMs}`;
    const before = options.resume ? await resumable({ journalFile, fingerprint, ...options }, source) : null;
    const journal = before ?? { ...(await beginning(target)), fingerprint };
    const writer = new Writer(target, journal, { journalFile, file: options.file });
    const report = () =>
      options.onProgress({
        entries: writer.entries,
        bytes: writer.bytes,
        bytesTotal: source.file?.size ?? null,
        tookMs: performance.now() - started,
      });
    const lines = readEntries(source, { from: journal.bytes, firstNumber: journal.lines + 1 });
    try {
      for await (const batch of batches(lines)) {
        await writer.write(batch);
        report();
      }
    } catch (error) {
      throw error instanceof BadLineError ? await writer.endedAt(error, source) : error;
    }
    writer.finished();
    const { entries, bytes } = writer;
    return {
      file: options.file,
      entries,
      resumedFrom: before?.entries ?? 0,
      bytes,
      tookMs: Math.round(performance.now() - started),
    };
  } finally {
    await source.close();
  }
}

/** How far an interrupted import of this file had come, or null. */
export function interruptedAt(
  options: Pick<ImportOptions, 'file' | 'cell' | 'env'>,
): { readonly entries: number } | null {
  return options.file === '-' ? null : readImportJournal<Journal>(journalPath(options));
}

async function beginning(target: ImportTarget): Promise<Omit<Journal, 'fingerprint'>> {
  return { session: await target.openSession(), sequence: 1, bytes: 0, lines: 0, entries: 0 };
}

class Writer {
  readonly #target: ImportTarget;
  readonly #journalFile: string | null;
  readonly #file: string;
  #journal: Journal;

  constructor(target: ImportTarget, journal: Journal, files: { journalFile: string | null; file: string }) {
    this.#target = target;
    this.#journal = journal;
    this.#journalFile = files.journalFile;
    this.#file = files.file;
    this.#writeDown();
  }

  get entries(): number {
    return this.#journal.entries;
  }

  get bytes(): number {
    return this.#journal.bytes;
  }

  async write(batch: readonly ImportLine[]): Promise<void> {
    const last = batch.at(-1);
    if (!last) return;
    await this.#put(batch);
    const { session, fingerprint, sequence, entries } = this.#journal;
    this.#journal = {
      fingerprint,
      session,
      sequence: sequence + batch.length,
      bytes: last.endsAt,
      lines: last.number,
      entries: entries + batch.length,
    };
    this.#writeDown();
  }

  /** Everything before the line was acknowledged: how far that is, and how to go on once the line is mended. */
  async endedAt(bad: BadLineError, source: EntrySource): Promise<OperatorError> {
    const { entries } = this.#journal;
    if (this.#journalFile !== null) {
      this.#journal = { ...this.#journal, mendable: await digestOf(source, this.#journal.bytes) };
      this.#writeDown();
    }
    const done = `${entries} ${entries === 1 ? 'entry' : 'entries'} before it ${entries === 1 ? 'is' : 'are'} in the cell, none after it`;
    const how = this.#journalFile === null ? '' : '; mend the line, and --resume goes on with it';
    return new OperatorError(bad.code, `${bad.message} ${done}${how}.`, {
      facts: { ...bad.facts, entriesDone: entries },
      suggestions: this.#journalFile === null ? [] : [`paxosctl kv import ${this.#file} --resume`],
      // 'none' would say that nothing was written.
      outcome: entries === 0 ? 'none' : 'unknown',
    });
  }

  finished(): void {
    if (this.#journalFile) endImportJournal(this.#journalFile);
  }

  async #put(batch: readonly ImportLine[]): Promise<void> {
    const { session, sequence } = this.#journal;
    try {
      await this.#target.putAll(entriesOf(batch), { session, sequence });
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (error.code !== 'PAXOS_SESSION_EXPIRED') throw this.#inFile(error, batch);
      await putUnderNewNumbers(this.#target, entriesOf(batch), (newSession) => {
        this.#journal = { ...this.#journal, session: newSession, sequence: 1 };
        this.#writeDown();
      });
    }
  }

  /** Says how far the import came, and how to go on. */
  #inFile(error: OperatorError, batch: readonly ImportLine[]): OperatorError {
    const done = this.#journal.entries;
    const { code, exitCode, outcome, facts } = error;
    const resume = this.#journalFile === null ? [] : [`paxosctl kv import ${this.#file} --resume`];
    return new OperatorError(code, `${error.message} ${done} entries of the file are in the cell.`, {
      facts: { ...facts, entriesDone: done, lines: [batch[0]?.number, batch.at(-1)?.number] },
      suggestions: [...resume, ...error.suggestions],
      exitCode,
      outcome,
      cause: error.cause,
    });
  }

  #writeDown(): void {
    if (this.#journalFile) writeImportJournal(this.#journalFile, this.#journal);
  }
}

const entriesOf = (batch: readonly ImportLine[]): ImportEntry[] => batch.map(({ entry }) => entry);

/** What stands before a line that is no entry still comes, and then the error. */
async function* batches(lines: AsyncIterable<ImportLine>): AsyncGenerator<ImportLine[]> {
  let batch: ImportLine[] = [];
  let bytes = 0;
  let failure: unknown = null;
  try {
    for await (const line of lines) {
      const lineBytes = Buffer.byteLength(line.entry.key) + line.entry.value.length;
      if (batch.length > 0 && (batch.length >= batchEntriesMax || bytes + lineBytes > batchBytesMax)) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(line);
      bytes += lineBytes;
    }
  } catch (error) {
    failure = error;
  }
  if (batch.length > 0) yield batch;
  if (failure !== null) throw failure;
}

const journalPath = ({ file, cell, env }: Pick<ImportOptions, 'file' | 'cell' | 'env'>): string =>
  importJournalFile(cell, path.resolve(file), env);

interface Resume {
  readonly journalFile: string | null;
  readonly fingerprint: string;
  readonly file: string;
}

async function resumable({ journalFile, fingerprint, file }: Resume, source: EntrySource): Promise<Journal> {
  const again = [`paxosctl kv import ${file}`];
  const journal = journalFile === null ? null : readImportJournal<Journal>(journalFile);
  if (!journal) {
    throw new RefusedError(`No interrupted import of ${file} into this cell is known; there is nothing to resume.`, {
      facts: { file },
      suggestions: again,
    });
  }
  if (journal.fingerprint === fingerprint) return journal;
  const { mendable, ...rest } = journal;
  if (mendable !== undefined && mendable === (await digestOf(source, journal.bytes))) return { ...rest, fingerprint };
  throw new RefusedError(
    `File ${file} has changed since its import was interrupted; its lines are not the same any more.`,
    {
      facts: { file, entriesDone: journal.entries },
      suggestions: again,
    },
  );
}

/** Of the first bytes of a file. */
async function digestOf(source: EntrySource, bytes: number): Promise<string> {
  const hash = createHash('sha256');
  let left = bytes;
  for await (const chunk of source.bytes(0)) {
    if (left <= 0) break;
    hash.update(chunk.subarray(0, left));
    left -= chunk.length;
  }
  return hash.digest('hex');
}
