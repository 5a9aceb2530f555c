/**
 * Load against a live cell, in a closed loop or at a fixed rate, and what that comes to.
 *
 * Everything is written below a scratch prefix of this run and deleted at the end, also after an interrupt. Figures are of this
 * machine, this minute and this generator: compare only what ran side by side (`npm run bench` does that).
 */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { type ErrorDocument, OperatorError } from '../../errors/index.ts';
import { closedLoop, openLoop } from './arrivals.ts';
import { Latencies, type LatencyPoint, type LatencySummary } from './latencies.ts';
import type { Load, PlannedRow } from './load.ts';
import { type BenchConnection, type Tally, Worker } from './worker.ts';

export interface BenchCell {
  connect(): Promise<BenchConnection>;
  deletePrefix(prefix: string): Promise<number>;
}

/** One row of results; part of the JSON document of `bench`. */
export interface BenchRow extends Load {
  readonly title: string;
  readonly loop: 'closed' | 'open';
  /** Operations a second that were to arrive; null in a closed loop, which asks as fast as it is answered. */
  readonly rate: number | null;
  readonly seconds: number;
  /** Acknowledged. */
  readonly operations: number;
  readonly opsPerSecond: number;
  readonly kilobytesPerSecond: number;
  /** Of requests: in an open loop from when they were to begin. */
  readonly latencyMs: LatencySummary;
  readonly curve: readonly LatencyPoint[];
  /** How much later than wanted requests began; zeros in a closed loop. */
  readonly startedLateMs: LatencySummary;
  /** Turned away early because the cell had enough to do; no effect. */
  readonly refused: number;
  /** By code: failed, with no effect. */
  readonly errors: Readonly<Record<string, number>>;
  /** Sent, and their fate could not be learned. */
  readonly unknown: number;
  /** Arrived, and never begun: all connections were busy to the end. */
  readonly unsent: number;
  /** Table 1 of the paper: operations a second for small files, KB/s for large ones. */
  readonly paper: string | null;
}

export interface BenchOptions {
  readonly rows: readonly PlannedRow[];
  readonly durationMs: number;
  /** Operations a second that arrive whatever the cell does; null for a closed loop. */
  readonly rate: number | null;
  readonly signal: AbortSignal;
  readonly onRow: (title: string) => void;
}

export interface BenchResult {
  readonly prefix: string;
  readonly rows: readonly BenchRow[];
  /** Keys that were deleted at the end; null when the cell did not let them be deleted: some may be there still. */
  readonly cleanedUp: number | null;
  readonly interrupted: boolean;
  /** What ended it before its time, after some rows. */
  readonly failure: ErrorDocument['error'] | null;
}

/** Requests that are late may still begin for so long after the end; a cell that is further behind does not keep up. */
const graceMsMax = 10_000;

/**
 * Runs the rows one after another. After an interrupt, and when the cell is lost meanwhile, the rows so far are given; the scratch keys are gone
 * too where the cell lets them.
 *
 * @throws {OperatorError} when the cell does not answer at the beginning, or is lost in the first row; it says how scratch keys are deleted that are left.
 */
export async function runBench(cell: BenchCell, options: BenchOptions): Promise<BenchResult> {
  const prefix = `paxosctl-bench/${randomBytes(6).toString('hex')}/`;
  const rows: BenchRow[] = [];
  // Each worker that waits for its next operation listens to it.
  setMaxListeners(0, options.signal);
  await answering(cell, prefix);
  const ended = await failureOf(async () => {
    for (const row of options.rows) {
      if (options.signal.aborted) break;
      options.onRow(row.title);
      rows.push(await runRow(cell, row, `${prefix}${rows.length}/`, options));
    }
  });
  let cleanedUp: number | null = null;
  const left = await failureOf(async () => {
    cleanedUp = await cell.deletePrefix(prefix);
  });
  const failure = ended ?? left;
  if (failure !== null && !(failure instanceof OperatorError)) throw failure;
  if (left !== null) failure?.suggestions.push(`paxosctl kv delete --prefix ${prefix} --yes`);
  if (failure !== null && rows.length === 0) throw failure;
  const { aborted: interrupted } = options.signal;
  return { prefix, rows, cleanedUp, interrupted, failure: failure?.toDocument().error ?? null };
}

/** What it threw; null for nothing. */
const failureOf = (run: () => Promise<void>): Promise<Error | null> =>
  run().then(
    () => null,
    (error: unknown) => error as Error,
  );

/** Without a cell each operation of a row, and then the deletion, would wait for its timeout: this ends at the first. */
async function answering(cell: BenchCell, prefix: string): Promise<void> {
  const connection = await cell.connect();
  try {
    await connection.get(prefix);
  } finally {
    await connection.close();
  }
}

async function runRow(cell: BenchCell, row: PlannedRow, prefix: string, options: BenchOptions): Promise<BenchRow> {
  const { load } = row;
  const { durationMs, rate, signal } = options;
  const connections = await Promise.all(Array.from({ length: load.connections }, () => cell.connect()));
  try {
    const workers = connections.map((connection, at) => new Worker(connection, load, `${prefix}${at}/`));
    await Promise.all(workers.map((worker) => worker.prepare()));
    const tally: Tally = {
      latencies: new Latencies(),
      lateness: new Latencies(),
      operations: 0,
      refused: 0,
      errors: new Map(),
      unknown: 0,
    };
    const startMs = performance.now();
    const untilMs = startMs + durationMs;
    const graceMs = Math.min(graceMsMax, durationMs);
    const arrivals =
      rate === null ? closedLoop(untilMs) : openLoop({ startMs, untilMs, rate: rate / load.operationsEach, graceMs });
    await Promise.all(workers.map((worker) => worker.run(arrivals, tally, signal)));
    const unsent = signal.aborted ? 0 : arrivals.left() * load.operationsEach;
    return rowOf(row, tally, { seconds: (performance.now() - startMs) / 1000, rate, unsent });
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
}

interface Ran {
  readonly seconds: number;
  readonly rate: number | null;
  readonly unsent: number;
}

function rowOf({ load, title, paper }: PlannedRow, tally: Tally, { seconds, rate, unsent }: Ran): BenchRow {
  const perSecond = tally.operations / seconds;
  return {
    ...load,
    title,
    loop: rate === null ? 'closed' : 'open',
    rate,
    seconds: rounded(seconds),
    operations: tally.operations,
    opsPerSecond: rounded(perSecond),
    kilobytesPerSecond: rounded((perSecond * load.valueBytes) / 1000),
    latencyMs: tally.latencies.summary(),
    curve: tally.latencies.curve(),
    startedLateMs: (rate === null ? new Latencies() : tally.lateness).summary(),
    refused: tally.refused,
    errors: Object.fromEntries(tally.errors),
    unknown: tally.unknown,
    unsent,
    paper,
  };
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
