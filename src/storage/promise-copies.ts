/**
 * The promise of this replica in two files, raised one after the other.
 *
 * Source: PML §4.1; design §4. Keeps: at every moment one of the two is whole, and a promise is spoken of only when both
 * are durable. Nothing readable is never "promised nothing" (pitfalls P19): the incarnation has ended.
 */
import { compareBallots } from '../core/consensus/ballot.ts';
import { FormatError } from '../formats/bytes.ts';
import type { Owner } from '../formats/checksum.ts';
import {
  decodePromise,
  encodePromise,
  type PromiseCopy,
  promiseBlockBytes,
  type StoredPromise,
} from '../formats/promise.ts';
import { type Disk, DiskError, type DiskFile } from '../ports/disk.ts';
import { PromiseLostError } from './errors.ts';
import { inScratch, isNotFound, promiseNames, root, scratch, withFile, writeScratch } from './files.ts';

const copies: readonly PromiseCopy[] = [0, 1];

/** The files of a new member, in scratch/: promised nothing, which is true once. */
export async function makePromiseFiles(disk: Disk, promise: StoredPromise, owner: Owner): Promise<void> {
  for (const copy of copies) await writeScratch(disk, promiseNames[copy], encodePromise(promise, owner, copy));
}

export class PromiseCopies {
  readonly #disk: Disk;
  readonly #files: DiskFile[] = [];
  readonly #owner: Owner;
  /** What both hold, or are about to. */
  #promise: StoredPromise;

  private constructor(disk: Disk, owner: Owner, promise: StoredPromise) {
    this.#disk = disk;
    this.#owner = owner;
    this.#promise = promise;
  }

  /** The highest promise that either copy holds, changing nothing. @throws {PromiseLostError} when neither is good. */
  static async read(disk: Disk, owner: Owner): Promise<StoredPromise> {
    const problems: string[] = [];
    const good: StoredPromise[] = [];
    for (const copy of copies) {
      const name = promiseNames[copy];
      const found = await readPromiseCopy(disk, owner, copy);
      if (typeof found === 'string') problems.push(`${name} ${found}`);
      else good.push(found);
    }
    const [first, second] = good;
    if (first === undefined) throw new PromiseLostError({ problems });
    return second === undefined ? first : higher(first, second);
  }

  /**
   * Both copies, holding `promise` durably. A bad or missing one is replaced first; then both are written anew, since
   * what an earlier process failed to flush may stand in the cache alone (pitfalls P15).
   */
  static async open(disk: Disk, owner: Owner, promise: StoredPromise): Promise<PromiseCopies> {
    const opened = new PromiseCopies(disk, owner, promise);
    for (const copy of copies) {
      if (typeof (await readPromiseCopy(disk, owner, copy)) === 'string') await opened.#replace(copy);
    }
    try {
      for (const copy of copies) await opened.#open(copy);
    } catch (error) {
      await opened.close().catch(() => undefined);
      throw error;
    }
    return opened;
  }

  /** Bad or missing copies, and older ones that somebody put there, are made anew from what was promised. Never beside `raise`. */
  async repair(): Promise<void> {
    for (const copy of copies) {
      const found = await readPromiseCopy(this.#disk, this.#owner, copy);
      if (typeof found !== 'string' && found.flush >= this.#promise.flush) continue;
      await this.#replace(copy);
      await this.#files[copy]?.close().catch(() => undefined);
      await this.#open(copy);
    }
  }

  async #replace(copy: PromiseCopy): Promise<void> {
    const name = promiseNames[copy];
    await writeScratch(this.#disk, name, encodePromise(this.#promise, this.#owner, copy));
    await this.#disk.rename(inScratch(name), name);
    await this.#disk.flushDirectory(root);
    await this.#disk.flushDirectory(scratch);
  }

  async #open(copy: PromiseCopy): Promise<void> {
    const file = await this.#disk.open(promiseNames[copy], { create: false });
    this.#files[copy] = file;
    await file.write(0, encodePromise(this.#promise, this.#owner, copy));
    await file.flush();
  }

  /** Both copies, then `done` once. After an error nothing may be promised or accepted any more. */
  raise(promise: StoredPromise, done: (error: DiskError | null) => void): void {
    const write = (copy: PromiseCopy, then: (error: DiskError | null) => void): void =>
      (this.#files[copy] as DiskFile).writeAndFlush(0, [encodePromise(promise, this.#owner, copy)], then);
    this.#promise = promise;
    write(0, (error) => (error === null ? write(1, done) : done(error)));
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
  }
}

/** The promise, or what is wrong with the copy. */
export async function readPromiseCopy(disk: Disk, owner: Owner, copy: PromiseCopy): Promise<StoredPromise | string> {
  let opened = false;
  try {
    return await withFile(disk, promiseNames[copy], false, async (file) => {
      opened = true;
      const size = await file.size();
      if (size !== promiseBlockBytes) return `has ${size} bytes`;
      return decodePromise(await file.read(0, size), owner, copy);
    });
  } catch (error) {
    if (isNotFound(error)) return 'is missing';
    if (error instanceof FormatError) return `holds ${error.message}`;
    // A file that may not even be opened says nothing about what it holds.
    if (opened && error instanceof DiskError) return `cannot be read (${error.message})`;
    throw error;
  }
}

/** Neither the ballot nor the lease that somebody may rely on ever goes down. */
function higher(a: StoredPromise, b: StoredPromise): StoredPromise {
  const order = compareBallots(a.ballot, b.ballot) || a.flush - b.flush;
  return { ...(order >= 0 ? a : b), leaseMsMax: Math.max(a.leaseMsMax, b.leaseMsMax) };
}
