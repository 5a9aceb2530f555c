/**
 * `kv import --from-etcd`: a live etcd, copied at one revision and compared key by key.
 *
 * Nothing is written before every key was seen to be one that this cell can hold. Each batch goes out once, under numbers of a session, and
 * how far the copy came is written down behind it; so an import that was killed goes on, at the revision at which it began.
 */
import { CheckFailedError, OperatorError, RefusedError } from '../../errors/index.ts';
import type { ExportSource } from '../export.ts';
import type { ImportTarget } from '../import.ts';
import {
  endImportJournal,
  importJournalFile,
  putUnderNewNumbers,
  readImportJournal,
  writeImportJournal,
} from '../import-journal.ts';
import type { ImportEntry } from '../ndjson.ts';
import type { EtcdEntry, EtcdSource } from './gateway.ts';
import { readEtcd, shown, unfit, valueBytesMax } from './read-etcd.ts';
import { type EtcdVerdict, verifyEtcd } from './verify-etcd.ts';

export interface EtcdProgress {
  readonly phase: 'looking' | 'copying' | 'comparing';
  readonly entries: number;
  /** In etcd. */
  readonly total: number;
  readonly bytes: number;
  readonly tookMs: number;
}

export interface EtcdImportOptions {
  readonly urls: readonly string[];
  readonly prefix: string;
  /** Names the cell in what is written down. */
  readonly cell: string;
  readonly resume: boolean;
  readonly onProgress: (progress: EtcdProgress) => void;
  readonly env?: NodeJS.ProcessEnv;
}

/** The JSON document of `kv import --from-etcd`. */
export interface EtcdImportResult {
  readonly etcd: { readonly urls: readonly string[]; readonly clusterId: string; readonly revision: number };
  readonly prefix: string;
  readonly entries: number;
  readonly bytes: number;
  readonly resumedFrom: number;
  /** Entries that go away by themselves in etcd, and stay here. */
  readonly leased: number;
  readonly verified: EtcdVerdict;
  readonly tookMs: number;
}

/** The JSON document with `--dry-run`. */
export interface EtcdDryRun {
  readonly dryRun: true;
  readonly etcd: EtcdImportResult['etcd'];
  readonly prefix: string;
  readonly entries: number;
  readonly bytes: number;
  readonly leased: number;
  readonly wouldChange: boolean;
}

interface EtcdJournal {
  readonly clusterId: string;
  readonly revision: number;
  readonly total: number;
  readonly leased: number;
  /** The last key that is in the cell, in base64; null before the first. */
  readonly after: string | null;
  readonly session: string;
  /** Of the first entry that is not known to be applied. */
  readonly sequence: number;
  readonly entries: number;
  readonly bytes: number;
}

const batchEntriesMax = 500;
const batchBytesMax = 512 * 1024;
const namedMax = 10;

export interface EtcdCell {
  readonly target: ImportTarget;
  readonly list: ExportSource;
}

/**
 * @throws {RefusedError} (exit 5) for keys that cannot be keys here, before anything is written; {OperatorError} `PAXOS_ETCD_COMPACTED` (exit 5).
 * @throws {CheckFailedError} (exit 4) when the cell does not hold what was copied.
 */
export async function importFromEtcd(
  source: EtcdSource,
  cell: EtcdCell,
  options: EtcdImportOptions,
): Promise<EtcdImportResult> {
  const started = performance.now();
  const { prefix, urls } = options;
  const file = importJournalFile(options.cell, `etcd ${[...urls].sort().join(',')} ${prefix}`, options.env);
  const before = options.resume ? resumed(file, options) : null;
  if (before !== null) await refuseOtherCluster(source, before, prefix);
  const progress = (
    phase: EtcdProgress['phase'],
    { entries, bytes, total }: Pick<EtcdJournal, 'entries' | 'bytes' | 'total'>,
  ) => options.onProgress({ phase, entries, bytes, total, tookMs: performance.now() - started });
  let journal = before ?? (await look(source, cell.target, options, (found) => progress('looking', found)));
  writeImportJournal(file, journal);
  try {
    for await (const batch of batches(
      readEtcd(source, { prefix, revision: journal.revision, after: keyOf(journal) }),
    )) {
      journal = await write(cell.target, batch, journal, (next) => writeImportJournal(file, next));
      progress('copying', journal);
    }
    const { revision, total, bytes } = journal;
    const onProgress = (entries: number): void => progress('comparing', { entries, total, bytes });
    const verified = await verifyEtcd(source, cell.list, { prefix, revision, onProgress });
    if (verified.different > 0) throw differs(verified, journal, options);
    endImportJournal(file);
    const { clusterId, entries, leased } = journal;
    return {
      etcd: { urls, clusterId, revision },
      prefix,
      entries,
      bytes,
      resumedFrom: before?.entries ?? 0,
      leased,
      verified,
      tookMs: Math.round(performance.now() - started),
    };
  } catch (error) {
    throw error instanceof OperatorError && !(error instanceof CheckFailedError)
      ? explained(error, journal, options)
      : error;
  }
}

