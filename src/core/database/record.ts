/**
 * The replicated state as records: what snapshots hold and the checksum sums over, one canonical encoding each.
 *
 * Order (design §4, "Snapshots are canonical"): system, counters, epochs rising, system entries by key, sessions by id with their answers
 * rising, the last generation of locks and the locks by name (from level 2), user entries by key. The encoding is injected, so that the core stays free of formats.
 */
import type { CellTimeMs, Epoch, Instance } from '../consensus/identity.ts';
import type { CommandResult, Revision } from './command.ts';
import type { EntryStore } from './entry-store.ts';
import type { Lock, LockGeneration } from './lock.ts';

/**
 * Bytes in the form that the codec keeps them in memory. Opaque here: a million small typed arrays would cost the garbage
 * collector several times their contents, and a piece of a network frame would keep the whole frame alive.
 */
export type PackedBytes = string | Uint8Array;

/** Set once, when the cell or a generation of it is formed; beside the user's key space. */
export interface CellIdentity {
  readonly cellId: string;
  readonly generation: number;
  readonly generationId: string;
  /** Where in the parent's history this generation began; zeros in the first. */
  readonly generationStart: { readonly epoch: Epoch; readonly instance: Instance };
  /** Root of the keys that authenticate position marks (design §4). Never listed, never exported. */
  readonly rootSecret: Uint8Array;
}

export interface EpochRecord {
  readonly epoch: Epoch;
  /** The first instance of the epoch: that of the mastership value that opened it. */
  readonly instance: Instance;
  /** 32 hex digits drawn by the master. */
  readonly id: string;
  readonly owner: string;
  /** Of the database when it began: what a branch that left this history in it has in common with it, at most. */
  readonly revision: Revision;
}

export type DatabaseRecord =
  | { readonly kind: 'system'; readonly identity: CellIdentity }
  | {
      readonly kind: 'counters';
      readonly revision: Revision;
      readonly epoch: Epoch;
      readonly cellTimeMs: CellTimeMs;
    }
  | { readonly kind: 'epoch'; readonly epoch: EpochRecord }
  | {
      readonly kind: 'system-entry';
      readonly key: string;
      /** Of the last change. */
      readonly instance: Instance;
      readonly value: Uint8Array;
    }
  | {
      readonly kind: 'session';
      readonly session: string;
      readonly ttlMs: number;
      readonly expiresCellTimeMs: number;
      /** Numbers up to here that are not among the answers were forgotten. */
      readonly floor: number;
    }
  | { readonly kind: 'answer'; readonly session: string; readonly sequence: number; readonly answer: PackedBytes }
  /** The last generation given out; absent before the first lock was taken. */
  | { readonly kind: 'lock-generation'; readonly generation: LockGeneration }
  | { readonly kind: 'lock'; readonly name: string; readonly lock: Lock }
  | {
      readonly kind: 'entry';
      readonly key: string;
      readonly createRevision: Revision;
      readonly revision: Revision;
      readonly version: number;
      readonly value: PackedBytes;
    };

/** Records of a lower rank stand before those of a higher one. */
export const recordRanks: Readonly<Record<DatabaseRecord['kind'], number>> = {
  system: 0,
  counters: 1,
  epoch: 2,
  'system-entry': 3,
  session: 4,
  answer: 4,
  'lock-generation': 5,
  lock: 6,
  entry: 7,
};

/** Implemented by `formats/database-record`. Deterministic: equal inputs, equal bytes. */
export interface RecordCodec {
  /** The canonical encoding, valid until the next call. */
  encode(record: DatabaseRecord): Uint8Array;
  /** May keep views into `bytes`. @throws for anything that `encode` would not write. */
  decode(bytes: Uint8Array): DatabaseRecord;
  /** A form that shares no memory with `bytes`. */
  pack(bytes: Uint8Array): PackedBytes;
  /** The caller must not change what it gets. */
  unpack(packed: PackedBytes): Uint8Array;
  encodeResult(result: CommandResult): Uint8Array;
  /** Memory of the kind that this codec reads best, with anything in it. */
  allocate(bytes: number): Uint8Array;
  /** In the canonical encoding of every entry its key begins here, as UTF-8. */
  readonly entryKeyOffset: number;
  /** How many bytes the key of an encoded entry has. */
  entryKeyBytes(encoded: Uint8Array): number;
  /** UTF-8, valid until the next call. */
  keyBytes(key: string): Uint8Array;
  /** What {@link keyBytes} was given; something else, and no error, for bytes that are not UTF-8. */
  keyText(bytes: Uint8Array, from: number, to: number): string;
  /** The rest of an entry that lies in `bytes` from `from`, as it is and unchecked; valid until the next call. */
  entryParts(bytes: Uint8Array, from: number, length: number, keyBytes: number): EntryParts;
  /** False for a record of another kind. @throws as `decode`, for an entry that `encode` would not write. */
  isEntry(encoded: Uint8Array): boolean;
  /** @throws for anything that `encodeResult` would not write. */
  decodeResult(bytes: Uint8Array): CommandResult;
}

export interface EntryParts {
  readonly createRevision: Revision;
  readonly revision: Revision;
  readonly version: number;
  /** Where the value begins in the bytes that were asked about. */
  readonly valueFrom: number;
  readonly valueBytes: number;
}

/** 128 bits as four 32-bit numbers, most significant first. */
export type Digest = readonly [number, number, number, number];

/** What the database is built on; the digest is that of `ports/digest`. */
export interface DatabasePorts {
  readonly codec: RecordCodec;
  readonly digest: { entry(bytes: Uint8Array): Digest };
  /** Where each new database keeps the user's entries; a table of its own where absent. */
  readonly makeEntryStore?: EntryStoreMaker;
}

export type EntryStoreMaker = () => EntryStore;
