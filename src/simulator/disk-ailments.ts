/** What ails the disk of one machine, over all lives of its replica: faults that wait for certain operations, and answers that come late. */
import { type ArmedDiskFault, ArmedDiskFaults } from './armed-disk-faults.ts';
import type { DiskFault, DiskOperation, SimulatedDisk } from './disk.ts';

export class DiskAilments {
  /** True time until which a slow operation of the disk may be under way. */
  slowUntilMs = 0;
  /** That is in now. */
  readonly #disk: () => SimulatedDisk;
  #blockedUntilMs = 0;
  #armed = new ArmedDiskFaults();
  #afterFailure: (() => void) | null = null;

  constructor(disk: () => SimulatedDisk) {
    this.#disk = disk;
  }

  /**
   * Operations of the disk fail, as described, until the returned function is called; `onFailure` restarts the replica that
   * has stopped because of it.
   */
  arm(armed: ArmedDiskFault, onFailure: () => void): () => void {
    this.#afterFailure = onFailure;
    return this.#armed.arm(armed);
  }

  /** What restarts the replica that has stopped because of its disk, once. */
  takeAfterFailure(): (() => void) | null {
    const after = this.#afterFailure;
    this.#afterFailure = null;
    return after;
  }

  /** No operation of the disk answers before this true time. */
  blockUntil(atMs: number): void {
    this.#blockedUntilMs = atMs;
    this.slowUntilMs = Math.max(this.slowUntilMs, atMs);
  }

  get blockedUntilMs(): number {
    return this.#blockedUntilMs;
  }

  /** Reading this file fails from now on (D4). Another one that gets its name later lies elsewhere on the disk. */
  loseSectors(path: string): void {
    const { number } = this.#disk().inode(path);
    const lasting = (): boolean => {
      const node = this.#disk().image.names.get(path);
      return node !== undefined && node !== 'folder' && node.number === number;
    };
    this.#armed.arm({ operations: ['read'], path, fault: 'error', skip: 0, lasting });
  }

  /** A file lies where nothing can be read again, whoever writes it. */
  get hasBadSectors(): boolean {
    return this.#armed.lasting;
  }

  /** What goes wrong with this operation, or null. */
  strike(operation: DiskOperation): DiskFault | null {
    return this.#armed.strike(operation);
  }

  /** An operation that began before now may not have answered yet. */
  mayHang(nowMs: number): boolean {
    return nowMs < this.slowUntilMs || nowMs < this.#blockedUntilMs;
  }

  /** All but what is bad for good. */
  heal(): void {
    this.#armed.disarmAll();
    this.#blockedUntilMs = 0;
    this.#afterFailure = null;
  }

  /** Another disk is put in. */
  replaced(): void {
    this.#armed = new ArmedDiskFaults();
  }
}
