/** Faults that wait for certain operations of one machine's disk, over all lives of its replica. */
import type { DiskFault, DiskOperation } from './disk.ts';

export interface ArmedDiskFault {
  /** `flush` and `write` stand for every way to do that. */
  readonly operations: readonly ('flush' | 'write' | 'read' | 'open' | 'create')[];
  /** Only of this file; of all when absent. */
  readonly path?: string;
  readonly fault: DiskFault;
  /** So many operations still succeed first. */
  readonly skip: number;
  /** And then so many fail; all when absent. */
  readonly times?: number;
  /** Stays when all faults end: the disk itself is bad there, for as long as this file lies there. */
  readonly lasting?: () => boolean;
}

const meanings: Readonly<Record<DiskOperation['kind'], readonly ArmedDiskFault['operations'][number][]>> = {
  open: ['open'],
  create: ['open', 'create', 'write'],
  read: ['read'],
  write: ['write'],
  flush: ['flush'],
  'write-and-flush': ['flush', 'write'],
  rename: ['write'],
  remove: [],
  'make-directory': [],
  'flush-directory': ['flush'],
  look: [],
};

export class ArmedDiskFaults {
  #armed: { readonly fault: ArmedDiskFault; skip: number; left: number }[] = [];

  /** Returns what ends it. */
  arm(fault: ArmedDiskFault): () => void {
    const armed = { fault, skip: fault.skip, left: fault.times ?? Number.POSITIVE_INFINITY };
    this.#armed.push(armed);
    return () => {
      this.#armed = this.#armed.filter((other) => other !== armed);
    };
  }

  /** All but what lasts. */
  disarmAll(): void {
    this.#armed = this.#armed.filter(({ fault }) => fault.lasting !== undefined);
  }

  /** The disk itself is bad somewhere. */
  get lasting(): boolean {
    return this.#armed.some(({ fault }) => fault.lasting?.() === true);
  }

  /** What goes wrong with this operation, or null. */
  strike(operation: DiskOperation): DiskFault | null {
    if (this.#armed.length === 0) return null;
    for (const armed of this.#armed) {
      const { operations, path, fault, lasting } = armed.fault;
      if (path !== undefined && path !== operation.path) continue;
      if (lasting?.() === false) continue;
      if (!meanings[operation.kind].some((meaning) => operations.includes(meaning))) continue;
      if (armed.skip-- > 0) continue;
      if (armed.left-- <= 0) continue;
      return fault;
    }
    return null;
  }
}
