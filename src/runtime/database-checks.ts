/**
 * The checks of one replica: at each logged `checksum` a view is taken, and scanned in slices while everything else goes on.
 *
 * Source: design §5; PML §6.2. Results are kept by instance, the views of the newest ones a while longer, so that a difference
 * can be narrowed to its keys. A check that is overtaken by the next one before it began is dropped: it has no result here.
 */
import type { Instance } from '../core/consensus/identity.ts';
import {
  type RangeDigest,
  type ScannedEntry,
  type ScanResult,
  scanDatabase,
  scannedEntries,
} from '../core/database/scan.ts';
import type { DatabaseView } from '../core/database/view.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { CheckedFiles } from './file-repair.ts';
import type { Logger } from './logger.ts';

/** Results that can still be asked for. */
const resultsKept = 8;
/** Views that are still there after their scan; each keeps alive what has changed since. */
const viewsKept = 2;
const viewKeptMs = 120_000;
/** Between two slices, each about as long: at most half of the processor goes into a scan. */
const restMs = 1;

/** What a replica holds at one instance, named by a logged `checksum`. */
export interface ChecksumPoint {
  readonly instance: Instance;
  /** Whoever asked wants files read again too. */
  readonly deep: boolean;
  readonly logChain: Uint8Array;
  /** Closed by whoever takes the point. */
  readonly view: DatabaseView;
}

/** What one replica found at one instance. */
export interface DatabaseCheck {
  readonly instance: Instance;
  readonly deep: boolean;
  /** 64 hex digits. */
  readonly logChain: string;
  /** 32 hex digits: of what is stored. */
  readonly checksum: string;
  /** 32 hex digits: the sum that is kept up with each operation. */
  readonly kept: string;
  readonly entries: number;
  readonly ranges: readonly RangeDigest[];
  readonly rotten: ScanResult['rotten'];
  /** Files that are bad; null when nobody asked for files. */
  readonly files: CheckedFiles['files'] | null;
  /** Files that were bad, and were repaired by this check; null when nobody asked for files. */
  readonly repaired: CheckedFiles['repaired'] | null;
  readonly tookMs: number;
  /** Milliseconds since 1970, for people. */
  readonly atWallMs: number;
}

interface Done {
  readonly check: DatabaseCheck;
  view: DatabaseView | null;
  /** Evidence: newer ones do not take its place. */
  pinned: boolean;
}

export interface DatabaseChecksOptions {
  readonly clocks: ClockPort;
  readonly logger: Logger;
}

export class DatabaseChecks {
  readonly #options: DatabaseChecksOptions;
  /** Newest last. */
  #done: Done[] = [];
  #running: ChecksumPoint | null = null;
  #next: ChecksumPoint | null = null;
  #newest = 0;
  #closed = false;
  /** Reads all files again, for a deep check, and repairs them where it can. */
  readFiles: (() => Promise<CheckedFiles>) | null = null;
  /** Told of each check that was finished. */
  onDone: (check: DatabaseCheck) => void = () => undefined;

  constructor(options: DatabaseChecksOptions) {
    this.#options = options;
  }

  /** Instance of the newest logged `checksum` that was applied here; 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** The newest one that was finished. */
  get last(): DatabaseCheck | null {
    return this.#done.at(-1)?.check ?? null;
  }

