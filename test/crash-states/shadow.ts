/**
 * What a disk holds after each step of a journal, and every image of it that a crash could leave at that moment.
 *
 * Source: pitfalls §6 R6, D1, D2, P-3. Unsynced operations are writes and changes of names; each may have reached the device
 * or not, in any combination, and a write in any subset of its sectors.
 */
import { createHash } from 'node:crypto';
import type { Random } from '../../src/core/random.ts';
import { Content } from '../../src/simulator/disk-content.ts';
import {
  applyName,
  type DiskChange,
  DiskImage,
  Inode,
  type NameChange,
  type Names,
  type PendingWrite,
  pendingWith,
  sectorsOf,
} from '../../src/simulator/disk-image.ts';

/** What of the unsynced operations a crash keeps. */
export interface Survivors {
  readonly how: string;
  readonly names: readonly NameChange[];
  /** Sector by sector; some are missing from a torn one. */
  readonly writes: readonly { readonly file: number; readonly pieces: readonly PendingWrite[] }[];
}

/** Subsets of more operations than this are sampled. */
const operationsMax = 4;
/** Subsets of more sectors than this are sampled; prefixes are always complete. */
const sectorsMax = 4;
const samplesUsual = 12;

const hash = (bytes: string | Buffer): string => createHash('sha1').update(bytes).digest('base64');
const digestOf = (content: Content): string => hash(content.get(0, content.size));

type Piece = PendingWrite;

interface ShadowWrite {
  readonly file: number;
  readonly write: PendingWrite;
  readonly pieces: readonly Piece[];
}

interface ShadowFile {
  readonly content: Content;
  /** Of the content; null when it has changed since. */
  digest: string | null;
  /** Whether a piece would change the content. */
  changing: WeakMap<Piece, boolean>;
}

export class Shadow {
  readonly #random: Random;
  readonly #samples: number;
  readonly #files = new Map<number, ShadowFile>();
  #names: ReadonlyMap<string, number | 'folder'> = new Map();
  #pendingNames: readonly NameChange[] = [];
  #pendingWrites: readonly ShadowWrite[] = [];
  #nextInode: number;
  /** By what was chosen, until the next change. */
  readonly #namedCache = new Map<string, ReadonlyMap<string, number | 'folder'>>();
  readonly #wholeCache = new Map<number, string>();

  /** What is durable in `image` is what the journal begins with. */
  constructor(random: Random, image: DiskImage, samples = samplesUsual) {
    this.#random = random;
    this.#samples = samples;
    this.#nextInode = image.nextInode;
    const names = new Map<string, number | 'folder'>();
    for (const [path, node] of image.durableNames) {
      names.set(path, node === 'folder' ? node : node.number);
      if (node !== 'folder') this.#files.set(node.number, newFile(node.durable.copy()));
    }
    this.#names = names;
  }

  take(change: DiskChange): void {
    this.#namedCache.clear();
    this.#wholeCache.clear();
    switch (change.kind) {
      case 'write': {
        const { inode, write } = change;
        this.#pendingWrites = [...this.#pendingWrites, { file: inode.number, write, pieces: sectorsOf(write) }];
        return;
      }
      case 'settle': {
        const file = this.#file(change.inode.number);
        for (const { offset, bytes } of change.writes) file.content.put(offset, bytes);
        file.digest = null;
        file.changing = new WeakMap();
        this.#pendingWrites = this.#pendingWrites.filter(({ write }) => !change.writes.includes(write));
        return;
      }
      case 'name':
        if (change.change.kind === 'create')
          this.#nextInode = Math.max(this.#nextInode, change.change.inode.number + 1);
        this.#pendingNames = pendingWith(this.#pendingNames, change.change);
        return;
      default:
        this.#names = this.#named(change.changes);
        this.#pendingNames = this.#pendingNames.filter((pending) => !change.changes.includes(pending));
    }
  }

