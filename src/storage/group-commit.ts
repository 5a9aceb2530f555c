/**
 * Group commit by arrival: while one flush runs, everything that comes is gathered, and goes out together with the next.
 *
 * Source: PML §4 (one flushed write per instance), design §3; pitfalls P13, P14. Keeps: a write is reported as durable only by
 * a flush that began after it was queued; promises are durable in both copies before the entries that came with or
 * after them; after the first failure nothing is reported ever again.
 */
import { shortened } from '../core/consensus/boot-history.ts';
import type { WriteRequest } from '../core/consensus/effect.ts';
import type { WriteId } from '../core/consensus/identity.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
import type { Remembered, WitnessMemory } from '../core/consensus/witness-memory.ts';
import { invariant } from '../core/invariant.ts';
import { encodeValue } from '../formats/value.ts';
import { witnessEntry } from '../formats/wal-witness.ts';
import { DiskError } from '../ports/disk.ts';
import { FlushTimes } from './flush-times.ts';
import type { PromiseCopies } from './promise-copies.ts';
import type { Wal } from './wal/wal.ts';

/** One group holds no more than this, so that one flush does not take long; a single larger write goes alone. */
const walBatchBytesMax = 4 * 1024 * 1024;

export interface GroupCommitStart {
  readonly wal: Wal;
  readonly promises: PromiseCopies;
  readonly boot: number;
  /** Highest flush number so far. */
  readonly flush: number;
  readonly promiseFlush: number;
  readonly chosenUpTo: number;
  /** What is new in it goes out with every group: a flush of its own would cost more than it is worth. */
  readonly memory: WitnessMemory;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** What waits: a write of the core, or somebody who wants all before it and `chosenUpTo` durable. */
interface Queued {
  readonly request: Omit<WriteRequest, 'write'> & { readonly write: WriteId | null };
  readonly settle: ((error: DiskError | null) => void) | null;
}

export class GroupCommit {
  readonly #start: GroupCommitStart;
  readonly #times = new FlushTimes();
  #queue: Queued[] = [];
  /** What the flush that runs will settle. */
  #inFlight: readonly Queued[] = [];
  #busy = false;
  #held = false;
  #failure: DiskError | null = null;
  #flush: number;
  /** Highest flush number that has ended. */
  #flushed: number;
  #promiseFlush: number;
  #promiseFlushed: number;
  #chosenUpTo: number;
  #lastWrite = 0;
  #flushes = 0;
  #whenIdle: (() => void)[] = [];
  #onPersisted: (write: WriteId) => void = () => undefined;
  #onFailed: (error: DiskError) => void = () => undefined;

  constructor(start: GroupCommitStart) {
    this.#start = start;
    this.#flush = start.flush;
    this.#flushed = start.flush;
    this.#promiseFlush = start.promiseFlush;
    this.#promiseFlushed = start.promiseFlush;
    this.#chosenUpTo = start.chosenUpTo;
  }

  get flushed(): number {
    return this.#flushed;
  }

  /** Number of the flush of the newest durable promise. */
  get promiseFlushed(): number {
    return this.#promiseFlushed;
  }

  /** What the groups so far call chosen, those under way too. */
  get chosenUpTo(): number {
    return this.#chosenUpTo;
  }

  /** Number of the flush of the newest promise, of one under way too. */
  get promiseFlush(): number {
    return this.#promiseFlush;
  }

  /** The first of `count` flush numbers that no write gets; what is written from now on has higher ones. */
  reserveFlushes(count: number): number {
    const first = this.#flush + 1;
    this.#flush += count;
    return first;
  }

  get failure(): DiskError | null {
    return this.#failure;
  }

  onPersisted(callback: (write: WriteId) => void): void {
    this.#onPersisted = callback;
  }

  onFailed(callback: (error: DiskError) => void): void {
    this.#onFailed = callback;
  }

  /** Queued; nothing more after a failure. */
  persist(request: WriteRequest): void {
    invariant(request.write > this.#lastWrite, 'writes are numbered upwards', { write: request.write });
    this.#lastWrite = request.write;
    this.#add({ request, settle: null });
  }

  /** Resolves when everything queued so far is durable, and that all up to `chosenUpTo` is chosen. */
  barrier(chosenUpTo: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = { write: null, promise: null, entries: [], chosenUpTo: chosenUpTo as WriteRequest['chosenUpTo'] };
      this.#add({ request, settle: (error) => (error === null ? resolve() : reject(error)) });
    });
  }

