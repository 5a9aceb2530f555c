/**
 * The log being written: one group at a time into preallocated segments, the next of which is ready before it is needed.
 *
 * Source: PML §4; performance.md 2 (preallocated, one write and one flush). Keeps: a segment is named in the manifest,
 * durably, before anything in it is acknowledged; a process writes only into segments that it made itself.
 */
import type { AcceptedEntry } from '../../core/consensus/message.ts';
import { invariant } from '../../core/invariant.ts';
import { ownerSeed } from '../../formats/checksum.ts';
import type { Manifest } from '../../formats/manifest.ts';
import { encodeGroup, type GroupFacts, groupBytes, isBadItem, type LogItem } from '../../formats/wal-group.ts';
import { type LogReach, type SegmentHeader, sectorBytes, segmentHeaderBytes } from '../../formats/wal-segment.ts';
import type { DigestPort } from '../../ports/digest.ts';
import { DiskError, type DiskFile } from '../../ports/disk.ts';
import type { DataDirectory } from '../data-directory.ts';
import { segmentName } from '../files.ts';
import type { LiveSegment, RecoveredLog } from './recovery.ts';
import { prepareSegment, segmentBytesFor } from './segment.ts';

/** A start waits for its first segment, so that one is smaller; the next is made while this one fills. */
const openingSegmentBytes = 4 * 1024 * 1024;
/** A start on a nearly full disk takes at least this much, enough to be told what is wrong and to hand over. */
const shortSegmentBytes = 256 * 1024;

export type Group = Omit<GroupFacts, 'previousChain' | 'boot' | 'highest'> & {
  readonly entries: readonly AcceptedEntry[];
};

export interface WalOptions {
  readonly directory: DataDirectory;
  readonly digest: DigestPort;
  /** Usual size of a segment. */
  readonly segmentBytes: number;
  /** True when no further segment can be prepared: the rest of the present one is all that is left. */
  readonly onSpace: (low: boolean) => void;
  /** A failure outside a write: nothing can be acknowledged any more. */
  readonly onFailed: (error: DiskError) => void;
}

interface OpenSegment {
  readonly segment: number;
  readonly bytes: number;
  readonly file: DiskFile;
  highest: number;
}

interface Waiting {
  readonly group: Group;
  readonly done: (error: DiskError | null) => void;
}

export class Wal {
  readonly #options: WalOptions;
  readonly #seed: number;
  readonly #boot: number;
  readonly #before: { -readonly [Key in keyof LiveSegment]: LiveSegment[Key] }[];
  #current: OpenSegment;
  #offset: number;
  #chain: number;
  /** Of any record of the log so far. */
  #highest: number;
  /** As `#highest`, without what is only said to be bad. */
  #highestEntry: number;
  /** Number of the last group begun. */
  #flush: number;
  /** How far the log was when this process began a segment, by segment. */
  readonly #began = new Map<number, LogReach>();
  #next: OpenSegment | null = null;
  #preparing: Promise<void> | null = null;
  /** Number of the segment that is being prepared, and the highest one that was given away. */
  #preparingNumber = 0;
  #reserved = 0;
  /** The next group begins a segment, where one is ready. */
  #leaves = false;
  #waiting: Waiting | null = null;
  #closed = false;
  /** Whether the present segment holds a durable group: until then those before it say how far the log went. */
  #begun = true;
  #written = 0;

  private constructor(
    options: WalOptions,
    start: {
      boot: number;
      before: readonly LiveSegment[];
      current: OpenSegment;
      offset: number;
      chain: number;
      flush: number;
      highest: number;
      highestEntry: number;
    },
  ) {
    this.#options = options;
    this.#seed = ownerSeed(options.directory.owner);
    this.#boot = start.boot;
    this.#before = start.before.map((live) => ({ ...live }));
    this.#current = start.current;
    this.#offset = start.offset;
    this.#chain = start.chain;
    this.#flush = start.flush;
    this.#highest = start.highest;
    this.#highestEntry = start.highestEntry;
  }