  /** Called while the instance is applied: takes the view, and leaves the rest for later. */
  begin(point: ChecksumPoint): void {
    if (this.#closed) return point.view.close();
    this.#newest = point.instance;
    this.#next?.view.close();
    this.#next = point;
    if (this.#running === null) this.#options.clocks.nextTurn(() => this.#startNext());
  }

  /** `running` also before it has begun. */
  state(instance: number): 'done' | 'running' | 'none' {
    if (this.at(instance) !== null) return 'done';
    return this.#running?.instance === instance || this.#next?.instance === instance ? 'running' : 'none';
  }

  at(instance: number): DatabaseCheck | null {
    return this.#done.find(({ check }) => check.instance === instance)?.check ?? null;
  }

  /** Entries as they are stored at the instance of a check; null when its view is gone. */
  entries(instance: number, query: Parameters<typeof scannedEntries>[1]): readonly ScannedEntry[] | null {
    const view = this.#done.find(({ check }) => check.instance === instance)?.view ?? null;
    return view === null ? null : scannedEntries(view, query);
  }

  /**
   * The state of `instance` is given up: its view stays as evidence for as long as views do, and what is under way has no
   * result. The state that takes its place may be scanned at that instance again; asked for is then still the first.
   */
  giveUp(instance: number): void {
    for (const done of this.#done) if (done.check.instance === instance) done.pinned = true;
    this.#abandon();
  }

  #abandon(): void {
    this.#next?.view.close();
    this.#next = null;
    this.#running?.view.close();
    this.#running = null;
  }

  close(): void {
    this.#closed = true;
    this.#abandon();
    for (const done of this.#done) this.#drop(done);
  }

  #startNext(): void {
    const point = this.#next;
    if (point === null || this.#running !== null || this.#closed) return;
    this.#next = null;
    this.#running = point;
    const startedMs = this.#options.clocks.now().monotonicMs;
    this.#slice(point, scanDatabase(point.view), startedMs);
  }

  #slice(point: ChecksumPoint, scan: ReturnType<typeof scanDatabase>, startedMs: number): void {
    if (this.#running !== point) return;
    const { clocks, logger } = this.#options;
    try {
      const step = scan.next();
      if (step.done === true) return void this.#finish(point, step.value, startedMs);
    } catch (error) {
      // A record so damaged that it has no encoding: there is nothing to compare, which is not the same as equal.
      logger.error({ err: error, instance: point.instance }, 'the database could not be checked');
      return this.#end(point, null);
    }
    clocks.schedule(plus(clocks, restMs), () => this.#slice(point, scan, startedMs));
  }

  async #finish(point: ChecksumPoint, result: ScanResult, startedMs: number): Promise<void> {
    const { clocks, logger } = this.#options;
    let looked: CheckedFiles | null = null;
    if (point.deep && this.readFiles !== null) {
      looked = await this.readFiles().catch((error: unknown) => unread(error));
      if (this.#running !== point) return;
    }
    const { monotonicMs, wallMs } = clocks.now();
    const { instance, deep, logChain, view } = point;
    const check: DatabaseCheck = {
      ...result,
      files: looked?.files ?? null,
      repaired: looked?.repaired ?? null,
      instance,
      deep,
      logChain: hex(logChain),
      kept: view.checksum,
      tookMs: Math.round(monotonicMs - startedMs),
      atWallMs: wallMs,
    };
    const { rotten } = check;
    if (rotten.count > 0) logger.error({ instance, rotten: rotten.count }, 'entries changed in memory');
    this.#end(point, check);
  }

  #end(point: ChecksumPoint, check: DatabaseCheck | null): void {
    const { clocks } = this.#options;
    this.#running = null;
    if (check === null) point.view.close();
    else {
      const done: Done = { check, view: point.view, pinned: false };
      this.#done.push(done);
      for (const old of this.#done.slice(0, -viewsKept)) if (!old.pinned) this.#drop(old);
      this.#done = this.#done.slice(-resultsKept);
      clocks.schedule(plus(clocks, viewKeptMs), () => this.#drop(done));
      this.onDone(check);
    }
    this.#startNext();
  }

  #drop(done: Done): void {
    done.view?.close();
    done.view = null;
    done.pinned = false;
  }
}

const unread = (error: unknown): CheckedFiles => ({ files: [{ file: '?', problem: String(error) }], repaired: [] });
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

type Ms = ReturnType<ClockPort['now']>['monotonicMs'];
const plus = (clocks: ClockPort, ms: number): Ms => (clocks.now().monotonicMs + ms) as Ms;
