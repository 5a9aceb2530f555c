/**
 * The user's entries, each with the digest that the checksum holds for it.
 *
 * Keeps: the sum has exactly one digest for each entry of the store. The digest is kept beside the entry rather than
 * computed anew when the entry changes: it halves the work of an overwrite, and an entry that rotted in memory is still
 * found by a scan afterwards, instead of spoiling the sum for good.
 */
import type { DigestSum } from './checksum.ts';
import { digestOf } from './checksum.ts';
import type { Entry, Revision } from './command.ts';
import type { DatabasePorts, DatabaseRecord, Digest, PackedBytes } from './record.ts';
import type { StateStore, StateView } from './state-store.ts';

/** Compact: one object an entry. The digest words are signed, which engines keep without a box. */
export interface StoredEntry {
  readonly value: PackedBytes;
  readonly createRevision: Revision;
  readonly revision: Revision;
  readonly version: number;
  readonly digest0: number;
  readonly digest1: number;
  readonly digest2: number;
  readonly digest3: number;
}

export class EntryTable {
  readonly #store: StateStore<StoredEntry>;
  readonly #sum: DigestSum;
  readonly #ports: DatabasePorts;

  constructor(store: StateStore<StoredEntry>, sum: DigestSum, ports: DatabasePorts) {
    this.#store = store;
    this.#sum = sum;
    this.#ports = ports;
  }

  get size(): number {
    return this.#store.size;
  }

  get(key: string): StoredEntry | undefined {
    return this.#store.get(key);
  }

  /** The entry as callers see it. Its value must not be changed. */
  toEntry(stored: StoredEntry): Entry {
    return unpackEntry(this.#ports, stored);
  }

  /** A new entry or the next version of `before`, which must be the present one. */
  put(key: string, value: Uint8Array, revision: Revision, before: StoredEntry | undefined): StoredEntry {
    return this.load(
      {
        kind: 'entry',
        key,
        createRevision: before === undefined ? revision : before.createRevision,
        revision,
        version: before === undefined ? 1 : before.version + 1,
        value,
      },
      before,
    );
  }

  /** Sets an entry as it is, for `put` and for restoring; `digest` is that of its canonical bytes. */
  load(
    record: DatabaseRecord & { readonly kind: 'entry' },
    before?: StoredEntry,
    digest: Digest = digestOf(this.#ports, record),
  ): StoredEntry {
    const { key, value, createRevision, revision, version } = record;
    const stored: StoredEntry = {
      value: typeof value === 'string' ? value : this.#ports.codec.pack(value),
      createRevision,
      revision,
      version,
      digest0: digest[0] | 0,
      digest1: digest[1] | 0,
      digest2: digest[2] | 0,
      digest3: digest[3] | 0,
    };
    if (before !== undefined) this.#subtract(before);
    this.#sum.add(digest);
    this.#store.set(key, stored);
    return stored;
  }

  delete(key: string, before: StoredEntry): void {
    this.#store.delete(key);
    this.#subtract(before);
  }

  #subtract(stored: StoredEntry): void {
    this.#sum.subtract([stored.digest0, stored.digest1, stored.digest2, stored.digest3]);
  }

  view(): StateView<StoredEntry> {
    return this.#store.view();
  }

  /** The live table, for reads that end in this step. */
  present(): StateView<StoredEntry> {
    return this.#store;
  }
}

export const unpackEntry = (ports: DatabasePorts, stored: StoredEntry): Entry => ({
  value: ports.codec.unpack(stored.value),
  createRevision: stored.createRevision,
  revision: stored.revision,
  version: stored.version,
});

/** Whether the contents digested anew are what was digested when they were written. */
export const isKeptDigest = (stored: StoredEntry, digest: Digest): boolean =>
  (digest[0] | 0) === stored.digest0 &&
  (digest[1] | 0) === stored.digest1 &&
  (digest[2] | 0) === stored.digest2 &&
  (digest[3] | 0) === stored.digest3;