  /**
   * Begins a new segment with the unsure end of the recovered log and one manifest that also carries `change`: before it,
   * the directory is as it was; after it, the log has been taken over. Resolves when all of it is durable.
   * @throws {DiskError} 'full' when there is no room even for a short segment.
   */
  static async open(
    options: WalOptions,
    recovered: RecoveredLog,
    opening: Omit<GroupFacts, 'previousChain' | 'highest'>,
    change: (manifest: Manifest) => Manifest,
  ): Promise<Wal> {
    const { directory, digest } = options;
    const segment = directory.manifest.nextSegment;
    const place = { ownerSeed: ownerSeed(directory.owner), segment, offset: segmentHeaderBytes };
    const { highest: highestSoFar } = recovered;
    const facts = { ...opening, previousChain: recovered.continues.chain, highest: highestSoFar };
    const first = encodeGroup(facts, recovered.unsure, place, (bytes) => digest.entry(bytes));
    const usual = segmentBytesFor(first.bytes, Math.min(openingSegmentBytes, options.segmentBytes));
    const low = !(await hasRoom(options, usual));
    const short = segmentBytesFor(first.bytes + Math.min(shortSegmentBytes, options.segmentBytes), 0);
    const bytes = low ? short : usual;
    const { owner } = directory;
    const header: SegmentHeader = {
      owner,
      segment,
      bytes,
      boot: opening.boot,
      continues: recovered.continues,
      until: null,
    };
    await prepareSegment(directory.disk, header, first.buffers);
    const numbers = [...recovered.live.map((live) => live.segment), segment];
    await directory.update(
      (manifest) => ({ ...change(manifest), segments: numbers, nextSegment: segment + 1 }),
      [segmentName(segment)],
    );
    const file = await directory.disk.open(segmentName(segment), { create: false });
    const highest = recovered.unsure.reduce((most, item) => Math.max(most, lastOf(item)), 0);
    const wal = new Wal(options, {
      boot: opening.boot,
      before: recovered.live,
      current: { segment, bytes, file, highest },
      highest: highestSoFar,
      highestEntry: Math.max(0, ...recovered.entries.keys()),
      offset: segmentHeaderBytes + first.bytes,
      chain: first.chain,
      flush: opening.flush,
    });
    options.onSpace(low);
    if (!low) wal.#prepare(0);
    return wal;
  }

  /** Bytes of all groups that this process began to write. */
  get written(): number {
    return this.#written;
  }

  /** One group and its flush, then `done` once. One at a time. */
  write(group: Group, done: (error: DiskError | null) => void): void {
    invariant(this.#waiting === null, 'one group is written at a time');
    const bytes = groupBytes(group.entries);
    const leaves = this.#leaves && this.#next !== null && segmentHeaderBytes + bytes <= this.#next.bytes;
    if ((leaves || this.#offset + bytes > this.#current.bytes) && !this.#advance(bytes)) {
      this.#waiting = { group, done };
      this.#prepare(bytes);
      return;
    }
    this.#append(group, done);
  }

  /**
   * Removes the oldest segments that hold nothing above `instance`; never the present one, and none while nothing in that
   * is durable: without its first group the log would end at no flush at all. Resolves when durable.
   */
  async cut(instance: number): Promise<void> {
    if (!this.#begun) return;
    const kept = this.#before.findIndex(({ highest }) => highest > instance);
    const gone = this.#before.slice(0, kept === -1 ? this.#before.length : kept).map(({ segment }) => segment);
    if (gone.length === 0) return;
    await this.#options.directory.update((manifest) => ({
      ...manifest,
      segments: manifest.segments.filter((segment) => !gone.includes(segment)),
    }));
    this.#before.splice(0, gone.length);
    for (const segment of gone) this.#began.delete(segment);
  }

  /** A number that this log gives to no segment; those that it begins to prepare from now on have higher ones. */
  reserveSegment(): number {
    const { nextSegment } = this.#options.directory.manifest;
    this.#reserved = Math.max(nextSegment, this.#preparingNumber + 1, this.#reserved + 1);
    return this.#reserved;
  }

  /** The next group begins a segment, if one is ready by then. */
  leaveSegment(): void {
    this.#leaves = true;
  }

