/** A file that passes everything on to another one; disks that stand before a real disk override what they change. */
import type { DiskError, DiskFile } from '../../src/ports/disk.ts';

export class PassingFile implements DiskFile {
  protected readonly file: DiskFile;

  constructor(file: DiskFile) {
    this.file = file;
  }

  get path(): string {
    return this.file.path;
  }

  size(): Promise<number> {
    return this.file.size();
  }

  fingerprint(): Promise<string> {
    return this.file.fingerprint();
  }

  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    return this.file.read(offset, length, into);
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.file.write(offset, bytes);
  }

  flush(): Promise<void> {
    return this.file.flush();
  }

  writeAndFlush(offset: number, buffers: readonly Uint8Array[], done: (error: DiskError | null) => void): void {
    this.file.writeAndFlush(offset, buffers, done);
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
