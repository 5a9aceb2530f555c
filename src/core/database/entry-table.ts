/**
 * The user's entries, each with the digest that the checksum holds for it.
 *
 * Keeps: the sum has exactly one digest for each entry of the store. The digest is kept beside the entry rather than
 * computed anew when the entry changes: it halves the work of an overwrite, and an entry that rotted in memory is still
 * found by a scan afterwards, instead of spoiling the sum for good.
 */
import type { DigestSum } from './checksum.ts';
import type { Entry, Revision } from './command.ts';
import type { EntryStore, EntryView, StoredEntry } from './entry-store.ts';
import type { DatabasePorts, Digest } from './record.ts';

export class EntryTable {
  readonly #store: EntryStore;
  readonly #sum: DigestSum;
  readonly #ports: DatabasePorts;

  constructor(store: EntryStore, sum: DigestSum, ports: DatabasePorts) {
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
    const { codec, digest } = this.#ports;
    const createRevision = before === undefined ? revision : before.createRevision;
    const version = before === undefined ? 1 : before.version + 1;
    const encoded = codec.encode({ kind: 'entry', key, createRevision, revision, version, value });
    const added = digest.entry(encoded);
    if (before !== undefined) this.#sum.subtract(before.digest);
    this.#sum.add(added);
    return this.#store.put(key, encoded, added);
  }

  /** For a restore, which keeps the order: false, with nothing done, for a key that is not above all others. */
  load(encoded: Uint8Array, digest: Digest): boolean {
    if (!this.#store.append(encoded, digest)) return false;
    this.#sum.add(digest);
    return true;
  }

  delete(key: string, before: StoredEntry): void {
    this.#sum.subtract(before.digest);
    this.#store.delete(key);
  }

  view(): EntryView {
    return this.#store.view();
  }

  /** The live table, for reads that end in this step. */
  present(): EntryView {
    return this.#store;
  }
}

export const unpackEntry = (ports: DatabasePorts, stored: StoredEntry): Entry => ({
  value: ports.codec.unpack(stored.value),
  createRevision: stored.createRevision,
  revision: stored.revision,
  version: stored.version,
});