  /** How far the log was before its first group behind segment number `segment`; null when it has none yet. */
  reachBefore(segment: number): LogReach | null {
    const first = Math.min(...[...this.#began.keys()].filter((number) => number > segment));
    return this.#began.get(first) ?? null;
  }

  /** `standIn` is in the place of all before it but those in `kept`, as the manifest has it already. */
  replaceBefore(standIn: LiveSegment, kept: ReadonlySet<number>): void {
    const later = this.#before.filter(({ segment }) => segment > standIn.segment);
    const earlier = this.#before.filter(({ segment }) => segment < standIn.segment && kept.has(segment));
    this.#before.splice(0, this.#before.length, ...earlier, { ...standIn }, ...later);
  }

  /** What is said of bad items above `above` keeps no segment any more. */
  settleBad(above: number): void {
    const highest = Math.max(above, this.#highestEntry);
    this.#highest = Math.min(this.#highest, highest);
    this.#current.highest = Math.min(this.#current.highest, highest);
    for (const segment of this.#before) segment.highest = Math.min(segment.highest, highest);
  }

  /** Tries again to prepare the next segment when there was no room for it. */
  async checkSpace(): Promise<void> {
    if (this.#next === null) this.#prepare(0);
    await this.#preparing;
  }

  /** After the last write has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#preparing;
    await this.#current.file.close();
    await this.#next?.file.close();
  }

  #append(group: Group, done: (error: DiskError | null) => void): void {
    const { segment, file } = this.#current;
    const place = { ownerSeed: this.#seed, segment, offset: this.#offset };
    const { digest } = this.#options;
    const { entries, flush, chosenUpTo, promiseFlush } = group;
    const facts = {
      flush,
      boot: this.#boot,
      chosenUpTo,
      promiseFlush,
      previousChain: this.#chain,
      highest: this.#highest,
    };
    const encoded = encodeGroup(facts, entries, place, (bytes) => digest.entry(bytes));
    invariant(encoded.bytes % sectorBytes === 0, 'a group fills whole sectors', { bytes: encoded.bytes });
    for (const { instance } of entries) {
      if (instance > this.#current.highest) this.#current.highest = instance;
      if (instance > this.#highest) this.#highest = instance;
      if (instance > this.#highestEntry) this.#highestEntry = instance;
    }
    this.#offset += encoded.bytes;
    this.#written += encoded.bytes;
    this.#chain = encoded.chain;
    this.#flush = flush;
    file.writeAndFlush(place.offset, encoded.buffers, (error) => {
      if (error === null) this.#begun = true;
      done(error);
    });
  }

  /** On to the next segment, if it is ready and has room for a group of `bytes`. */
  #advance(bytes: number): boolean {
    const next = this.#next;
    if (next === null) return false;
    const { segment, highest, file } = this.#current;
    this.#before.push({ segment, bytes: this.#current.bytes, highest });
    // It was only read and written; an error now says nothing about what its flushes have said already.
    file.close().catch(() => undefined);
    this.#current = next;
    this.#offset = segmentHeaderBytes;
    this.#begun = false;
    this.#leaves = false;
    this.#began.set(next.segment, { chain: this.#chain, flush: this.#flush });
    this.#next = null;
    if (this.#offset + bytes > next.bytes) return false;
    this.#prepare(0);
    return true;
  }

  /** Makes the next segment ready, with room for a group of `bytes`, in the background. */
  #prepare(bytes: number): void {
    if (this.#preparing !== null || this.#next !== null || this.#closed) return;
    this.#preparing = this.#prepareNext(bytes).then(
      (next) => {
        this.#preparing = null;
        this.#preparingNumber = 0;
        this.#next = next;
        this.#options.onSpace(false);
        this.#resume();
      },
      (error: unknown) => {
        this.#preparing = null;
        this.#preparingNumber = 0;
        this.#prepareFailed(error);
      },
    );
  }

  async #prepareNext(bytes: number): Promise<OpenSegment> {
    const { directory, segmentBytes } = this.#options;
    const size = segmentBytesFor(bytes, segmentBytes);
    const segment = Math.max(directory.manifest.nextSegment, this.#reserved + 1);
    this.#preparingNumber = segment;
    const name = segmentName(segment);
    if (!(await hasRoom(this.#options, size))) throw new DiskError('full', name, await noRoomText(this.#options, size));
    const header = { owner: directory.owner, segment, bytes: size, boot: this.#boot, continues: null, until: null };
    await prepareSegment(directory.disk, header);
    await directory.update(
      (manifest) => ({ ...manifest, segments: [...manifest.segments, segment], nextSegment: segment + 1 }),
      [name],
    );
    return { segment, bytes: size, file: await directory.disk.open(name, { create: false }), highest: 0 };
  }

  #prepareFailed(error: unknown): void {
    const failure = asDiskError(error);
    const waiting = this.#waiting;
    if (failure.reason === 'full') this.#options.onSpace(true);
    if (waiting !== null) {
      this.#waiting = null;
      waiting.done(failure);
    } else if (failure.reason !== 'full' || this.#options.directory.failure !== null) {
      this.#options.onFailed(failure);
    }
  }

  #resume(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    this.write(waiting.group, waiting.done);
  }
}

const lastOf = (item: LogItem): number => (isBadItem(item) ? item.upTo : item.instance);

/** Room for `bytes` and as much again, which is left to the manifest and to snapshots. */
async function hasRoom({ directory, segmentBytes }: WalOptions, bytes: number): Promise<boolean> {
  return (await directory.disk.freeBytes()) >= bytes + segmentBytes;
}

/** It is not for the last byte that the log ends. */
async function noRoomText({ directory, segmentBytes }: WalOptions, bytes: number): Promise<string> {
  const free = await directory.disk.freeBytes();
  return `another log segment wants ${bytes + segmentBytes} bytes free, and ${free} are`;
}

const asDiskError = (error: unknown): DiskError =>
  error instanceof DiskError ? error : new DiskError('io', '', String(error), { cause: error });
