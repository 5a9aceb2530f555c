/**
 * The disk as storage needs it. Adapter: `adapters/disk-node`; twin: `simulator/disk`. Both pass `test/contract/disk.ts`.
 *
 * What a caller may rely on: bytes written are durable once a flush of the same file that *started after* the write
 * returned; names are durable once `flushDirectory` of their folder returned; anything else may be lost, torn at 512-byte
 * sectors or reordered by a crash. Every method rejects with a `DiskError`; the first failed write or flush of a file is
 * final for the process (pitfalls P14, P15). Paths are relative to the root that the disk was made for, `/` separated.
 */
export interface Disk {
  /** @throws {DiskError} 'not-found' unless `create`; 'exists' with `create: 'exclusive'`. Never follows links. */
  open(path: string, options: { readonly create: false | 'exclusive' }): Promise<DiskFile>;
  /** Atomic; replaces the target. Durable after `flushDirectory` of the target's folder. */
  rename(from: string, to: string): Promise<void>;
  /** No error when absent. */
  remove(path: string): Promise<void>;
  /** No error when it is there already. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a folder, sorted by code unit; empty when the folder is absent. Only to find what does NOT belong. */
  list(path: string): Promise<readonly DirectoryEntry[]>;
  flushDirectory(path: string): Promise<void>;
  /** Free bytes for this user. */
  freeBytes(): Promise<number>;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'other';
  readonly bytes: number;
  readonly modifiedMs: number;
}

export interface DiskFile {
  readonly path: string;
  size(): Promise<number>;
  /** Changes with every copy, restore or recreation of the file: inode and birth time. */
  fingerprint(): Promise<string>;
  /**
   * Exactly `length` bytes, fewer only at the end of the file. The bytes belong to the caller. With `into`, which has room for them, they are
   * put there: for who reads much and keeps nothing.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** All of the bytes or an error. They must not change before it returns. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  flush(): Promise<void>;
  /**
   * The hot path: write `buffers` one after the other at `offset` and make them durable, then call `done` exactly once.
   * One call at a time per file. Not a promise, so that the log's order does not hang on microtasks.
   */
  writeAndFlush(offset: number, buffers: readonly Uint8Array[], done: (error: DiskError | null) => void): void;
  /**
   * To be called once; whatever runs ends first, and everything asked afterwards rejects with 'io'. A second call is a mistake
   * of the caller which never touches another file: the real disk lets it pass, the simulated one rejects and notes it.
   */
  close(): Promise<void>;
}

export class DiskError extends Error {
  readonly reason: 'not-found' | 'exists' | 'full' | 'denied' | 'io';
  readonly path: string;

  constructor(reason: DiskError['reason'], path: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DiskError';
    this.reason = reason;
    this.path = path;
  }
}
