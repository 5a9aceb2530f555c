/**
 * The real disk below one folder. Folders are made 0700 and files 0600, and links are never followed: a data directory
 * holds the cell's secret, and nothing outside it is any of its business.
 */
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type DirectoryEntry, type Disk, DiskError, type DiskFile } from '../../ports/disk.ts';
import { toDiskError } from './errors.ts';
import { NodeDiskFile } from './node-file.ts';

const open = promisify(fs.open);
const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;
const noFollow = fs.constants.O_NOFOLLOW ?? 0;
const directoryMode = 0o700;
const fileMode = 0o600;

export class NodeDisk implements Disk {
  /** Absolute. */
  readonly root: string;

  readonly #readOnly: boolean;

  private constructor(root: string, readOnly = false) {
    this.root = root;
    this.#readOnly = readOnly;
  }

  /** A folder that is there, to be read and never changed: files are opened for reading alone, and whatever would change something is refused. */
  static async openReadOnly(root: string): Promise<NodeDisk> {
    try {
      const real = await fsPromises.realpath(root);
      if (!(await fsPromises.stat(real)).isDirectory()) {
        throw new DiskError('denied', root, `${root} is not a directory`);
      }
      await fsPromises.access(real, fs.constants.R_OK | fs.constants.X_OK);
      return new NodeDisk(real, true);
    } catch (error) {
      throw toDiskError(error, root);
    }
  }

  /** A folder that is there and may be changed; it is not made: where it is missing, something that should be mounted is not. */
  static async openPresent(root: string): Promise<NodeDisk> {
    try {
      const real = await fsPromises.realpath(root);
      if (!(await fsPromises.stat(real)).isDirectory()) throw new DiskError('denied', root, 'it is no directory');
      await fsPromises.access(real, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
      return new NodeDisk(real);
    } catch (error) {
      throw toDiskError(error, root);
    }
  }

  /** Makes the folder, and those above it, durably when they are absent. @throws {DiskError} 'denied' when it is something else or not accessible. */
  static async open(root: string): Promise<NodeDisk> {
    try {
      const highestMade = await fsPromises.mkdir(root, { recursive: true, mode: directoryMode });
      if (highestMade !== undefined) await flushParents(path.resolve(root), path.resolve(highestMade));
      await fsPromises.access(root, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
      return new NodeDisk(await fsPromises.realpath(root));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST' || code === 'ENOTDIR') throw new DiskError('denied', root, `${root} is not a directory`);
      throw toDiskError(error, root);
    }
  }

  open(file: string, { create }: { readonly create: false | 'exclusive' }): Promise<DiskFile> {
    return this.#mapped(file, async () => {
      const fullPath = this.#resolve(file);
      if (create === 'exclusive') this.#refuseReadOnly(file);
      const access = this.#readOnly ? O_RDONLY : O_RDWR;
      const flags = access | noFollow | (create === 'exclusive' ? O_CREAT | O_EXCL : 0);
      return new NodeDiskFile(file, fullPath, await open(fullPath, flags, fileMode));
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#mapped(from, async () => {
      this.#refuseReadOnly(from);
      await fsPromises.rename(this.#resolve(from), this.#resolve(to));
    });
  }

  remove(file: string): Promise<void> {
    return this.#mapped(file, async () => {
      this.#refuseReadOnly(file);
      try {
        await fsPromises.unlink(this.#resolve(file));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    });
  }

  makeDirectory(folder: string): Promise<void> {
    return this.#mapped(folder, async () => {
      this.#refuseReadOnly(folder);
      const fullPath = this.#resolve(folder);
      try {
        await fsPromises.mkdir(fullPath, { mode: directoryMode });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        // A link to a folder elsewhere would take the files with it.
        if (!(await fsPromises.lstat(fullPath)).isDirectory()) {
          throw new DiskError('denied', folder, `${folder} is not a directory`, { cause: error });
        }
      }
    });
  }

  list(folder: string): Promise<readonly DirectoryEntry[]> {
    return this.#mapped(folder, async () => {
      const entries: DirectoryEntry[] = [];
      for (const name of await this.#names(folder)) {
        const entry = await this.#entry(folder, name);
        if (entry !== null) entries.push(entry);
      }
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  flushDirectory(folder: string): Promise<void> {
    return this.#mapped(folder, async () => {
      this.#refuseReadOnly(folder);
      await flushFolder(this.#resolve(folder));
    });
  }

  freeBytes(): Promise<number> {
    return this.#mapped('', async () => {
      const { bavail, bsize } = await fsPromises.statfs(this.root);
      return bavail * bsize;
    });
  }

  async #names(folder: string): Promise<readonly string[]> {
    try {
      return await fsPromises.readdir(this.#resolve(folder));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** Null when it went away since the folder was read. */
  async #entry(folder: string, name: string): Promise<DirectoryEntry | null> {
    try {
      const stats = await fsPromises.lstat(path.join(this.#resolve(folder), name));
      const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
      return { name, kind, bytes: stats.size, modifiedMs: stats.mtimeMs };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  #refuseReadOnly(what: string): void {
    if (this.#readOnly) throw new DiskError('denied', what, `${this.root} was opened for reading alone`);
  }

  #resolve(relative: string): string {
    const fullPath = path.join(this.root, relative);
    // The root of a file system ends with a separator already.
    const below = this.root.endsWith(path.sep) ? this.root : this.root + path.sep;
    if (fullPath === this.root || fullPath.startsWith(below)) return fullPath;
    throw new DiskError('denied', relative, `${relative} is outside of the data directory`);
  }

  async #mapped<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw toDiskError(error, file);
    }
  }
}

/** The names of new folders, from `lowest` up to `highest`, which was made first (pitfalls P27). */
async function flushParents(lowest: string, highest: string): Promise<void> {
  for (let made = lowest; made.length >= highest.length; made = path.dirname(made)) {
    const parent = path.dirname(made);
    if (parent === made) return;
    await flushFolder(parent);
  }
}

async function flushFolder(fullPath: string): Promise<void> {
  // Windows has no such thing; its file systems order names themselves.
  if (process.platform === 'win32') return;
  const handle = await fsPromises.open(fullPath, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
