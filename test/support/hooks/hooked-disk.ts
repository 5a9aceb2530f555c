/**
 * The disk with a point at every operation, named by the kind of file and the operation: `wal.write-flush` is a group of the
 * log, `promise.write-flush` a raised promise, `manifest.publish` the moment from which a new manifest is in force.
 *
 * Files under way in scratch/ have `new-` before their kind; moving one to its place is `publish`, out of it `retire`.
 */
import { type DirectoryEntry, type Disk, DiskError, type DiskFile } from '../../../src/ports/disk.ts';
import { PassingFile } from '../passing-file.ts';
import type { HookPoints } from './points.ts';

const scratch = 'scratch/';

const kinds: readonly (readonly [start: string, kind: string])[] = [
  ['wal-', 'wal'],
  ['snapshot-', 'snapshot'],
  ['promise-', 'promise'],
  ['MANIFEST', 'manifest'],
  ['IDENTITY', 'identity'],
];

/** `wal`, `new-wal`, `root`, `scratch`; other files and folders are `other`. */
export function kindOf(path: string): string {
  if (path === '') return 'root';
  if (`${path}/` === scratch) return 'scratch';
  const name = path.startsWith(scratch) ? path.slice(scratch.length) : path;
  const kind = kinds.find(([start]) => name.startsWith(start))?.[1] ?? 'other';
  return path.startsWith(scratch) ? `new-${kind}` : kind;
}

function moveOf(from: string, to: string): string {
  if (!from.startsWith(scratch)) return `${kindOf(from)}.${to.startsWith(scratch) ? 'retire' : 'rename'}`;
  return `${kindOf(to)}.publish`;
}

const failureOf = (reason: 'io' | 'full', path: string): DiskError =>
  new DiskError(reason, path, `${path}: ${reason === 'io' ? 'input/output error' : 'no space left on device'} (hook)`);

/** Waits at `point`. @throws {DiskError} */
function meet(points: HookPoints, point: string, moment: 'before' | 'after', path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    points.pass(point, moment, (reason) => (reason === null ? resolve() : reject(failureOf(reason, path))));
  });
}

async function around<Result>(
  points: HookPoints,
  { point, path }: { readonly point: string; readonly path: string },
  work: () => Promise<Result>,
): Promise<Result> {
  await meet(points, point, 'before', path);
  const result = await work();
  await meet(points, point, 'after', path);
  return result;
}

export class HookedDisk implements Disk {
  readonly #disk: Disk;
  readonly #points: HookPoints;

  constructor(disk: Disk, points: HookPoints) {
    this.#disk = disk;
    this.#points = points;
  }

  async open(path: string, options: { readonly create: false | 'exclusive' }): Promise<DiskFile> {
    const point = `${kindOf(path)}.${options.create === false ? 'open' : 'create'}`;
    const file = await around(this.#points, { point, path }, () => this.#disk.open(path, options));
    return new HookedFile(file, this.#points);
  }

  rename(from: string, to: string): Promise<void> {
    return around(this.#points, { point: moveOf(from, to), path: to }, () => this.#disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return around(this.#points, { point: `${kindOf(path)}.remove`, path }, () => this.#disk.remove(path));
  }

  makeDirectory(path: string): Promise<void> {
    return around(this.#points, { point: `${kindOf(path)}.make`, path }, () => this.#disk.makeDirectory(path));
  }

  list(path: string): Promise<readonly DirectoryEntry[]> {
    return this.#disk.list(path);
  }

  flushDirectory(path: string): Promise<void> {
    const point = `${kindOf(path)}.flush-names`;
    return around(this.#points, { point, path }, () => this.#disk.flushDirectory(path));
  }

  freeBytes(): Promise<number> {
    return this.#disk.freeBytes();
  }
}

class HookedFile extends PassingFile {
  readonly #points: HookPoints;
  readonly #kind: string;

  constructor(file: DiskFile, points: HookPoints) {
    super(file);
    this.#points = points;
    this.#kind = kindOf(file.path);
  }

  override read(offset: number, length: number): Promise<Uint8Array> {
    return this.#around('read', () => this.file.read(offset, length));
  }

  override write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#around('write', () => this.file.write(offset, bytes));
  }

  override flush(): Promise<void> {
    return this.#around('flush', () => this.file.flush());
  }

  /** Without a trap `done` is called as by the file itself, in the same turn. */
  override writeAndFlush(
    offset: number,
    buffers: readonly Uint8Array[],
    done: (error: DiskError | null) => void,
  ): void {
    const point = `${this.#kind}.write-flush`;
    const fail = (reason: 'io' | 'full'): void => void setImmediate(done, failureOf(reason, this.path));
    this.#points.pass(point, 'before', (reason) => {
      if (reason !== null) return fail(reason);
      this.file.writeAndFlush(offset, buffers, (error) => {
        if (error !== null) return done(error);
        this.#points.pass(point, 'after', (later) => (later === null ? done(null) : fail(later)));
      });
    });
  }

  #around<Result>(operation: string, work: () => Promise<Result>): Promise<Result> {
    return around(this.#points, { point: `${this.#kind}.${operation}`, path: this.path }, work);
  }
}
