/**
 * `kv export`: all entries of one point in time, as lines that `kv import` takes.
 *
 * The pages of a listing all name the revision of the first one, and the master keeps that point in time while it is read. When
 * it no longer can (mastership moved, or the reader was too slow) the export starts again from a new point: the file
 * appears under its name only when it is whole.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { OperatorError, UsageError } from '../errors/index.ts';
import type { ListDocument } from '../formats/http-body.ts';
import { entryLine } from './ndjson.ts';

export interface ExportSource {
  /** One page; waits for a master and retries by itself for as long as it may. */
  list(query: {
    readonly prefix: string;
    readonly after: string | null;
    readonly revision: number | null;
    readonly limit: number;
  }): Promise<ListDocument>;
}

export interface ExportProgress {
  readonly entries: number;
  readonly bytes: number;
  readonly tookMs: number;
  /** How often it had to start again. */
  readonly restarts: number;
}

export interface ExportOptions {
  /** `-` is standard output; the entries go through a temporary file, so that no half of another point in time is printed. */
  readonly file: string;
  readonly prefix: string;
  readonly overwrite: boolean;
  readonly onProgress: (progress: ExportProgress) => void;
  /** Where the bytes of `-` go. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
}

/** The JSON document of `kv export`. */
export interface ExportResult {
  readonly file: string;
  readonly entries: number;
  readonly bytes: number;
  /** The point in time: all of its changes are there, and no later one. */
  readonly revision: number;
  readonly restarts: number;
  readonly tookMs: number;
}

const pageEntries = 1000;
const restartsMax = 20;

/**
 * @throws {UsageError} when the file exists and may not be replaced, or cannot be written.
 * @throws {OperatorError} `PAXOS_REVISION_GONE` when no point in time could be held long enough.
 */
export async function exportEntries(source: ExportSource, options: ExportOptions): Promise<ExportResult> {
  if (options.file === '-') {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'paxosctl-export-'));
    try {
      const spool = path.join(folder, 'entries.ndjson');
      const result = await exportTo(source, { ...options, overwrite: true }, spool);
      for await (const chunk of createReadStream(spool)) await options.write(chunk);
      return { ...result, file: '-' };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return exportTo(source, options, options.file);
}

async function exportTo(source: ExportSource, options: ExportOptions, target: string): Promise<ExportResult> {
  const part = `${target}.part-${process.pid}`;
  const file = await openNew(part, target, options.overwrite);
  const started = performance.now();
  try {
    const whole = await wholePointInTime(source, options, file, started);
    await file.sync();
    await file.close();
    await rename(part, target);
    return { file: target, ...whole, tookMs: Math.round(performance.now() - started) };
  } catch (error) {
    await file.close().catch(() => {});
    await rm(part, { force: true });
    throw error;
  }
}

async function wholePointInTime(source: ExportSource, options: ExportOptions, file: FileHandle, started: number) {
  for (let restarts = 0; ; restarts += 1) {
    await file.truncate(0);
    try {
      const onPage = (entries: number, bytes: number) =>
        options.onProgress({ entries, bytes, restarts, tookMs: performance.now() - started });
      return { ...(await onePointInTime(source, options.prefix, file, onPage)), restarts };
    } catch (error) {
      const gone = error instanceof OperatorError && error.code === 'PAXOS_REVISION_GONE';
      if (!gone || restarts >= restartsMax) throw error;
    }
  }
}

async function onePointInTime(
  source: ExportSource,
  prefix: string,
  file: FileHandle,
  onPage: (entries: number, bytes: number) => void,
): Promise<{ entries: number; bytes: number; revision: number }> {
  let revision: number | null = null;
  let after: string | null = null;
  let entries = 0;
  let bytes = 0;
  for (;;) {
    const page: ListDocument = await source.list({ prefix, after, revision, limit: pageEntries });
    revision ??= page.revision;
    const lines = Buffer.from(page.entries.map((entry) => entryLine(entry.key, bytesOf(entry))).join(''), 'utf8');
    await file.write(lines, 0, lines.length, bytes);
    entries += page.entries.length;
    bytes += lines.length;
    onPage(entries, bytes);
    if (page.next === null) return { entries, bytes, revision };
    after = page.next;
  }
}

const bytesOf = (entry: ListDocument['entries'][number]): Uint8Array =>
  entry.valueBase64 === undefined ? Buffer.from(entry.value ?? '', 'utf8') : Buffer.from(entry.valueBase64, 'base64');

/** @throws {UsageError} when there is such a file. */
export async function refuseExisting(file: string): Promise<void> {
  const present = await open(file, 'r').catch(() => null);
  await present?.close();
  if (!present) return;
  throw new UsageError(`File ${file} exists already.`, {
    facts: { file },
    suggestions: [`paxosctl kv export ${file} --overwrite`],
  });
}

async function openNew(part: string, target: string, overwrite: boolean): Promise<FileHandle> {
  if (!overwrite) await refuseExisting(target);
  try {
    return await open(part, 'wx', 0o600);
  } catch (error) {
    throw new UsageError(`File ${target} cannot be written: ${(error as Error).message}.`, { cause: error });
  }
}
