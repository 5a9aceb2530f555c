/**
 * The user's entries in memory: an ordered table of canonical encodings, each with the digest of what was written.
 *
 * A caller may rely on: order by the UTF-8 bytes of the keys; `view()` unaffected by later changes, and cheap whatever the
 * size; nothing that was handed out ever changes, and all of it may be kept.
 */
import type { Revision } from './command.ts';
import type { Digest, PackedBytes } from './record.ts';

/** One entry as it lies in memory. What it has is read when it is asked for. */
export interface StoredEntry {
  readonly key: string;
  readonly value: PackedBytes;
  /** Of the value, in bytes. */
  readonly valueBytes: number;
  readonly createRevision: Revision;
  readonly revision: Revision;
  readonly version: number;
  /** Of what was written: that of {@link encoded} unless memory has changed since. */
  readonly digest: Digest;
  /** Its canonical encoding, as it lies in memory now. Must not be changed. */
  readonly encoded: Uint8Array;
}

export interface EntryView {
  readonly size: number;
  get(key: string): StoredEntry | undefined;
  /** Lazily, from the first key at or above `from`. A live store must not change while this is in use; a view never does. */
  from(from: string): IterableIterator<StoredEntry>;
}

export interface EntryStore extends EntryView {
  /** A new entry, or another one under a key that has one. `encoded` is the encoding of an entry with just that key, and copied. */
  put(key: string, encoded: Uint8Array, digest: Digest): StoredEntry;
  /** As `put`, of a key above all that are there: false, with nothing done, when it is not. */
  append(encoded: Uint8Array, digest: Digest): boolean;
  /** False when there was none. */
  delete(key: string): boolean;
  view(): EntryView;
}

/** Whether the contents digested anew are what was digested when they were written. */
export const isKeptDigest = (kept: Digest, digest: Digest): boolean =>
  (digest[0] | 0) === (kept[0] | 0) &&
  (digest[1] | 0) === (kept[1] | 0) &&
  (digest[2] | 0) === (kept[2] | 0) &&
  (digest[3] | 0) === (kept[3] | 0);
