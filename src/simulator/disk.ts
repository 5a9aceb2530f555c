/**
 * The disk port in memory: virtual time, every fault that real disks are known for, and a crash at any moment.
 *
 * Same seed, same calls: same results at the same virtual times. An operation takes effect in the cache when it is called and
 * answers later; what a flush makes durable is what was written before it was called (pitfalls P13).
 */
import type { Random } from '../core/random.ts';
import { type DirectoryEntry, type Disk, DiskError, type DiskFile } from '../ports/disk.ts';
import { type CrashOptions, type DiskChange, DiskImage, folderOf, type Inode, type NameChange } from './disk-image.ts';

export type { CrashOptions, DiskChange } from './disk-image.ts';

export interface DiskOperation {
  readonly kind:
    | 'open'
    | 'create'
    | 'read'
    | 'write'
    | 'flush'
    | 'write-and-flush'
    | 'rename'
    | 'remove'
    | 'make-directory'
    | 'flush-directory'
    | 'look';
  readonly path: string;
  /** Of a write. */
  readonly bytes: number;
}

/**
 * What goes wrong with one operation.
 * - `error`: it fails and changes nothing; a flush that fails leaves its writes in the cache, clean (D7)
 * - `cache-gone`: as `error`, but the cache loses the writes as well (D7)
 * - `full`: no space (D8)
 * - `lost`: it succeeds and changes nothing on the device; the cache shows it until the power goes (D6)
 * - `hang`: it never answers (D10)
 * - `halt`: it takes effect in the cache, and then the process is gone: nothing answers any more (P-1)
 */
export type DiskFault = 'error' | 'cache-gone' | 'full' | 'lost' | 'hang' | 'halt';

/** Chances per operation; all zero at first. They may be changed at any time: healing sets them to zero. */
export interface DiskKnobs {
  writeErrorChance: number;
  flushErrorChance: number;
  lostWriteChance: number;
  hangChance: number;
  slowFlushChance: number;
  /** Between these, in ms, for a slow flush. */
  slowFlushMs: readonly [number, number];
  /** Between these, in ms, for everything else. */
  operationMs: readonly [number, number];
  flushMs: readonly [number, number];
  /** Bytes that all files together may have. */
  capacityBytes: number;
}

export interface SimulatedDiskOptions {
  readonly schedule: (delayMs: number, callback: () => void) => void;
  readonly random: Random;
  /** Milliseconds, for when files were changed. */
  readonly now?: () => number;
  /** Asked for every operation before it happens; null lets the knobs decide. */
  readonly fault?: (operation: DiskOperation) => DiskFault | null;
  /**
   * A file was closed twice or used after its close, which a real disk might have done to another file. Without it the mistake
   * is thrown out of the schedule, where no caller can swallow it.
   */
  readonly onMisuse?: (what: string) => void;
  /** Everything that changes the cache or the device, in order. */
  readonly onChange?: (change: DiskChange) => void;
}

const knobsDefault: DiskKnobs = {
  writeErrorChance: 0,
  flushErrorChance: 0,
  lostWriteChance: 0,
  hangChance: 0,
  slowFlushChance: 0,
  slowFlushMs: [10, 30_000],
  operationMs: [0.01, 0.1],
  flushMs: [0.1, 1],
  capacityBytes: Number.MAX_SAFE_INTEGER,
};

const flushes: readonly DiskOperation['kind'][] = ['flush', 'write-and-flush', 'flush-directory'];
const writes: readonly DiskOperation['kind'][] = ['write', 'create', 'rename', 'write-and-flush'];

/** Without a stack, which nobody reads and whose making takes longer than the operation. */
function failure(...[reason, path, message]: ConstructorParameters<typeof DiskError>): DiskError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const error = new DiskError(reason, path, message);
  Error.stackTraceLimit = limit;
  return error;
}

export class SimulatedDisk implements Disk {
  readonly knobs: DiskKnobs;
  /** What the machine would find now; tests look into it and damage it. */
  readonly image: DiskImage;
  readonly #options: SimulatedDiskOptions;
  /** Files that the process has open. */
  openFiles = 0;
  #halted = false;

