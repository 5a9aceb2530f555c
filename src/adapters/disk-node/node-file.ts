/**
 * One open file of the real disk.
 *
 * The hot path is one job of the thread pool: a single `writev` to a descriptor opened with O_DSYNC, which returns when the
 * bytes and what is needed to find them are on the device. The first failed write or flush is final (pitfalls P14).
 *
 * A descriptor is a number that the system gives to the next file once it is closed. So it is closed once, after everything
 * that uses it has ended, and nothing uses it afterwards: a stray close or write would hit another file.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { DiskError, type DiskFile } from '../../ports/disk.ts';
import { toDiskError } from './errors.ts';

const close = promisify(fs.close);
const fdatasync = promisify(fs.fdatasync);
const fstat = promisify(fs.fstat);
const read = promisify(fs.read);
const write = promisify(fs.write);

const { O_WRONLY } = fs.constants;
/** Zero where the system has none; then a flush follows each write. */
const dataSync = fs.constants.O_DSYNC ?? 0;
const noFollow = fs.constants.O_NOFOLLOW ?? 0;

export class NodeDiskFile implements DiskFile {
  readonly path: string;
  readonly #fullPath: string;
  readonly #fd: number;
  #syncFd: number | null = null;
  #failure: DiskError | null = null;
  /** Operations that use a descriptor now. */
  #running = 0;
  #closing: Promise<void> | null = null;
  #whenIdle: () => void = () => undefined;

  constructor(path: string, fullPath: string, fd: number) {
    this.path = path;
    this.#fullPath = fullPath;
    this.#fd = fd;
  }

  size(): Promise<number> {
    return this.#using(async () => (await fstat(this.#fd)).size);
  }

  fingerprint(): Promise<string> {
    return this.#using(async () => {
      const stats = fs.fstatSync(this.#fd, { bigint: true });
      return `${stats.ino}-${stats.birthtimeNs}`;
    });
  }

  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    return this.#using(async () => {
      const bytes = into ?? Buffer.allocUnsafeSlow(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await read(this.#fd, bytes, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    });
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#changing(async () => {
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await write(this.#fd, bytes, done, bytes.length - done, offset + done);
        done += bytesWritten;
      }
    });
  }

  flush(): Promise<void> {
    return this.#changing(() => fdatasync(this.#fd));
  }

  writeAndFlush(offset: number, buffers: readonly Uint8Array[], done: (error: DiskError | null) => void): void {
    const refused = this.#failure ?? this.#closedError();
    if (refused !== null) {
      setImmediate(() => done(refused));
      return;
    }
    this.#running++;
    const end = (error: DiskError | null): void => {
      this.#leave();
      done(error);
    };
    const fail = (error: unknown): void => {
      this.#failure ??= toDiskError(error, this.path);
      end(this.#failure);
    };
    let fd: number;
    try {
      fd = this.#syncDescriptor();
    } catch (error) {
      setImmediate(fail, error);
      return;
    }
    const writeRest = (at: number, rest: readonly Uint8Array[]): void => {
      fs.writev(fd, rest, at, (error, bytesWritten) => {
        if (error !== null) return fail(error);
        const left = after(rest, bytesWritten);
        // A short write: what was written is on the device, the rest follows.
        if (left.length > 0) return writeRest(at + bytesWritten, left);
        if (dataSync !== 0) return end(null);
        fs.fdatasync(fd, (flushError) => (flushError === null ? end(null) : fail(flushError)));
      });
    };
    writeRest(offset, buffers);
  }

  /** The same end for everybody who asks; what runs ends first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    try {
      if (this.#syncFd !== null) await close(this.#syncFd);
    } catch (error) {
      throw toDiskError(error, this.path);
    } finally {
      await close(this.#fd).catch((error: unknown) => Promise.reject(toDiskError(error, this.path)));
    }
  }

  /** Opened at the first use: most files never need it. Once per file, so it may block the loop for its few µs. */
  #syncDescriptor(): number {
    if (this.#syncFd !== null) return this.#syncFd;
    const fd = fs.openSync(this.#fullPath, O_WRONLY | dataSync | noFollow);
    if (fs.fstatSync(fd, { bigint: true }).ino !== fs.fstatSync(this.#fd, { bigint: true }).ino) {
      fs.closeSync(fd);
      throw new DiskError('io', this.path, 'the file was replaced while it was open');
    }
    this.#syncFd = fd;
    return fd;
  }

  async #changing(work: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const closed = this.#closedError();
    if (closed !== null) throw closed;
    try {
      await this.#using(work);
    } catch (error) {
      this.#failure = toDiskError(error, this.path);
      throw this.#failure;
    }
  }

  async #using<Result>(work: () => Promise<Result>): Promise<Result> {
    const closed = this.#closedError();
    if (closed !== null) throw closed;
    this.#running++;
    try {
      return await work();
    } catch (error) {
      throw toDiskError(error, this.path);
    } finally {
      this.#leave();
    }
  }

  #leave(): void {
    this.#running--;
    if (this.#running === 0) this.#whenIdle();
  }

  #closedError(): DiskError | null {
    return this.#closing === null ? null : new DiskError('io', this.path, 'the file is closed');
  }
}

/** What is left of `buffers` after their first `bytes`. */
function after(buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skipped = 0;
  for (const [i, buffer] of buffers.entries()) {
    if (skipped + buffer.length > bytes) return [buffer.subarray(bytes - skipped), ...buffers.slice(i + 1)];
    skipped += buffer.length;
  }
  return [];
}
