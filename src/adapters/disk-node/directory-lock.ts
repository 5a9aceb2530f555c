/**
 * One process per data directory, by a lock that dies with its process (pitfalls O3).
 *
 * Node has no `flock`. A listening socket is as good: the system takes it back however the process ends. Its name is made of the
 * directory's device and inode, so that two paths to one directory meet, and it lies outside of the directory, so that it is
 * never copied along. Linux: a name in the abstract namespace, which leaves no file. Windows: a named pipe. Elsewhere: a
 * socket file in the folder for temporary files; left by a dead process, it is taken over.
 *
 * Not seen: a process in another network namespace (Linux) or on another machine that shares the directory. The
 * members themselves find that out, by boot numbers.
 */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { DiskError } from '../../ports/disk.ts';
import { toDiskError } from './errors.ts';

/** Another live process has the directory. */
export class DirectoryInUseError extends Error {
  readonly kind = 'directory-in-use';
  readonly directory: string;

  constructor(directory: string) {
    super(`Data directory ${directory} is in use by another process.`);
    this.name = 'DirectoryInUseError';
    this.directory = directory;
  }
}

export interface DirectoryLock {
  release(): Promise<void>;
}

export interface LockOptions {
  /** For tests: the way of systems that have neither abstract names nor pipes. */
  readonly socketFolder?: string;
}

/**
 * Held until released or the process ends. The directory must exist.
 * @throws {DirectoryInUseError} when a live process holds it, this one included; {DiskError} when it cannot be read.
 */
export async function lockDirectory(directory: string, options: LockOptions = {}): Promise<DirectoryLock> {
  const name = `paxosctl-${await directoryHash(directory)}`;
  if (options.socketFolder === undefined) {
    if (process.platform === 'linux') return holdName(`\0${name}`, directory);
    if (process.platform === 'win32') return holdName(`\\\\.\\pipe\\${name}`, directory);
  }
  return holdFile(path.join(options.socketFolder ?? os.tmpdir(), `${name}.sock`), directory);
}

async function directoryHash(directory: string): Promise<string> {
  try {
    const { dev, ino } = await fs.stat(directory, { bigint: true });
    return createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32);
  } catch (error) {
    throw toDiskError(error, directory);
  }
}

/** A name that the system itself forgets. */
async function holdName(name: string, directory: string): Promise<DirectoryLock> {
  try {
    return { release: closing(await listen(name)) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new DirectoryInUseError(directory);
    throw new DiskError('io', directory, `the lock of ${directory} cannot be taken`, { cause: error });
  }
}

/**
 * A socket file outlives its process, so finding it says nothing; an answer does. The own socket listens under a name of its
 * own first and is then linked to the common name, which only one can do. A dead file is moved aside rather than
 * removed, and asked once more there: between the question and the move it may have become another's live one.
 */
async function holdFile(common: string, directory: string): Promise<DirectoryLock> {
  const own = `${common}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const server = await listen(own);
  const close = closing(server);
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      if (await linked(own, common)) {
        await fs.unlink(own);
        return { release: () => close().then(() => fs.rm(common, { force: true })) };
      }
      if (await answers(common)) throw new DirectoryInUseError(directory);
      const aside = `${own}.dead`;
      await fs.rename(common, aside).catch(() => undefined);
      if (await answers(aside)) {
        await linked(aside, common);
        throw new DirectoryInUseError(directory);
      }
      await fs.rm(aside, { force: true });
    }
    throw new DirectoryInUseError(directory);
  } catch (error) {
    await close();
    await fs.rm(own, { force: true });
    throw error;
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await fs.link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function listen(name: string): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ path: name }, () => resolve(server));
    // The lock must not keep a process alive that has nothing else to do.
    server.unref();
  });
}

const closing = (server: net.Server) => (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

function answers(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: name });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
