/**
 * The full check of what is stored: every record of a view encoded and digested anew, in slices, whole and by range of keys.
 *
 * Source: design §5; PML §6.2 (extra checksums, "a second database of checksums"). The incremental sum cannot find what
 * rots in memory, since it holds the digests of what was written; this finds it, and says where.
 * Ranges end after keys that a hash of the key alone chooses, one in about a thousand: replicas that hold the same keys cut
 * at the same places, and one that lacks a key is out of step for one range only.
 */
import { DigestSum, digestOf } from './checksum.ts';
import type { Entry } from './command.ts';
import { isKeptDigest, type StoredEntry } from './entry-store.ts';
import { unpackEntry } from './entry-table.ts';
import type { DatabasePorts, DatabaseRecord, Digest } from './record.ts';
import type { DatabaseView } from './view.ts';

/** Records and bytes digested before the event loop gets its turn: about a millisecond. */
const sliceRecords = 400;
const sliceBytes = 256 * 1024;
/** Named damaged keys of one replica; more are counted. */
const rottenKeysMax = 100;
/** One range holds about this many entries. A power of two. */
const rangeEntries = 1024;

/** All records of one kind, or the entries of one range of keys. */
export interface RangeDigest {
  readonly kind: 'system' | 'counters' | 'epochs' | 'system-entries' | 'sessions' | 'locks' | 'entries';
  /** The last key that belongs to it; null for the last range of entries and for what are no entries. */
  readonly to: string | null;
  readonly records: number;
  /** 32 hex digits: the sum of the digests of its records. */
  readonly digest: string;
}

export interface ScanResult {
  /** 32 hex digits, as {@link DatabaseView.checksum} where nothing is damaged. */
  readonly checksum: string;
  /** The user's entries. */
  readonly entries: number;
  readonly ranges: readonly RangeDigest[];
  /** Entries whose contents are no longer what was digested when they were written. */
  readonly rotten: { readonly count: number; readonly keys: readonly string[] };
}

/** Yields after each slice; the view must stay open until the end. */
export function* scanDatabase(view: DatabaseView): Generator<void, ScanResult> {
  const { ports } = view;
  const total = new DigestSum();
  const ranges: RangeDigest[] = [];
  const slice = new Slice();

  let system: OpenRange | null = null;
  for (const record of view.systemContents()) {
    const kind = rangeKind(record);
    if (system !== null && system.kind !== kind) ranges.push(system.close(null));
    if (system === null || system.kind !== kind) system = new OpenRange(kind);
    const digest = digestOf(ports, record);
    total.add(digest);
    system.add(digest);
    if (slice.isFull(256)) yield;
  }
  if (system !== null) ranges.push(system.close(null));

  const rottenKeys: string[] = [];
  let rotten = 0;
  let entries = 0;
  let range = new OpenRange('entries');
  for (const stored of view.storedEntries(null)) {
    const { key, encoded } = stored;
    const digest = ports.digest.entry(encoded);
    if (!isKeptDigest(stored.digest, digest)) {
      rotten++;
      if (rottenKeys.length < rottenKeysMax) rottenKeys.push(key);
    }
    total.add(digest);
    range.add(digest);
    entries++;
    if (endsRange(key)) {
      ranges.push(range.close(key));
      range = new OpenRange('entries');
    }
    if (slice.isFull(encoded.length)) yield;
  }
  if (range.records > 0) ranges.push(range.close(null));
  return { checksum: total.hex(), entries, ranges, rotten: { count: rotten, keys: rottenKeys } };
}

/** One entry as it is stored, with the digest of what is there and of what was written. */
export interface ScannedEntry {
  readonly key: string;
  readonly entry: Entry;
  /** 32 hex digits, of its contents now. */
  readonly digest: string;
  /** False when the contents changed since they were written. */
  readonly sound: boolean;
}

/** At most `limit` entries above `after`, itself too with `withAfter`, up to and with `to`; all that follow when that is null. */
export function scannedEntries(
  view: DatabaseView,
  {
    after,
    withAfter = false,
    to,
    limit,
  }: {
    readonly after: string | null;
    readonly withAfter?: boolean;
    readonly to: string | null;
    readonly limit: number;
  },
): readonly ScannedEntry[] {
  const found: ScannedEntry[] = [];
  const { ports } = view;
  if (limit <= 0) return found;
  for (const stored of view.storedEntries(after, withAfter)) {
    found.push(scannedEntry(ports, stored));
    if (stored.key === to || found.length >= limit) break;
  }
  return found;
}

function scannedEntry(ports: DatabasePorts, stored: StoredEntry): ScannedEntry {
  const digest = ports.digest.entry(stored.encoded);
  const sum = new DigestSum();
  sum.add(digest);
  const { key } = stored;
  return { key, entry: unpackEntry(ports, stored), digest: sum.hex(), sound: isKeptDigest(stored.digest, digest) };
}

class OpenRange {
  readonly kind: RangeDigest['kind'];
  readonly #sum = new DigestSum();
  records = 0;

  constructor(kind: RangeDigest['kind']) {
    this.kind = kind;
  }

  add(digest: Digest): void {
    this.#sum.add(digest);
    this.records++;
  }

  close(to: string | null): RangeDigest {
    return { kind: this.kind, to, records: this.records, digest: this.#sum.hex() };
  }
}

class Slice {
  #records = 0;
  #bytes = 0;

  /** Counts one more record; true when it is time for others. */
  isFull(bytes: number): boolean {
    this.#records++;
    this.#bytes += bytes;
    if (this.#records < sliceRecords && this.#bytes < sliceBytes) return false;
    this.#records = 0;
    this.#bytes = 0;
    return true;
  }
}

function rangeKind(record: DatabaseRecord): RangeDigest['kind'] {
  switch (record.kind) {
    case 'system':
      return 'system';
    case 'counters':
      return 'counters';
    case 'epoch':
      return 'epochs';
    case 'system-entry':
      return 'system-entries';
    case 'session':
    case 'answer':
      return 'sessions';
    case 'lock-generation':
    case 'lock':
      return 'locks';
    case 'entry':
      return 'entries';
  }
}

/** FNV-1a over the code units: the same on every replica, and nothing but the key goes in. */
function endsRange(key: string): boolean {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x0100_0193);
  return ((hash ^ (hash >>> 15)) & (rangeEntries - 1)) === 0;
}
