/**
 * The latest changes by revision, for watchers. Local to this replica: not in snapshots nor in the checksum; after a
 * restore it begins at the restored revision.
 *
 * Keeps: the revisions held follow each other without a gap and end at the database's revision.
 */
import type { Instance } from '../consensus/identity.ts';
import { invariant } from '../invariant.ts';
import type { Revision } from './command.ts';
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
/** What a change costs beside its key and value, about: the objects that hold them. */
const changeOverheadBytes = 200;

export class History {
  #records: RevisionRecord[] = [];
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
    this.#revision = record.revision;
    this.#records.push(record);
    this.#bytes += bytesOf(record);
    while (this.#records.length - this.#first > historyRevisionsMax || this.#bytes > historyBytesMax)
      this.#dropOldest();
    if (this.#first > 1024 && this.#first * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
  }

  #dropOldest(): void {
    this.#bytes -= bytesOf(this.#records[this.#first] as RevisionRecord);
    // Lets go of the values at once; the slot goes with the next cut.
    this.#records[this.#first] = { revision: 0, instance: 0 as Instance, changes: [] };
    this.#first++;
  }

  /** Those above `revision`, oldest first; null when the first of them was dropped. */
  after(revision: Revision): readonly RevisionRecord[] | null {
    const held = this.#records.length - this.#first;
    const oldest = this.#revision - held + 1;
    if (revision >= this.#revision) return [];
    return revision < oldest - 1 ? null : this.#records.slice(this.#first + (revision - oldest + 1));
  }
}

function bytesOf(record: RevisionRecord): number {
  let bytes = 0;
  for (const { key, stored } of record.changes) {
    bytes += changeOverheadBytes + key.length + (stored === null ? 0 : stored.valueBytes);
  }
  return bytes;
}