  constructor(options: SimulatedDiskOptions, image = new DiskImage(), knobs: DiskKnobs = { ...knobsDefault }) {
    this.#options = options;
    this.image = image;
    this.knobs = knobs;
  }

  /** The process that used this disk is gone: no operation of it answers any more. */
  halt(): void {
    this.#halted = true;
  }

  /** Halts, and returns the disk as the next process finds it; `random` decides what survives. */
  crash(
    how: CrashOptions,
    options: Partial<SimulatedDiskOptions> = {},
    random: Random = this.#options.random,
  ): SimulatedDisk {
    this.halt();
    const image = this.image.afterCrash(how, random);
    return new SimulatedDisk({ ...this.#options, ...options }, image, this.knobs);
  }

  /** An independent copy of everything, as a backup or a second future. Files keep their fingerprints. */
  copy(options: Partial<SimulatedDiskOptions> = {}): SimulatedDisk {
    return new SimulatedDisk({ ...this.#options, ...options }, this.image.copy(), { ...this.knobs });
  }

  /** The file at `path` as it is now, for damaging it. @throws {DiskError} 'not-found' */
  inode(path: string): Inode {
    const node = this.image.names.get(path);
    if (node === undefined || node === 'folder') throw failure('not-found', path, `${path} is no file`);
    return node;
  }

  /** Puts a durable file there, as an operator would. */
  plant(path: string, bytes: Uint8Array): void {
    const inode = this.image.newInode(this.#now());
    inode.overwrite(0, bytes);
    const change = { kind: 'create', path, inode } as const;
    this.image.change(change);
    this.image.settleNames([change]);
  }

  open(path: string, { create }: { readonly create: false | 'exclusive' }): Promise<DiskFile> {
    return this.perform({ kind: create === false ? 'open' : 'create', path, bytes: 0 }, () => {
      const known = this.image.names.get(path);
      if (create === false) return new SimulatedFile(this, path, this.inode(path));
      if (known !== undefined) throw failure('exists', path, `${path} exists`);
      this.#folderMustExist(path);
      const inode = this.image.newInode(this.#now());
      this.#changeName({ kind: 'create', path, inode });
      return new SimulatedFile(this, path, inode);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.perform({ kind: 'rename', path: to, bytes: 0 }, () => {
      this.#folderMustExist(to);
      this.#changeName({ kind: 'rename', path: to, from, inode: this.inode(from) });
    });
  }

  remove(path: string): Promise<void> {
    return this.perform({ kind: 'remove', path, bytes: 0 }, () => {
      const node = this.image.names.get(path);
      if (node === 'folder') throw new DiskError('denied', path, `${path} is a folder`);
      if (node !== undefined) this.#changeName({ kind: 'remove', path, inode: node });
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.perform({ kind: 'make-directory', path, bytes: 0 }, () => {
      const node = this.image.names.get(path);
      if (node === undefined) this.#changeName({ kind: 'folder', path });
      else if (node !== 'folder') throw new DiskError('denied', path, `${path} is a file`);
    });
  }

  list(path: string): Promise<readonly DirectoryEntry[]> {
    return this.perform({ kind: 'look', path, bytes: 0 }, () => {
      const entries: DirectoryEntry[] = [];
      for (const [full, node] of this.image.names) {
        if (folderOf(full) !== path) continue;
        const name = path === '' ? full : full.slice(path.length + 1);
        if (node === 'folder') entries.push({ name, kind: 'directory', bytes: 0, modifiedMs: 0 });
        else entries.push({ name, kind: 'file', bytes: node.cached.size, modifiedMs: node.modifiedMs });
      }
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  flushDirectory(path: string): Promise<void> {
    const changes = this.image.pendingNamesOf(path);
    return this.perform(
      { kind: 'flush-directory', path, bytes: 0 },
      () => undefined,
      (fault) => {
        if (fault !== null) return;
        this.image.settleNames(changes);
        this.changed({ kind: 'settle-names', changes });
      },
    );
  }

  freeBytes(): Promise<number> {
    return this.perform({ kind: 'look', path: '', bytes: 0 }, () => this.free());
  }

  /** Room for so many bytes more than there are now; null: as much as anybody wants. */
  limit(roomBytes: number | null): void {
    this.knobs.capacityBytes = roomBytes === null ? knobsDefault.capacityBytes : this.image.usedBytes() + roomBytes;
  }

  free(): number {
    return Math.max(0, this.knobs.capacityBytes - this.image.usedBytes());
  }

  /** For the files of this disk: {@link start} as a promise. */
  perform<Result>(
    operation: DiskOperation,
    now: () => Result,
    later: (fault: DiskFault | null) => void = () => undefined,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.start(operation, now, later, (error, result) =>
        error === null ? resolve(result as Result) : reject(error),
      );
    });
  }

  /**
   * Runs `now` at once and, when the time of the operation is over, `later` and then `done`; unless a fault is due.
   * `done` is never called before this returns.
   */
  start<Result>(
    operation: DiskOperation,
    now: () => Result,
    later: (fault: DiskFault | null) => void,
    done: (error: DiskError | null, result?: Result) => void,
  ): void {
    if (this.#halted) return;
    const fault = this.#options.fault?.(operation) ?? this.#drawFault(operation);
    const answer = this.#begin(operation, now, fault);
    if (fault === 'halt') this.halt();
    if (fault === 'hang' || this.#halted) return;
    this.#options.schedule(this.#delay(operation), () => {
      if (this.#halted) return;
      if (answer.error === null || fault === 'error' || fault === 'cache-gone') later(fault);
      done(answer.error, answer.result);
    });
  }

  #begin<Result>(
    operation: DiskOperation,
    now: () => Result,
    fault: DiskFault | null,
  ): { readonly error: DiskError | null; readonly result?: Result } {
    const { kind, path } = operation;
    if (fault === 'full') return { error: failure('full', path, `no space left: ${kind} ${path}`) };
    // A flush that fails does so after its writes have reached the cache; anything else fails before.
    const failing = fault === 'error' || fault === 'cache-gone';
    const error = failing ? failure('io', path, `input/output error: ${kind} ${path}`) : null;
    if (failing && !flushes.includes(kind)) return { error };
    try {
      const result = now();
      return { error, result };
    } catch (thrown) {
      if (thrown instanceof DiskError) return { error: thrown };
      throw thrown;
    }
  }

  #drawFault({ kind }: DiskOperation): DiskFault | null {
    const { random } = this.#options;
    const { hangChance, flushErrorChance, writeErrorChance, lostWriteChance } = this.knobs;
    const drawn = [random.next(), random.next(), random.next()] as const;
    if (drawn[0] < hangChance) return 'hang';
    if (flushes.includes(kind) && drawn[1] < flushErrorChance) return drawn[2] < 0.5 ? 'error' : 'cache-gone';
    if (writes.includes(kind) && drawn[1] < writeErrorChance) return 'error';
    if (kind === 'write-and-flush' && drawn[2] < lostWriteChance) return 'lost';
    return null;
  }

  #delay({ kind }: DiskOperation): number {
    const { random } = this.#options;
    const { flushMs, operationMs, slowFlushMs, slowFlushChance } = this.knobs;
    const slow = random.chance(slowFlushChance);
    const [low, high] = !flushes.includes(kind) ? operationMs : slow ? slowFlushMs : flushMs;
    return random.between(low, high);
  }

  #now(): number {
    return this.#options.now?.() ?? 0;
  }

  #folderMustExist(path: string): void {
    const folder = folderOf(path);
    if (folder === '' || this.image.names.get(folder) === 'folder') return;
    throw new DiskError('not-found', path, `folder ${folder} does not exist`);
  }

  /** Called by files that are used wrongly. */
  misused(what: string): void {
    const { onMisuse, schedule } = this.#options;
    if (onMisuse !== undefined) return onMisuse(what);
    schedule(0, () => {
      throw new Error(`Mistake in the use of the disk: ${what}.`);
    });
  }

  #changeName(change: NameChange): void {
    this.image.change(change);
    this.changed({ kind: 'name', change });
  }

  /** Called by files, too. */
  changed(change: DiskChange): void {
    this.#options.onChange?.(change);
  }

  /** Called by files when they grow or change. */
  touch(inode: Inode, grownBytes: number): void {
    // Most disks have no limit, and what lies on them is not worth counting at each write.
    const limited = this.knobs.capacityBytes < knobsDefault.capacityBytes;
    if (limited && grownBytes > 0 && grownBytes > this.free()) throw failure('full', '', 'no space left');
    inode.modifiedMs = this.#now();
  }
}

/** New segments are written as zeros, of which one copy is enough. */
const zeros = Buffer.alloc(256 * 1024);

function copyOf(bytes: Uint8Array): Buffer {
  const { length } = bytes;
  if (bytes[0] === 0 && length <= zeros.length && zeros.compare(bytes, 0, length, 0, length) === 0) {
    return zeros.subarray(0, length);
  }
  return Buffer.from(bytes);
}

class SimulatedFile implements DiskFile {
  readonly path: string;
  readonly #disk: SimulatedDisk;
  readonly #inode: Inode;
  #failure: DiskError | null = null;
  #closed = false;

  constructor(disk: SimulatedDisk, path: string, inode: Inode) {
    this.#disk = disk;
    this.path = path;
    this.#inode = inode;
    disk.openFiles++;
  }

  size(): Promise<number> {
    return this.#disk.perform({ kind: 'look', path: this.path, bytes: 0 }, () => this.#open().cached.size);
  }

  fingerprint(): Promise<string> {
    return this.#disk.perform({ kind: 'look', path: this.path, bytes: 0 }, () => `inode-${this.#open().number}`);
  }

  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    return this.#disk.perform({ kind: 'read', path: this.path, bytes: length }, () => {
      const { cached } = this.#open();
      return into === undefined ? cached.get(offset, length) : cached.read(offset, length, into);
    });
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#changing((done) =>
      this.#disk.start(
        { kind: 'write', path: this.path, bytes: bytes.length },
        () => this.#put(offset, copyOf(bytes)),
        () => undefined,
        done,
      ),
    );
  }

  flush(): Promise<void> {
    const covered = [...this.#inode.pending];
    return this.#changing((done) =>
      this.#disk.start(
        { kind: 'flush', path: this.path, bytes: 0 },
        () => void this.#open(),
        (fault) => this.#end(covered, fault),
        done,
      ),
    );
  }

