/**
 * What a simulated disk holds: for every file what is durable and what only the cache has, and the same for names.
 *
 * Source: pitfalls §2 "Disk" (D1, D2, D7, D11). Writes and names that were not flushed may survive a crash or not, in any
 * combination; what was flushed always does.
 */
import type { Random } from '../core/random.ts';
import { Content } from './disk-content.ts';

export const sectorBytes = 512;

export interface PendingWrite {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** One file, whatever its names are. */
export class Inode {
  readonly number: number;
  cached = new Content();
  durable = new Content();
  pending: PendingWrite[] = [];
  /** Bits that have rotted, counted from the beginning. */
  readonly flipped: Set<number>;
  modifiedMs: number;

  constructor(number: number, modifiedMs: number, flipped: Iterable<number> = []) {
    this.number = number;
    this.modifiedMs = modifiedMs;
    this.flipped = new Set(flipped);
  }

  /** `bytes` must not change any more. */
  write(offset: number, bytes: Buffer): PendingWrite {
    const write = { offset, bytes };
    this.cached.put(offset, bytes);
    this.pending.push(write);
    return write;
  }

  /** Makes exactly these writes durable: those before the flush began. */
  settle(writes: readonly PendingWrite[]): void {
    for (const { offset, bytes } of writes) this.durable.put(offset, bytes);
    this.forget(writes);
  }

  /** After a failed flush these count as clean: no later flush will write them (pitfalls P14). */
  forget(writes: readonly PendingWrite[]): void {
    const { pending } = this;
    const all = writes.length === pending.length && writes.every((write, i) => write === pending[i]);
    this.pending = all ? [] : pending.filter((write) => !writes.includes(write));
  }

  /** Damage at rest: changes what any later process reads. */
  overwrite(offset: number, bytes: Uint8Array): void {
    this.cached.put(offset, bytes);
    this.durable.put(offset, bytes);
    // What a dead process left in the cache does not mend it when it reaches the medium one day.
    this.pending = this.pending.map((write) => damaged(write, offset, bytes));
  }

  truncate(size: number): void {
    this.cached.truncate(size);
    this.durable.truncate(size);
  }
}

function damaged(write: PendingWrite, offset: number, bytes: Uint8Array): PendingWrite {
  const from = Math.max(offset, write.offset);
  const end = Math.min(offset + bytes.length, write.offset + write.bytes.length);
  if (from >= end) return write;
  const copy = Buffer.from(write.bytes);
  copy.set(bytes.subarray(from - offset, end - offset), from - write.offset);
  return { offset: write.offset, bytes: copy };
}

export type NameChange =
  | { readonly kind: 'create'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'rename'; readonly path: string; readonly from: string; readonly inode: Inode }
  | { readonly kind: 'remove'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'folder'; readonly path: string };

export type Names = Map<string, Inode | 'folder'>;

export const folderOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');

/**
 * One thing that happened to a disk. From all of them, in order, every state follows that a crash could have left, at any
 * moment. Inodes, writes and name changes are the same objects wherever they are spoken of.
 */
export type DiskChange =
  | { readonly kind: 'write'; readonly inode: Inode; readonly write: PendingWrite }
  /** These writes are durable. */
  | { readonly kind: 'settle'; readonly inode: Inode; readonly writes: readonly PendingWrite[] }
  | { readonly kind: 'name'; readonly change: NameChange }
  /** These names are durable. */
  | { readonly kind: 'settle-names'; readonly changes: readonly NameChange[] };

export function applyName(names: Names, change: NameChange): void {
  switch (change.kind) {
    case 'create':
      names.set(change.path, change.inode);
      return;
    case 'folder':
      names.set(change.path, 'folder');
      return;
    case 'remove':
      if (names.get(change.path) === change.inode) names.delete(change.path);
      return;
    default:
      if (names.get(change.from) === change.inode) names.delete(change.from);
      names.set(change.path, change.inode);
  }
}

/** Changes of names that are not durable, in their order. The old name of a renamed file cannot come back by itself. */
export function pendingWith(pending: readonly NameChange[], change: NameChange): NameChange[] {
  const replaced = change.kind === 'rename' ? change.from : null;
  return [...pending.filter(({ kind, path }) => kind !== 'create' || path !== replaced), change];
}

/** How a crash treats what was not flushed. */
export interface CrashOptions {
  /**
   * `process`: only the process dies, the cache stays (and stays unflushed). Else the power goes, and unflushed writes
   * are `lost`, `kept`, `torn` (all kept but the last one of each file, of which a prefix or any subset of its sectors
   * survives) or `random` (each lost, kept or torn).
   */
  readonly writes: 'process' | 'lost' | 'kept' | 'torn' | 'random';
  /** Names that were not flushed; `random` or the function decides one by one. Kept with `process`. */
  readonly names?: 'lost' | 'kept' | 'random' | ((change: NameChange) => boolean);
  /** With `torn`: how many sectors of the last write survive, from its beginning, or which; drawn when absent. */
  readonly tornSectors?: number | ((sector: number) => boolean);
}

export class DiskImage {
  names: Names = new Map();
  #durableNames: Names = new Map();
  #pendingNames: NameChange[] = [];
  #nextInode = 1;

