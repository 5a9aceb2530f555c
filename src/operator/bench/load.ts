/** What `bench` can put on a cell: operations, and rows of them that belong together. */

export const benchOperations = ['put', 'get', 'cas', 'mixed', 'read-heavy', 'batch'] as const;
export type BenchOperation = (typeof benchOperations)[number];

/** Of so many operations the last one writes. */
export const operationsToOneWrite: Readonly<Partial<Record<BenchOperation, number>>> = { mixed: 5, 'read-heavy': 20 };

export interface Load {
  readonly operation: BenchOperation;
  readonly connections: number;
  readonly valueBytes: number;
  /** Keys that each worker goes through; 1 creates the same file again and again, as the paper's workers did. */
  readonly keysEach: number;
  /** Puts in one request of `batch`; 1 of anything else. */
  readonly operationsEach: number;
}

export interface PlannedRow {
  readonly title: string;
  readonly load: Load;
  /** Table 1 of PML §8: operations a second for small files, KB/s for large ones. */
  readonly paper: string | null;
}

/** Keys that a worker goes through when it does not repeat the paper's tests. */
const keysEach = 16;
const batchSize = 100;

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** One row of what the flags ask for. */
export function rowFor(
  operation: BenchOperation,
  connections: number,
  valueBytes: number,
  operationsEach = operation === 'batch' ? batchSize : 1,
): PlannedRow {
  const what = operation === 'batch' ? `batch of ${operationsEach}` : operation;
  return {
    title: `${what}, ${counted(connections, 'connection')}, ${valueBytes} bytes`,
    load: { operation, connections, valueBytes, keysEach, operationsEach },
    paper: null,
  };
}

const createRow = (connections: number, valueBytes: number, size: string, paper: string): PlannedRow => ({
  title: `create, ${counted(connections, 'worker')}, ${size}`,
  load: { operation: 'put', connections, valueBytes, keysEach: 1, operationsEach: 1 },
  paper,
});

const smallBytes = 100;
const growing = [1, 16, 64];

/** Rows that belong together, by name. `paper` is Table 1 of PML §8: one write an operation, closed loop, five servers of 2007. */
export const profiles = {
  paper: [
    createRow(1, 5, '5 bytes', '91 ops/s'),
    createRow(10, 5, '5 bytes', '490 ops/s'),
    createRow(20, 5, '5 bytes', '640 ops/s'),
    createRow(1, 8192, '8 KB', '345 KB/s'),
    createRow(4, 8192, '8 KB', '777–949 KB/s'),
    createRow(1, 32_768, '32 KB', '672–822 KB/s'),
  ],
  mixed: growing.map((connections) => rowFor('mixed', connections, smallBytes)),
  'read-heavy': growing.map((connections) => rowFor('read-heavy', connections, smallBytes)),
  batch: [1, 10, 100].map((operations) => rowFor('batch', 8, smallBytes, operations)),
} as const satisfies Record<string, readonly PlannedRow[]>;

export type ProfileName = keyof typeof profiles;
export const profileNames = Object.keys(profiles) as ProfileName[];