  writeAndFlush(offset: number, buffers: readonly Uint8Array[], done: (error: DiskError | null) => void): void {
    const bytes = Buffer.concat(buffers);
    let covered: Inode['pending'] = [];
    this.#disk.start(
      { kind: 'write-and-flush', path: this.path, bytes: bytes.length },
      () => {
        if (this.#failure !== null) throw this.#failure;
        this.#put(offset, bytes);
        covered = [...this.#inode.pending];
      },
      (fault) => this.#end(covered, fault),
      (error) => {
        this.#failure ??= error;
        done(error);
      },
    );
  }

  close(): Promise<void> {
    const again = this.#closed;
    if (!again) this.#disk.openFiles--;
    // Even a close that fails is the last: the descriptor is gone.
    this.#closed = true;
    return this.#disk.perform({ kind: 'look', path: this.path, bytes: 0 }, () => {
      if (again) throw this.#misused('closed twice');
    });
  }

  /** `bytes` are nobody else's. */
  #put(offset: number, bytes: Buffer): void {
    const inode = this.#open();
    this.#disk.touch(inode, Math.max(0, offset + bytes.length - inode.cached.size));
    const write = inode.write(offset, bytes);
    this.#disk.changed({ kind: 'write', inode, write });
  }

  #open(): Inode {
    if (this.#closed) throw this.#misused('used after it was closed');
    return this.#inode;
  }

  #misused(how: string): DiskError {
    this.#disk.misused(`${this.path} was ${how}`);
    return new DiskError('io', this.path, `the file was ${how}`);
  }

  #end(covered: Inode['pending'], fault: DiskFault | null): void {
    if (fault === null) {
      this.#inode.settle(covered);
      this.#disk.changed({ kind: 'settle', inode: this.#inode, writes: covered });
      return;
    }
    this.#inode.forget(covered);
    if (fault === 'cache-gone') this.#inode.cached = this.#inode.durable.copy();
  }

  #changing(begin: (done: (error: DiskError | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      begin((error) => {
        this.#failure ??= error;
        if (error === null) resolve();
        else reject(error);
      });
    });
  }
}
