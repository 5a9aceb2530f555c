/** One connection that does one operation after another, each at its time. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperatorError } from '../../errors/index.ts';
import type { Arrivals } from './arrivals.ts';
import type { Latencies } from './latencies.ts';
import { type Load, operationsToOneWrite } from './load.ts';

/** One connection to the cell; calls come one at a time. */
export interface BenchConnection {
  put(key: string, value: Uint8Array): Promise<{ readonly revision: number }>;
  get(key: string): Promise<unknown>;
  /** @throws {OperatorError} with exit code 6 when the revision is another one. */
  compareAndSwap(key: string, value: Uint8Array, revision: number): Promise<{ readonly revision: number }>;
  /** One request. Each error is what became of one of the puts; null is success. */
  putAll(keys: readonly string[], value: Uint8Array): Promise<readonly (OperatorError | null)[]>;
  close(): Promise<void>;
}

/** What the workers of one row have in common. */
export interface Tally {
  /** From when an operation was to begin to its answer. */
  readonly latencies: Latencies;
  /** From when an operation was to begin to when it did: the generator's own share, or nobody was free. */
  readonly lateness: Latencies;
  /** Acknowledged. */
  operations: number;
  /** Turned away early because the cell had enough to do; no effect. */
  refused: number;
  /** By code: failed, with no effect. */
  readonly errors: Map<string, number>;
  /** Sent, and their fate could not be learned. */
  unknown: number;
}

const refusals = new Set(['PAXOS_OVERLOADED', 'PAXOS_REFUSED']);
/** A connection that fails at once must not turn into a loop that does nothing else. */
const pauseMs = 20;

export class Worker {
  readonly #connection: BenchConnection;
  readonly #load: Load;
  readonly #keys: readonly string[];
  readonly #revisions = new Map<string, number>();
  readonly #value: Uint8Array;
  #turn = 0;

  constructor(connection: BenchConnection, load: Load, prefix: string) {
    this.#connection = connection;
    this.#load = load;
    const keys = Math.max(load.keysEach, load.operationsEach);
    this.#keys = Array.from({ length: keys }, (_, at) => `${prefix}${at}`);
    this.#value = randomBytes(load.valueBytes);
  }

  /** Reads and swaps need something that is there. */
  async prepare(): Promise<void> {
    if (this.#load.operation === 'put' || this.#load.operation === 'batch') return;
    for (const key of this.#keys) this.#revisions.set(key, (await this.#connection.put(key, this.#value)).revision);
  }

  async run(arrivals: Arrivals, tally: Tally, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const dueMs = arrivals.take(performance.now());
      if (dueMs === null) return;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await sleep(Math.ceil(waitMs), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const sentMs = performance.now();
      tally.lateness.record(Math.max(0, sentMs - dueMs));
      // Timers count whole milliseconds and may fire a part of one early: what was sent by then took its time all the same.
      const sinceMs = Math.min(dueMs, sentMs);
      try {
        const outcomes = await this.#operate();
        const tookMs = performance.now() - sinceMs;
        for (const outcome of outcomes) {
          if (outcome !== null) count(tally, outcome);
          else tally.operations += 1;
        }
        if (outcomes.some((outcome) => outcome === null)) tally.latencies.record(tookMs);
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        count(tally, error);
        await sleep(pauseMs);
      }
    }
  }

  /** What became of each part of it; null is success. */
  async #operate(): Promise<readonly (OperatorError | null)[]> {
    this.#turn += 1;
    const { operation, operationsEach } = this.#load;
    const key = this.#keys[this.#turn % this.#keys.length] ?? '';
    switch (operation) {
      case 'put':
        await this.#connection.put(key, this.#value);
        break;
      case 'get':
        await this.#connection.get(key);
        break;
      case 'cas':
        await this.#swap(key);
        break;
      case 'batch':
        return this.#connection.putAll(this.#keys.slice(0, operationsEach), this.#value);
      case 'mixed':
      case 'read-heavy':
        if (this.#turn % (operationsToOneWrite[operation] ?? 1) === 0) await this.#connection.put(key, this.#value);
        else await this.#connection.get(key);
    }
    return [null];
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

function count(tally: Tally, error: OperatorError): void {
  if (error.outcome === 'unknown') tally.unknown += 1;
  else if (refusals.has(error.code)) tally.refused += 1;
  else tally.errors.set(error.code, (tally.errors.get(error.code) ?? 0) + 1);
}
