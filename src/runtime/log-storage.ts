/** What the runtime of the log needs of the disk. `storage/replica-storage` is the one implementation. */
import type { WriteRequest } from '../core/consensus/effect.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { Instance, WriteId } from '../core/consensus/identity.ts';
import type { SnapshotHandle } from '../core/consensus/input.ts';
import type { RecordedPoint } from '../formats/manifest.ts';
import type { SnapshotStream } from '../ports/network.ts';
import type { ApplicationView } from './application.ts';

export interface LoadedSnapshot {
  readonly handle: SnapshotHandle;
  /** Digest of the chosen values up to the handle's instance, 32 bytes. */
  readonly logChain: Uint8Array;
  /** Of the application's state, as its view said; what a restore must arrive at. */
  readonly checksum: string;
  /** Verified while being read; rejects at the first bad byte. */
  records(): AsyncIterable<Uint8Array>;
}

/** Which file a peer sends: canonical, so whoever has the same digest has the same bytes. */
export interface AnnouncedSnapshot {
  readonly instance: number;
  readonly digest: string;
}

export interface SnapshotReceiver {
  append(chunk: Uint8Array): Promise<void>;
  /** After a stream broke off: how many bytes are whole and checked. What is appended next goes on from there. */
  rewind(): Promise<number>;
  /** Verifies all of it and makes it this replica's newest snapshot. */
  finish(digest: string | null): Promise<LoadedSnapshot>;
  abort(): Promise<void>;
}

/** Kept as a file for people; `details` is JSON. */
export interface SetAsideEvidence {
  readonly instance: Instance;
  readonly details: unknown;
}

export interface LogStorage {
  /** Queued; durable in order. The write's promise is durable before its entries. */
  persist(request: WriteRequest): void;
  onPersisted(callback: (write: WriteId) => void): void;
  /** Called once: from then on nothing becomes durable any more. */
  onFailed(callback: (error: Error) => void): void;
  /** Bytes of log written since the newest snapshot: how long a restart would replay. */
  walBytesSinceSnapshot(): number;
  /** What was bad in the log above `above` does not matter any more. */
  settleBad(above: Instance): void;
  takeSnapshot(snapshot: {
    readonly handle: SnapshotHandle;
    readonly logChain: Uint8Array;
    readonly view: ApplicationView;
  }): Promise<{ readonly instance: Instance; readonly bytes: number }>;
  /** The newest good one, read whole; null without one. @throws {SnapshotCorruptError} */
  newestSnapshot(): Promise<LoadedSnapshot | null>;
  /** Durable when it resolves: this member's database is not the right one, and why that is known. */
  setAside(evidence: SetAsideEvidence): Promise<void>;
  /** Durable when it resolves: its database is right again. */
  takeBack(): Promise<void>;
  /** What is received of an announced one outlives this process; it takes the place of an earlier part. */
  receiveSnapshot(announced: AnnouncedSnapshot | null): Promise<SnapshotReceiver>;
  /** What is here of a snapshot that was announced and not finished, perhaps to an earlier process. */
  unfinishedSnapshot(): AnnouncedSnapshot | null;
  /** To go on with it; null when its file is gone. */
  resumeSnapshot(): Promise<SnapshotReceiver | null>;
  /** Durable when it resolves, with everything up to it known as chosen. */
  record(point: RecordedPoint): Promise<void>;
  /** Durable when it resolves. */
  freeze(evidence: FreezeEvidence): Promise<void>;
  serveNewest(above: number, digest: string | null): Promise<SnapshotStream | null>;
}