  #file(number: number): ShadowFile {
    const known = this.#files.get(number);
    if (known !== undefined) return known;
    const file = newFile(new Content());
    this.#files.set(number, file);
    return file;
  }

  #named(changes: readonly NameChange[]): ReadonlyMap<string, number | 'folder'> {
    if (changes.length === 0) return this.#names;
    const key = changes.map((change) => this.#pendingNames.indexOf(change)).join();
    const known = this.#namedCache.get(key);
    if (known !== undefined) return known;
    const nodes = new Map<number, Inode>();
    const inode = (number: number): Inode => {
      const node = nodes.get(number) ?? new Inode(number, 0);
      nodes.set(number, node);
      return node;
    };
    const names: Names = new Map();
    for (const [path, node] of this.#names) names.set(path, node === 'folder' ? node : inode(node));
    for (const change of changes) {
      applyName(names, change.kind === 'folder' ? change : { ...change, inode: inode(change.inode.number) });
    }
    const named = new Map([...names].map(([path, node]) => [path, node === 'folder' ? node : node.number] as const));
    this.#namedCache.set(key, named);
    return named;
  }

  /** Nothing, everything, subsets of the operations, and the last write torn in every way that there is time for. */
  *survivors(): Generator<Survivors> {
    const operations: (NameChange | ShadowWrite)[] = [...this.#pendingNames, ...this.#pendingWrites];
    const count = operations.length;
    yield survivorsOf('none kept', [], null);
    if (count === 0) return;
    yield survivorsOf('all kept', operations, null);
    for (const chosen of this.#subsets(count, operationsMax, this.#samples)) {
      const kept = operations.filter((_, i) => chosen(i));
      if (kept.length > 0 && kept.length < count) yield survivorsOf(`${kept.length} of ${count} kept`, kept, null);
    }
    const last = this.#pendingWrites.at(-1);
    if (last !== undefined) yield* this.#torn(last, operations);
  }

  *#torn(last: ShadowWrite, operations: readonly (NameChange | ShadowWrite)[]): Generator<Survivors> {
    const { pieces } = last;
    const count = pieces.length;
    const others = operations.filter((operation) => operation !== last);
    const rests = others.length === 0 ? [others] : [others, []];
    const unread = this.#isInScratch(last.file);
    // What lies in scratch/ is never read: it is torn in some places only, to show that.
    const step = unread ? Math.max(1, Math.floor(count / 3)) : 1;
    for (let kept = 1; kept < count; kept += step) {
      const torn = { file: last.file, pieces: pieces.slice(0, kept) };
      for (const rest of rests) yield survivorsOf(`torn after ${kept} of ${count} sectors`, rest, torn);
    }
    for (const chosen of this.#subsets(count, sectorsMax, unread ? 3 : this.#samples)) {
      const torn = { file: last.file, pieces: pieces.filter((_, i) => chosen(i)) };
      for (const rest of rests) yield survivorsOf(`${torn.pieces.length} of ${count} sectors`, rest, torn);
    }
  }

  #isInScratch(file: number): boolean {
    for (const [path, node] of this.#named(this.#pendingNames)) if (node === file) return path.startsWith('scratch/');
    return true;
  }

  /** All real subsets of few, a sample of many: all but one, one alone, some. */
  *#subsets(count: number, most: number, sample: number): Generator<(index: number) => boolean> {
    if (count <= most) {
      for (let bits = 1; bits < (1 << count) - 1; bits++) yield (index) => (bits & (1 << index)) !== 0;
      return;
    }
    for (let n = 0; n < sample; n++) {
      const at = this.#random.below(count);
      const drawn = Array.from({ length: count }, () => this.#random.chance(0.5));
      if (n % 3 === 0) yield (index) => index !== at;
      else if (n % 3 === 1) yield (index) => index === at;
      else yield (index) => drawn[index] === true;
    }
  }

  /** Equal for images that hold the same bytes under the same names. */
  digest({ names, writes }: Survivors): string {
    const kept = new Map<number, Piece[]>();
    for (const { file, pieces } of writes) kept.set(file, [...(kept.get(file) ?? []), ...pieces]);
    const lines: string[] = [];
    for (const [path, node] of this.#named(names)) {
      if (node === 'folder') lines.push(`${path}/`);
      else lines.push(`${path}=${this.#fileDigest(node, kept.get(node) ?? [])}`);
    }
    return hash(lines.sort().join('\n'));
  }

  /**
   * Of the bytes themselves where nothing or everything was kept, which is what recurs. In between what was kept is named,
   * without what changes nothing.
   */
  #fileDigest(number: number, kept: readonly Piece[]): string {
    const file = this.#file(number);
    file.digest ??= digestOf(file.content);
    const changing = kept.filter((piece) => isChanging(file, piece));
    const size = kept.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes.length), file.content.size);
    if (changing.length === 0 && size === file.content.size) return file.digest;
    const all = this.#pendingWrites.flatMap((write) => (write.file === number ? write.pieces : []));
    const whole = all.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes.length), file.content.size);
    if (size === whole && changing.length === all.filter((piece) => isChanging(file, piece)).length) {
      const known = this.#wholeCache.get(number) ?? digestOf(this.#content(number, all));
      this.#wholeCache.set(number, known);
      return known;
    }
    return `${file.digest} ${size} ${changing.map((piece) => all.indexOf(piece)).join()}`;
  }

  #content(number: number, pieces: readonly Piece[]): Content {
    const content = this.#file(number).content.copy();
    for (const { offset, bytes } of pieces) content.put(offset, bytes);
    return content;
  }

  /** A disk of its own with what the next process finds. */
  image({ names, writes }: Survivors): DiskImage {
    const settled: Names = new Map();
    for (const [path, number] of this.#named(names)) {
      if (number === 'folder') {
        settled.set(path, number);
        continue;
      }
      const inode = new Inode(number, 0);
      inode.durable = this.#content(
        number,
        writes.flatMap(({ file, pieces }) => (file === number ? pieces : [])),
      );
      inode.cached = inode.durable.copy();
      settled.set(path, inode);
    }
    return DiskImage.settled(settled, this.#nextInode);
  }

  /**
   * The disk as a killed process leaves it: the cache has everything, the device what it had. The shadow goes on from there,
   * to be told what the next process does.
   */
  killed(random: Random, samples: number): { readonly image: DiskImage; readonly shadow: Shadow } {
    const image = this.image({ how: 'none kept', names: [], writes: [] });
    const shadow = new Shadow(random, image, samples);
    const inodes = new Map<number, Inode>();
    for (const node of image.names.values()) if (node !== 'folder') inodes.set(node.number, node);
    const inode = (number: number): Inode => {
      const known = inodes.get(number);
      if (known !== undefined) return known;
      // Flushed, but without a name that is durable.
      const { content } = this.#file(number);
      const node = new Inode(number, 0);
      node.durable = content.copy();
      node.cached = content.copy();
      shadow.#files.set(number, newFile(content.copy()));
      inodes.set(number, node);
      return node;
    };
    for (const pending of this.#pendingNames) {
      const change = pending.kind === 'folder' ? pending : { ...pending, inode: inode(pending.inode.number) };
      image.change(change);
      shadow.take({ kind: 'name', change });
    }
    for (const { file, write } of this.#pendingWrites) {
      const again = inode(file).write(write.offset, write.bytes);
      shadow.take({ kind: 'write', inode: inode(file), write: again });
    }
    return { image, shadow };
  }
}

const newFile = (content: Content): ShadowFile => ({ content, digest: null, changing: new WeakMap() });

function isChanging({ content, changing }: ShadowFile, piece: Piece): boolean {
  const known = changing.get(piece);
  if (known !== undefined) return known;
  const { offset, bytes } = piece;
  const before = content.get(offset, bytes.length);
  // What lies beyond the end reads as zeros once something behind it is written.
  const same = Buffer.concat([before, Buffer.alloc(bytes.length - before.length)]).equals(bytes);
  changing.set(piece, !same);
  return !same;
}

function survivorsOf(
  how: string,
  kept: readonly (NameChange | ShadowWrite)[],
  torn: { readonly file: number; readonly pieces: readonly Piece[] } | null,
): Survivors {
  const names: NameChange[] = [];
  const writes: Survivors['writes'][number][] = [];
  for (const operation of kept) {
    if ('write' in operation) writes.push(operation);
    else names.push(operation);
  }
  return { how, names, writes: torn === null ? writes : [...writes, torn] };
}
