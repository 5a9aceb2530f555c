/**
 * What stands on the fault-tolerant log: the framework orders and persists, the application executes.
 *
 * Source: PML §3 (callback on every replica), §5.5 (the application takes snapshots; the framework knows nothing of the
 * format; handle and snapshot travel together).
 */
import type { CellTimeMs, Epoch, Instance } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';

export interface LogApplication<Result> {
  /**
   * Executes the chosen value of the next instance; never throws for any value, never waits, reads nothing ambient.
   * Returns one result an item of a submitted value (for skipped items too, when `current` is false: they had no effect).
   * @throws {UnknownCommandError} for an item of a newer format: the replica halts rather than skip it.
   */
  apply(delivery: Delivery): readonly Result[];
  /** A point-in-time view in O(1), unaffected by later `apply`s. */
  view(): ApplicationView;
  /**
   * As that of a view, now; absent where there is none to compare: then points are recorded
   * with snapshots alone (design §6). Asked for after every instance.
   */
  checksumHex?(): string;
  /** Replaces the whole state with what a view produced, record by record in the same order. */
  restore(records: AsyncIterable<Uint8Array>): Promise<void>;
}

export interface Delivery {
  readonly instance: Instance;
  readonly epoch: Epoch;
  readonly value: Value;
  readonly current: boolean;
  /** Digest over all chosen values up to and with this one, 32 bytes (design §5). */
  readonly logChain: Uint8Array;
}

export interface ApplicationView {
  readonly epoch: Epoch;
  readonly cellTimeMs: CellTimeMs;
  /** Number of records that `records` will yield. */
  readonly count: number;
  /** The user's entries among them; absent where the application does not tell them apart: all. */
  readonly entryCount?: number;
  /** 32 hex digits, equal on two replicas iff their state is. */
  readonly checksum: string;
  /** The cell's level at this point, where the application knows it. */
  readonly level?: number;
  /** Canonical records in one order: two replicas at one instance yield the same bytes. */
  records(): Iterable<Uint8Array>;
  close(): void;
}