  newInode(modifiedMs: number): Inode {
    return new Inode(this.#nextInode++, modifiedMs);
  }

  /** The files of a machine that is switched off. */
  static settled(names: Names, nextInode: number): DiskImage {
    const image = new DiskImage();
    image.names = new Map(names);
    image.#durableNames = new Map(names);
    image.#nextInode = nextInode;
    return image;
  }

  /** Files and folders that no crash takes away. */
  get durableNames(): ReadonlyMap<string, Inode | 'folder'> {
    return this.#durableNames;
  }

  get nextInode(): number {
    return this.#nextInode;
  }

  change(change: NameChange): void {
    applyName(this.names, change);
    this.#pendingNames = pendingWith(this.#pendingNames, change);
  }

  pendingNamesOf(folder: string): readonly NameChange[] {
    return this.#pendingNames.filter(({ path }) => folderOf(path) === folder);
  }

  settleNames(changes: readonly NameChange[]): void {
    for (const change of changes) applyName(this.#durableNames, change);
    this.#pendingNames = this.#pendingNames.filter((change) => !changes.includes(change));
  }

  holdsNoFile(): boolean {
    for (const node of this.names.values()) if (node !== 'folder') return false;
    return true;
  }

  /** Something that a loss of power could take. */
  hasUnflushed(): boolean {
    if (this.#pendingNames.length > 0) return true;
    for (const node of this.names.values()) if (node !== 'folder' && node.pending.length > 0) return true;
    return false;
  }

  usedBytes(): number {
    let bytes = 0;
    for (const node of new Set(this.names.values())) bytes += node === 'folder' ? 0 : node.cached.size;
    return bytes;
  }

  /** What the next process finds. This image is not to be used any more. */
  afterCrash(options: CrashOptions, random: Random): DiskImage {
    if (options.writes === 'process') return this;
    const after = this.copy();
    for (const change of after.#pendingNames) {
      if (keepsName(change, options.names ?? 'lost', random)) applyName(after.#durableNames, change);
    }
    after.#pendingNames = [];
    after.names = new Map(after.#durableNames);
    for (const node of new Set(after.names.values())) {
      if (node !== 'folder') losePower(node, options, random);
    }
    return after;
  }

  /**
   * An independent copy: a backup of the whole disk, or a second future of it. `asFiles`: file by file, as `cp` and `tar` do, and
   * so with other fingerprints.
   */
  copy(asFiles = false): DiskImage {
    const copies = new Map<Inode, Inode>();
    const shift = asFiles ? this.#nextInode : 0;
    const copyOf = (node: Inode): Inode => {
      const known = copies.get(node);
      if (known !== undefined) return known;
      const copy = new Inode(node.number + shift, node.modifiedMs, node.flipped);
      copy.cached = node.cached.copy();
      copy.durable = node.durable.copy();
      copy.pending = [...node.pending];
      copies.set(node, copy);
      return copy;
    };
    const copyNames = (names: Names): Names =>
      new Map([...names].map(([path, node]) => [path, node === 'folder' ? node : copyOf(node)]));
    const image = new DiskImage();
    image.#nextInode = this.#nextInode + shift;
    image.names = copyNames(this.names);
    image.#durableNames = copyNames(this.#durableNames);
    image.#pendingNames = this.#pendingNames.map((change) =>
      change.kind === 'folder' ? change : { ...change, inode: copyOf(change.inode) },
    );
    return image;
  }
}

function keepsName(change: NameChange, names: NonNullable<CrashOptions['names']>, random: Random): boolean {
  if (typeof names === 'function') return names(change);
  return names === 'random' ? random.chance(0.5) : names === 'kept';
}

function losePower(inode: Inode, options: CrashOptions, random: Random): void {
  const last = inode.pending.length - 1;
  inode.pending.forEach((write, i) => {
    for (const { offset, bytes } of surviving(write, i === last, options, random)) inode.durable.put(offset, bytes);
  });
  inode.pending = [];
  inode.cached = inode.durable.copy();
}

function surviving(write: PendingWrite, last: boolean, options: CrashOptions, random: Random): readonly PendingWrite[] {
  switch (options.writes) {
    case 'kept':
      return [write];
    case 'torn':
      return last ? torn(write, options, random) : [write];
    case 'random': {
      const fate = random.below(3);
      return fate === 0 ? [] : fate === 1 ? [write] : torn(write, options, random);
    }
    default:
      return [];
  }
}

/** Of the pieces between the boundaries of sectors some survive: as often as not from the beginning on, else any. */
function torn(write: PendingWrite, { tornSectors }: CrashOptions, random: Random): readonly PendingWrite[] {
  const pieces = sectorsOf(write);
  if (typeof tornSectors === 'number') return pieces.slice(0, tornSectors);
  if (tornSectors !== undefined) return pieces.filter((_, sector) => tornSectors(sector));
  if (random.chance(0.5)) return pieces.slice(0, random.below(pieces.length + 1));
  return pieces.filter(() => random.chance(0.5));
}

/** What a disk writes whole or not at all. */
export function sectorsOf({ offset: start, bytes }: PendingWrite): readonly PendingWrite[] {
  const pieces: PendingWrite[] = [];
  for (let at = 0; at < bytes.length; ) {
    const offset = start + at;
    const end = Math.min(bytes.length, at + sectorBytes - (offset % sectorBytes));
    pieces.push({ offset, bytes: bytes.subarray(at, end) });
    at = end;
  }
  return pieces;
}