/** Reads all of etcd, and asks the cell what it would do; nothing is written, here or there. */
export async function dryRunFromEtcd(
  source: EtcdSource,
  target: ImportTarget,
  { onProgress, prefix, urls }: Pick<EtcdImportOptions, 'onProgress' | 'prefix' | 'urls'>,
): Promise<EtcdDryRun> {
  const started = performance.now();
  const found = await keysOf(source, { prefix, urls }, () => undefined);
  const so = { entries: 0, bytes: 0, wouldChange: false };
  for await (const batch of batches(readEtcd(source, { prefix, revision: found.revision }))) {
    if (await target.wouldChange(batch)) so.wouldChange = true;
    so.entries += batch.length;
    so.bytes += bytesOf(batch);
    onProgress({ phase: 'looking', ...so, total: found.total, tookMs: performance.now() - started });
  }
  const { clusterId, leased, revision } = found;
  return { dryRun: true, etcd: { urls, clusterId, revision }, prefix, leased, ...so };
}

type Asked = Pick<EtcdImportOptions, 'prefix' | 'urls'>;
type Found = Pick<EtcdJournal, 'clusterId' | 'revision' | 'total' | 'leased'>;

/** Which revision, and that every key of it can be one here. @throws {RefusedError} naming those that cannot. */
async function keysOf(source: EtcdSource, { prefix, urls }: Asked, onSeen: (total: number) => void): Promise<Found> {
  const first = { prefix, after: null, limit: 1, keysOnly: true };
  const { clusterId, revision } = await source.page({ ...first, revision: null });
  const { count } = await source.page({ ...first, revision });
  const wrong: string[] = [];
  let [total, leased, unfitCount] = [0, 0, 0];
  for await (const entry of readEtcd(source, { prefix, revision, keysOnly: true })) {
    total++;
    if (entry.leased) leased++;
    const why = unfit(entry.key);
    if (why !== null && ++unfitCount <= namedMax) wrong.push(`${shown(entry.key)}: ${why}`);
    if (total % 5_000 === 0) onSeen(count);
  }
  // Of the same revision: a page that ended too early would be missing in the comparison as well.
  if (total !== count) {
    throw new CheckFailedError(
      `etcd says that it has ${count} keys at revision ${revision}, and gave ${total}; nothing was written.`,
      { facts: { count, given: total, revision } },
    );
  }
  if (unfitCount === 0) return { clusterId, revision, total, leased };
  throw new RefusedError(
    `${unfitCount} of ${total} keys of etcd cannot be keys of this cell; nothing was written. ${wrong.join('; ')}.`,
    {
      facts: { unfit: unfitCount, keys: wrong },
      suggestions: [`paxosctl kv import --from-etcd ${urls.join(',')} --prefix PREFIX`],
    },
  );
}

async function look(
  source: EtcdSource,
  target: ImportTarget,
  asked: Asked,
  onSeen: (found: Pick<EtcdJournal, 'entries' | 'bytes' | 'total'>) => void,
): Promise<EtcdJournal> {
  const found = await keysOf(source, asked, (total) => onSeen({ entries: 0, bytes: 0, total }));
  return { ...found, after: null, session: await target.openSession(), sequence: 1, entries: 0, bytes: 0 };
}

