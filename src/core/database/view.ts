/**
 * The database at one point in time, made in O(1) and unaffected by what is applied later: what snapshots, full checks
 * and exports read, in slices.
 */
import type { CellTimeMs, Epoch } from '../consensus/identity.ts';
import type { Entry, Revision } from './command.ts';
import { type EntryView, isKeptDigest, type StoredEntry } from './entry-store.ts';
import { unpackEntry } from './entry-table.ts';
import type { EpochTable } from './epoch-table.ts';
import { type EntryList, type ListQuery, listEntries } from './listing.ts';
import { type LockView, lockRecordCount, lockRecords } from './lock-table.ts';
import type { CellIdentity, DatabasePorts, DatabaseRecord, EpochRecord, RecordCodec } from './record.ts';
import type { Session } from './session.ts';
import { answerRecord, sessionRecord } from './session-table.ts';
import type { StateView } from './state-store.ts';
import { levelKey, levelOf } from './system-entry.ts';
import { recordOf, type SystemEntry } from './system-table.ts';

export interface Counters {
  readonly revision: Revision;
  readonly epoch: Epoch;
  readonly cellTimeMs: CellTimeMs;
}

export interface ViewParts {
  readonly ports: DatabasePorts;
  readonly identity: CellIdentity | null;
  readonly counters: Counters;
  readonly epochs: EpochTable;
  readonly epochCount: number;
  readonly system: ReadonlyMap<string, SystemEntry>;
  readonly sessions: StateView<Session>;
  readonly answerCount: number;
  readonly locks: LockView;
  readonly entries: EntryView;
  readonly checksum: string;
}

/** An entry in memory is no longer what was written there. */
export class EntryRottenError extends Error {
  readonly key: string;

  constructor(key: string) {
    super('an entry of the database changed in memory since it was written');
    this.name = 'EntryRottenError';
    this.key = key;
  }
}

export class DatabaseView {
  /** Dropped by `close`, so that a view that is held too long keeps nothing alive. */
  #parts: ViewParts | null;
  readonly checksum: string;
  readonly epoch: Epoch;
  readonly cellTimeMs: CellTimeMs;
  readonly revision: Revision;
  /** In force at this point. */
  readonly level: number;
  /** Of the records that {@link DatabaseView.records} yields. */
  readonly count: number;
  /** The user's entries among them. */
  readonly entryCount: number;

  constructor(parts: ViewParts) {
    this.#parts = parts;
    this.checksum = parts.checksum;
    ({ revision: this.revision, epoch: this.epoch, cellTimeMs: this.cellTimeMs } = parts.counters);
    this.level = levelOf(parts.system.get(levelKey)?.value);
    this.entryCount = parts.entries.size;
    this.count =
      (parts.identity === null ? 0 : 1) +
      1 +
      parts.epochCount +
      parts.system.size +
      parts.sessions.size +
      parts.answerCount +
      lockRecordCount(parts.locks) +
      parts.entries.size;
  }

  get(key: string): Entry | null {
    const { ports, entries } = this.#open();
    const stored = entries.get(key);
    return stored === undefined ? null : unpackEntry(ports, stored);
  }

  list(query: ListQuery): EntryList {
    const { ports, entries, counters } = this.#open();
    return listEntries(ports, entries, query, counters.revision);
  }

  /**
   * Canonical encodings in canonical order, up to the first entry that is no longer what was written. They may be kept, and must
   * not be changed: those of entries are the memory in which the entries lie.
   * @throws {EntryRottenError}
   */
  *records(): IterableIterator<Uint8Array> {
    const { codec } = this.#open().ports;
    yield* copiesOf(this.systemContents(), codec);
    for (const stored of this.soundEntries()) yield stored.encoded;
  }

  /** In canonical order; see {@link DatabaseRecord}. */
  *contents(): IterableIterator<DatabaseRecord> {
    const { identity, counters, epochs, epochCount, system, sessions, locks, entries } = this.#open();
    if (identity !== null) yield { kind: 'system', identity };
    yield { kind: 'counters', ...counters };
    for (const epoch of epochs.first(epochCount)) yield epochRecord(epoch);
    for (const [key, entry] of system) yield recordOf(key, entry);
    for (const [id, session] of sessions.from('')) {
      yield sessionRecord(id, session);
      for (const { sequence, answer } of session.answers()) yield answerRecord(id, sequence, answer);
    }
    yield* lockRecords(locks);
    for (const stored of entries.from('')) yield entryRecord(stored);
  }

  /**
   * The user's entries, up to the first that is no longer what was written: what leaves this memory teaches others
   * (pitfall P30), and a snapshot of a damaged one would be refused by whoever reads it.
   * @throws {EntryRottenError}
   */
  *soundEntries(): IterableIterator<StoredEntry> {
    const { digest } = this.#open().ports;
    for (const stored of this.storedEntries(null)) {
      if (!isKeptDigest(stored.digest, digest.entry(stored.encoded))) throw new EntryRottenError(stored.key);
      yield stored;
    }
  }

  /** Everything but the user's entries, in canonical order. */
  *systemContents(): IterableIterator<DatabaseRecord> {
    for (const record of this.contents()) {
      if (record.kind === 'entry') return;
      yield record;
    }
  }

  /** The user's entries above `after` as they lie in memory, each with the digest that was kept when it was written. */
  *storedEntries(after: string | null, withAfter = false): IterableIterator<StoredEntry> {
    let first = after !== null && !withAfter;
    for (const stored of this.#open().entries.from(after ?? '')) {
      if (!(first && stored.key === after)) yield stored;
      first = false;
    }
  }

  get ports(): DatabasePorts {
    return this.#open().ports;
  }

  /** It must not be read any more. */
  close(): void {
    this.#parts = null;
  }

  #open(): ViewParts {
    if (this.#parts === null) throw new Error('the view is closed');
    return this.#parts;
  }
}

export const epochRecord = (epoch: EpochRecord): DatabaseRecord => ({ kind: 'epoch', epoch });

const copyBlockBytes = 4096;

/** They are many and small: a part of a block for each takes a fraction of the time that memory of its own would. */
function* copiesOf(records: Iterable<DatabaseRecord>, codec: RecordCodec): IterableIterator<Uint8Array> {
  let block = new Uint8Array(0);
  let used = 0;
  for (const record of records) {
    const encoded = codec.encode(record);
    if (used + encoded.length > block.length) {
      block = new Uint8Array(Math.max(copyBlockBytes, encoded.length));
      used = 0;
    }
    const copy = block.subarray(used, used + encoded.length);
    copy.set(encoded);
    used += encoded.length;
    yield copy;
  }
}

const entryRecord = (stored: StoredEntry): DatabaseRecord => ({
  kind: 'entry',
  key: stored.key,
  createRevision: stored.createRevision,
  revision: stored.revision,
  version: stored.version,
  value: stored.value,
});
