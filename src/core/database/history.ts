/**
 * The latest changes by revision, for watchers. Local to this replica: not in snapshots nor in the checksum; after a
 * restore it begins at the restored revision.
 *
 * Keeps: the revisions held follow each other without a gap and end at the database's revision.
 */
import type { Instance } from '../consensus/identity.ts';
import { invariant } from '../invariant.ts';
import type { Revision } from './command.ts';
import type { StoredEntry } from './entry-store.ts';
import type { StoredChange } from './multi-op.ts';

/** What one MultiOp changed, as stored. */
export interface RevisionRecord {
  readonly revision: Revision;
  readonly instance: Instance;
  readonly changes: readonly StoredChange[];
}

/** Some seconds at full load, long enough for a watcher that reconnects; far longer at any other. */
export const historyRevisionsMax = 100_000;
/** Memory that the history may keep alive. */
export const historyBytesMax = 32 * 1024 * 1024;
/** What a change costs beside its key and value, about: what holds them. */
const changeOverheadBytes = 100;

export class History {
  /** What each revision changed: the entry alone where it is one put, as nearly always, for an object more is as large as what is in it. */
  #changes: (StoredEntry | readonly StoredChange[] | null)[] = [];
  #instances: Instance[] = [];
  #sizes: number[] = [];
  /** Index of the oldest one held; those before it wait to be cut off together. */
  #first = 0;
  #bytes = 0;
  #revision: Revision;

  /** `revision`: that of the database as it stands; nothing up to it is held. */
  constructor(revision: Revision) {
    this.#revision = revision;
  }

  add(record: RevisionRecord): void {
    invariant(record.revision === this.#revision + 1, 'revisions follow each other', { revision: record.revision });
    const { changes } = record;
    const bytes = bytesOf(changes);
    this.#revision = record.revision;
    this.#changes.push(changes.length === 1 ? (changes[0]?.stored ?? changes) : changes);
    this.#instances.push(record.instance);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    while (this.#changes.length - this.#first > historyRevisionsMax || this.#bytes > historyBytesMax)
      this.#dropOldest();
    if (this.#first > 1024 && this.#first * 2 > this.#changes.length) {
      this.#changes = this.#changes.slice(this.#first);
      this.#instances = this.#instances.slice(this.#first);
      this.#sizes = this.#sizes.slice(this.#first);
      this.#first = 0;
    }
  }

  #dropOldest(): void {
    this.#bytes -= this.#sizes[this.#first] as number;
    // Lets go of the values at once; the slot goes with the next cut.
    this.#changes[this.#first] = null;
    this.#first++;
  }

  /** Those above `revision`, oldest first, at most so many; null when the first of them was dropped. */
  after(revision: Revision, revisionsMax = Number.POSITIVE_INFINITY): readonly RevisionRecord[] | null {
    const held = this.#changes.length - this.#first;
    const oldest = this.#revision - held + 1;
    if (revision >= this.#revision) return [];
    if (revision < oldest - 1) return null;
    const records: RevisionRecord[] = [];
    const first = this.#first + (revision - oldest + 1);
    const end = Math.min(this.#changes.length, first + revisionsMax);
    for (let i = first; i < end; i++) records.push(this.#at(i));
    return records;
  }

  #at(index: number): RevisionRecord {
    const held = this.#changes[index] ?? [];
    const changes = Array.isArray(held) ? held : [changeOf(held as StoredEntry)];
    const revision = this.#revision - (this.#changes.length - 1 - index);
    return { revision, instance: this.#instances[index] as Instance, changes };
  }
}

const changeOf = (stored: StoredEntry): StoredChange => ({ key: stored.key, stored });

function bytesOf(changes: readonly StoredChange[]): number {
  let bytes = 0;
  for (const { key, stored } of changes) {
    bytes += changeOverheadBytes + key.length + (stored === null ? 0 : stored.valueBytes);
  }
  return bytes;
}