async function write(
  target: ImportTarget,
  batch: readonly ImportEntry[],
  before: EtcdJournal,
  keep: (journal: EtcdJournal) => void,
): Promise<EtcdJournal> {
  let journal = before;
  try {
    await target.putAll(batch, { session: journal.session, sequence: journal.sequence });
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'PAXOS_SESSION_EXPIRED') throw error;
    await putUnderNewNumbers(target, batch, (session) => {
      journal = { ...journal, session, sequence: 1 };
      keep(journal);
    });
  }
  const last = batch.at(-1) as ImportEntry;
  const after = Buffer.from(last.key, 'utf8').toString('base64');
  const entries = journal.entries + batch.length;
  const next = {
    ...journal,
    after,
    entries,
    sequence: journal.sequence + batch.length,
    bytes: journal.bytes + bytesOf(batch),
  };
  keep(next);
  return next;
}

const keyOf = ({ after }: EtcdJournal): Buffer | null => (after === null ? null : Buffer.from(after, 'base64'));

const bytesOf = (batch: readonly ImportEntry[]): number =>
  batch.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + value.length, 0);

/** @throws {RefusedError} for a value that is larger than any here. */
async function* batches(entries: AsyncIterable<EtcdEntry>): AsyncGenerator<ImportEntry[]> {
  let batch: ImportEntry[] = [];
  let bytes = 0;
  for await (const { key, value } of entries) {
    if (value.length > valueBytesMax) {
      if (batch.length > 0) yield batch;
      throw new RefusedError(
        `The value of ${shown(key)} has ${value.length} bytes in etcd; a value of this cell has at most ${valueBytesMax}.`,
        { facts: { key: shown(key), bytes: value.length } },
      );
    }
    if (batch.length >= batchEntriesMax || (batch.length > 0 && bytes + value.length > batchBytesMax)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push({ key: key.toString('utf8'), value });
    bytes += key.length + value.length;
  }
  if (batch.length > 0) yield batch;
}

// ---- going on, and giving up ----

const command = ({ prefix, urls }: Asked): string =>
  `paxosctl kv import --from-etcd ${urls.join(',')}${prefix === '' ? '' : ` --prefix ${prefix}`}`;

function resumed(file: string, options: EtcdImportOptions): EtcdJournal {
  const journal = readImportJournal<EtcdJournal>(file);
  if (journal !== null) return journal;
  throw new RefusedError('No interrupted import from this etcd into this cell is known; there is nothing to resume.', {
    facts: { urls: options.urls },
    suggestions: [command(options)],
  });
}

async function refuseOtherCluster(source: EtcdSource, { clusterId }: EtcdJournal, prefix: string): Promise<void> {
  const found = await source.page({ prefix, after: null, revision: null, limit: 1, keysOnly: true });
  if (found.clusterId === clusterId) return;
  throw new RefusedError(
    `Another etcd answers there: cluster ${found.clusterId}; the import began with ${clusterId}.`,
    {
      facts: { clusterId: found.clusterId, expected: clusterId },
    },
  );
}

const differs = (verified: EtcdVerdict, journal: EtcdJournal, options: EtcdImportOptions): CheckFailedError => {
  const named = verified.differences.slice(0, namedMax).map(({ key, what }) => `${JSON.stringify(key)} ${what}`);
  return new CheckFailedError(
    `${verified.different} of ${verified.entries} keys are not in the cell as etcd has them at revision ${journal.revision}: ${named.join(', ')}. Somebody else writes to the cell, or to these keys.`,
    { facts: { revision: journal.revision, ...verified }, suggestions: [command(options)] },
  );
};

/** How far it came, and how to go on. */
function explained(
  error: OperatorError,
  { entries, revision, total }: EtcdJournal,
  options: EtcdImportOptions,
): OperatorError {
  const compacted = error.code === 'PAXOS_ETCD_COMPACTED';
  const resume = compacted ? command(options) : `${command(options)} --resume`;
  const done = `${entries} of ${total} entries of revision ${revision} are in the cell.`;
  return new OperatorError(error.code, `${error.message} ${done}`, {
    facts: { ...error.facts, entriesDone: entries, entriesTotal: total, revision },
    suggestions: [resume, ...error.suggestions],
    exitCode: error.exitCode,
    // 'none' would say that nothing was written.
    outcome: entries === 0 ? error.outcome : 'unknown',
    cause: error.cause,
  });
}
