/**
 * Load against a live cell: workers that each do one operation after another (a closed loop), and what that comes to.
 *
 * Everything is written below a scratch prefix of this run and deleted at the end, also after an interrupt. Figures are of this
 * machine, this minute and this generator: compare only what ran side by side (`npm run bench` does that).
 */
import { randomBytes } from 'node:crypto';
import { OperatorError } from '../errors/index.ts';

/** One connection to the cell; calls come one at a time. */
export interface BenchConnection {
  put(key: string, value: Uint8Array): Promise<{ readonly revision: number }>;
  get(key: string): Promise<unknown>;
  /** @throws {OperatorError} with exit code 6 when the revision is another one. */
  compareAndSwap(key: string, value: Uint8Array, revision: number): Promise<{ readonly revision: number }>;
  close(): Promise<void>;
}

export interface BenchCell {
  connect(): Promise<BenchConnection>;
  deletePrefix(prefix: string): Promise<number>;
}

export const benchOperations = ['put', 'get', 'cas', 'mixed'] as const;
export type BenchOperation = (typeof benchOperations)[number];

export interface Load {
  readonly operation: BenchOperation;
  readonly connections: number;
  readonly valueBytes: number;
  /** Keys that each worker goes through; 1 creates the same file again and again, as the paper's workers did. */
  readonly keysEach: number;
}

/** One row of results; part of the JSON document of `bench`. */
export interface BenchRow extends Load {
  readonly title: string;
  readonly seconds: number;
  /** Acknowledged. */
  readonly operations: number;
  readonly opsPerSecond: number;
  readonly kilobytesPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };
  /** By code: refused or failed, with no effect. */
  readonly errors: Readonly<Record<string, number>>;
  /** Sent, and their fate could not be learned. */
  readonly unknown: number;
  /** Table 1 of the paper: operations a second for small files, KB/s for large ones. */
  readonly paper: string | null;
}

export interface PlannedRow {
  readonly title: string;
  readonly load: Load;
  readonly paper: string | null;
}

const createRow = (connections: number, valueBytes: number, size: string, paper: string): PlannedRow => ({
  title: `create, ${connections} worker${connections === 1 ? '' : 's'}, ${size}`,
  load: { operation: 'put', connections, valueBytes, keysEach: 1 },
  paper,
});

/** Table 1 of PML §8: one database write an operation, closed loop, five servers of 2007. */
export const paperProfile: readonly PlannedRow[] = [
  createRow(1, 5, '5 bytes', '91 ops/s'),
  createRow(10, 5, '5 bytes', '490 ops/s'),
  createRow(20, 5, '5 bytes', '640 ops/s'),
  createRow(1, 8192, '8 KB', '345 KB/s'),
  createRow(4, 8192, '8 KB', '777–949 KB/s'),
  createRow(1, 32_768, '32 KB', '672–822 KB/s'),
];

export interface BenchOptions {
  readonly rows: readonly PlannedRow[];
  readonly durationMs: number;
  readonly signal: AbortSignal;
  readonly onRow: (title: string) => void;
}

export interface BenchResult {
  readonly prefix: string;
  readonly rows: readonly BenchRow[];
  /** Keys that were deleted at the end. */
  readonly cleanedUp: number;
  readonly interrupted: boolean;
}

/** Runs the rows one after another. After an interrupt the rows so far are given, and the scratch keys are gone too. */
export async function runBench(cell: BenchCell, options: BenchOptions): Promise<BenchResult> {
  const prefix = `paxosctl-bench/${randomBytes(6).toString('hex')}/`;
  const rows: BenchRow[] = [];
  let cleanedUp = 0;
  try {
    for (const row of options.rows) {
      if (options.signal.aborted) break;
      options.onRow(row.title);
      rows.push(await runRow(cell, row, `${prefix}${rows.length}/`, options));
    }
  } finally {
    cleanedUp = await cell.deletePrefix(prefix);
  }
  return { prefix, rows, cleanedUp, interrupted: options.signal.aborted };
}

