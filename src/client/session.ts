/**
 * A client session: each write carries a number, so that a second copy gets the first one's answer and sending again does
 * no harm, whatever became of the first (design §3 "Exactly once").
 */
import { UsageError } from '../errors/cell-errors.ts';
import type {
  BatchOperationBody,
  BatchResultDocument,
  MultiOpBody,
  MultiOpDocument,
  PutDocument,
} from '../formats/http-body.ts';
import type { AcquiredDocument } from '../formats/lock-body.ts';
import type { PaxosClient } from './client.ts';
import type { AcquireOptions } from './locks.ts';
import type { CallOptions, DeleteResult, WriteOptions } from './options.ts';
import { SessionKeeper } from './session-keeper.ts';

export interface SessionNumber {
  readonly session: string;
  readonly sequence: number;
}

/**
 * The cell keeps the answers of the last 1,024 numbers. A write with a number further back than that is refused, so no
 * write begins while one that began this many numbers before is still open.
 */
const windowMax = 900;

export class ClientSession {
  readonly id: string;
  readonly ttlMs: number;
  readonly #client: PaxosClient;
  readonly #ended: () => void;
  readonly #keeper: SessionKeeper;
  #next = 1;
  /** First numbers of the writes that are under way, in order. */
  readonly #open = new Set<number>();
  #waiting: (() => void)[] = [];

  /** `aliveMs`: before the request was sent that opened it, of `performance.now()`. */
  constructor(
    client: PaxosClient,
    session: { readonly id: string; readonly ttlMs: number; readonly aliveMs: number },
    ended: () => void,
  ) {
    this.#client = client;
    this.id = session.id;
    this.ttlMs = session.ttlMs;
    this.#ended = ended;
    this.#keeper = new SessionKeeper({
      ...session,
      keep: (timeoutMs) => client.keepSession(this.id, { timeoutMs }),
    });
  }

  /** Resolves when the cell may have ended it, and given its locks to others; never, if that does not happen before it is closed. */
  get lost(): Promise<void> {
    return this.#keeper.lost;
  }

  get isLost(): boolean {
    return this.#keeper.isLost;
  }

  /**
   * Takes a lock, once it can be had where `waitMs` is given. Writes that are to happen only while it is held carry its `sequencer`.
   * @throws {ConditionFailedError} `PAXOS_LOCK_HELD` | `PAXOS_LOCK_DELAYED`; nothing was done then.
   */
  acquire(lock: string, options: AcquireOptions = {}): Promise<AcquiredDocument> {
    return this.#client.locks.acquire((run) => this.#numbered(1, run), lock, options);
  }

  /** Only by the acquisition that is named, where one is. @throws {ConditionFailedError} `PAXOS_LOCK_NOT_HELD`. */
  async release(lock: string, options: CallOptions & { readonly generation?: number } = {}): Promise<void> {
    await this.#numbered(1, (number) => this.#client.locks.release(number, lock, options));
  }

  put(key: string, value: string | Uint8Array, options: WriteOptions = {}): Promise<PutDocument> {
    return this.#numbered(1, (number) => this.#client.putNumbered(number, key, value, options));
  }

  delete(key: string, options: WriteOptions = {}): Promise<DeleteResult> {
    return this.#numbered(1, (number) => this.#client.deleteNumbered(number, key, options));
  }

  multiOp(body: MultiOpBody, options: Omit<WriteOptions, 'ifRevision' | 'ifAbsent'> = {}): Promise<MultiOpDocument> {
    return this.#numbered(1, (number) => this.#client.multiOpNumbered(number, body, options));
  }

  /** Independent operations. Those whose outcome was unknown are asked for again, alone, under their own number. */
  batch(
    operations: readonly BatchOperationBody[],
    options: Omit<WriteOptions, 'ifRevision' | 'ifAbsent'> = {},
  ): Promise<readonly BatchResultDocument[]> {
    return this.#numbered(operations.length, async (first) => {
      const results = [...(await this.#client.batchNumbered(first, operations, options))];
      for (const [i, result] of results.entries()) {
        if (result.ok || result.error.code !== 'PAXOS_OUTCOME_UNKNOWN') continue;
        const number = { session: this.id, sequence: first.sequence + i };
        const again = await this.#client.batchNumbered(number, [operations[i] as BatchOperationBody], options);
        results[i] = again[0] ?? result;
      }
      return results;
    });
  }

  /** Ends it in the cell. Its numbers can no longer be told afterwards. */
  async close(options: CallOptions = {}): Promise<void> {
    this.stop();
    await this.#client.endSession(this.id, options);
  }

  /** Keeps it alive no more; it ends by itself. */
  stop(): void {
    this.#keeper.stop();
    this.#ended();
  }

  async #numbered<Result>(count: number, run: (first: SessionNumber) => Promise<Result>): Promise<Result> {
    if (count > windowMax) throw new UsageError(`A session takes at most ${windowMax} operations at a time.`);
    while (this.#next + count - this.#oldest() > windowMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const sequence = this.#next;
    this.#next += count;
    this.#open.add(sequence);
    try {
      return await run({ session: this.id, sequence });
    } finally {
      this.#open.delete(sequence);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  #oldest(): number {
    for (const sequence of this.#open) return sequence;
    return this.#next;
  }
}
