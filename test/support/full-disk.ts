/** The real disk, on which nothing more fits while `full` is set: writes within a file's present size go on working. */
import { type Disk, DiskError, type DiskFile } from '../../src/ports/disk.ts';
import { PassingFile } from './passing-file.ts';

export class FullDisk implements Disk {
  full = false;
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async open(path: string, options: { readonly create: false | 'exclusive' }): Promise<DiskFile> {
    return new FullDiskFile(this, await this.#disk.open(path, options));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(path);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#disk.makeDirectory(path);
  }

  list(path: string): ReturnType<Disk['list']> {
    return this.#disk.list(path);
  }

  flushDirectory(path: string): Promise<void> {
    return this.#disk.flushDirectory(path);
  }

  async freeBytes(): Promise<number> {
    return this.full ? 0 : this.#disk.freeBytes();
  }
}

class FullDiskFile extends PassingFile {
  readonly #disk: FullDisk;

  constructor(disk: FullDisk, file: DiskFile) {
    super(file);
    this.#disk = disk;
  }

  override async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#disk.full && offset + bytes.length > (await this.file.size())) throw this.#error();
    return this.file.write(offset, bytes);
  }

  override writeAndFlush(
    offset: number,
    buffers: readonly Uint8Array[],
    done: (error: DiskError | null) => void,
  ): void {
    if (!this.#disk.full) return this.file.writeAndFlush(offset, buffers, done);
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    void this.file.size().then((size) => {
      if (offset + bytes > size) done(this.#error());
      else this.file.writeAndFlush(offset, buffers, done);
    });
  }

  #error(): DiskError {
    return new DiskError('full', this.path, `${this.path}: no space left on device`);
  }
}