async function runRow(cell: BenchCell, row: PlannedRow, prefix: string, options: BenchOptions): Promise<BenchRow> {
  const { load } = row;
  const connections = await Promise.all(Array.from({ length: load.connections }, () => cell.connect()));
  try {
    const workers = connections.map((connection, at) => new Worker(connection, load, `${prefix}${at}/`));
    await Promise.all(workers.map((worker) => worker.prepare()));
    const started = performance.now();
    const until = started + options.durationMs;
    await Promise.all(workers.map((worker) => worker.run(until, options.signal)));
    return rowOf(row, workers, (performance.now() - started) / 1000);
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
}

class Worker {
  readonly latenciesMs: number[] = [];
  readonly errors = new Map<string, number>();
  unknown = 0;
  readonly #connection: BenchConnection;
  readonly #load: Load;
  readonly #keys: readonly string[];
  readonly #revisions = new Map<string, number>();
  readonly #value: Uint8Array;
  #turn = 0;

  constructor(connection: BenchConnection, load: Load, prefix: string) {
    this.#connection = connection;
    this.#load = load;
    this.#keys = Array.from({ length: load.keysEach }, (_, at) => `${prefix}${at}`);
    this.#value = randomBytes(load.valueBytes);
  }

  /** Reads and swaps need something that is there. */
  async prepare(): Promise<void> {
    if (this.#load.operation === 'put') return;
    for (const key of this.#keys) this.#revisions.set(key, (await this.#connection.put(key, this.#value)).revision);
  }

  async run(untilMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const started = performance.now();
      if (started >= untilMs) return;
      try {
        await this.#operate();
        this.latenciesMs.push(performance.now() - started);
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        if (error.outcome === 'unknown') this.unknown += 1;
        else this.errors.set(error.code, (this.errors.get(error.code) ?? 0) + 1);
      }
    }
  }

  async #operate(): Promise<void> {
    this.#turn += 1;
    const key = this.#keys[this.#turn % this.#keys.length] ?? '';
    switch (this.#load.operation) {
      case 'put':
        await this.#connection.put(key, this.#value);
        return;
      case 'get':
        await this.#connection.get(key);
        return;
      case 'cas':
        return this.#swap(key);
      case 'mixed':
        if (this.#turn % 5 === 0) await this.#connection.put(key, this.#value);
        else await this.#connection.get(key);
    }
  }

  async #swap(key: string): Promise<void> {
    const revision = this.#revisions.get(key) ?? 0;
    try {
      this.#revisions.set(key, (await this.#connection.compareAndSwap(key, this.#value, revision)).revision);
    } catch (error) {
      // Nobody else writes this key: the swap before was applied though its answer was lost. Begin anew from what is there.
      this.#revisions.set(key, (await this.#connection.put(key, this.#value)).revision);
      throw error;
    }
  }
}

function rowOf(row: PlannedRow, workers: readonly Worker[], seconds: number): BenchRow {
  const latencies = Float64Array.from(workers.flatMap(({ latenciesMs }) => latenciesMs)).sort();
  const errors: Record<string, number> = {};
  for (const worker of workers) {
    for (const [code, count] of worker.errors) errors[code] = (errors[code] ?? 0) + count;
  }
  const rate = latencies.length / seconds;
  return {
    ...row.load,
    title: row.title,
    seconds: rounded(seconds),
    operations: latencies.length,
    opsPerSecond: rounded(rate),
    kilobytesPerSecond: rounded((rate * row.load.valueBytes) / 1000),
    latencyMs: {
      p50: percentile(latencies, 0.5),
      p90: percentile(latencies, 0.9),
      p99: percentile(latencies, 0.99),
      max: percentile(latencies, 1),
    },
    errors,
    unknown: workers.reduce((sum, { unknown }) => sum + unknown, 0),
    paper: row.paper,
  };
}

/** The smallest value that at least this share of all does not exceed; 0 of none. */
export function percentile(sorted: Float64Array, share: number): number {
  const at = Math.max(0, Math.ceil(sorted.length * share) - 1);
  return rounded(sorted[at] ?? 0);
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