  /**
   * Runs `work` while no flush does; what comes meanwhile waits, so `work` is short. What it throws is final, as after a failed
   * write. One at a time.
   */
  async exclusively(work: () => Promise<void>): Promise<void> {
    invariant(!this.#held, 'the log is held once at a time');
    this.#held = true;
    await this.idle();
    if (this.#failure !== null) throw this.#failure;
    try {
      await work();
    } catch (error) {
      this.fail(error instanceof DiskError ? error : new DiskError('io', '', String(error), { cause: error }));
      throw error;
    }
    this.#held = false;
    this.#next();
  }

  /** When nothing is queued or under way any more, or all came to nothing. What is held back does not count. */
  idle(): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** The first failure is final: what waits is never acknowledged (pitfalls P14). */
  fail(error: DiskError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    const waiting = [...this.#inFlight, ...this.#queue];
    this.#inFlight = [];
    this.#queue = [];
    this.#onFailed(error);
    for (const { settle } of waiting) settle?.(error);
    this.#rest();
  }

  get flushes(): number {
    return this.#flushes;
  }

  /** What `share` (0-1) of the last flushes did not exceed, in ms. */
  flushMs(share: number): number {
    return this.#times.percentile(share);
  }

  #add(queued: Queued): void {
    if (this.#failure !== null) {
      queued.settle?.(this.#failure);
      return;
    }
    this.#queue.push(queued);
    if (!this.#busy && !this.#held) this.#next();
  }

  #next(): void {
    const batch = this.#held ? [] : this.#take();
    if (batch.length === 0) {
      this.#rest();
      return;
    }
    this.#busy = true;
    this.#inFlight = batch;
    const promise = batch.reduce<WriteRequest['promise']>((last, { request }) => request.promise ?? last, null);
    if (promise === null) {
      this.#writeGroup(batch);
      return;
    }
    this.#promiseFlush = ++this.#flush;
    const stored = { ...promise, flush: this.#promiseFlush, boot: this.#start.boot };
    this.#start.promises.raise(stored, (error) => {
      if (error !== null) this.fail(error);
      else if (this.#failure === null) this.#writeGroup(batch);
    });
  }

  #writeGroup(batch: readonly Queued[]): void {
    const entries: AcceptedEntry[] = [];
    for (const { request } of batch) {
      for (const entry of request.entries) entries.push(entry);
      if (request.chosenUpTo > this.#chosenUpTo) this.#chosenUpTo = request.chosenUpTo;
    }
    const flush = ++this.#flush;
    const { memory, now, wal } = this.#start;
    const learned = memory.takeChanged();
    if (learned.length > 0) entries.push(witnessEntry(learned.map(newest)));
    const began = now();
    wal.write({ flush, chosenUpTo: this.#chosenUpTo, promiseFlush: this.#promiseFlush, entries }, (error) => {
      if (error !== null) this.fail(error);
      if (this.#failure !== null) return;
      this.#times.add(now() - began);
      this.#flushes++;
      this.#flushed = flush;
      this.#promiseFlushed = this.#promiseFlush;
      this.#settle(batch);
    });
  }

  /** The next group starts before anybody is told, so that the disk never waits for what the news sets off. */
  #settle(batch: readonly Queued[]): void {
    this.#inFlight = [];
    let last: WriteId | null = null;
    for (const { request } of batch) last = request.write ?? last;
    this.#next();
    if (last !== null) this.#onPersisted(last);
    for (const { settle } of batch) settle?.(null);
  }

  /** From the front of the queue: what one group may hold, at least one. */
  #take(): Queued[] {
    let bytes = 0;
    let count = 0;
    for (const { request } of this.#queue) {
      for (const { value } of request.entries) bytes += encodeValue(value).length;
      if (count > 0 && bytes > walBatchBytesMax) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #rest(): void {
    this.#busy = false;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}

/** Earlier boots of a member went out with the flush that came after its last start. */
const newest = ({ member, histories }: Remembered): Remembered => ({
  member,
  histories: histories.map((history) => shortened(history, 2)),
});
