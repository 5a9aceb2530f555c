/** What every disk promises (`src/ports/disk.ts`). Run against the real one and against its simulated twin. */
import { describe, expect, it } from 'vitest';
import { type Disk, DiskError, type DiskFile } from '../../src/ports/disk.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (it: Uint8Array): string => Buffer.from(it).toString();

/** `fresh` makes a disk with nothing on it. */
export function diskContract(name: string, fresh: () => Promise<Disk>): void {
  const made = async (disk: Disk, path: string, content = ''): Promise<DiskFile> => {
    const file = await disk.open(path, { create: 'exclusive' });
    if (content !== '') await file.write(0, bytes(content));
    return file;
  };
  const reasonOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'none',
      (error: unknown) => (error instanceof DiskError ? error.reason : String(error)),
    );
  const writeAndFlush = (file: DiskFile, offset: number, buffers: readonly Uint8Array[]): Promise<void> =>
    new Promise((resolve, reject) => {
      file.writeAndFlush(offset, buffers, (error) => (error === null ? resolve() : reject(error)));
    });

  describe(`${name} as a disk`, () => {
    it('reads back what was written, fewer bytes only at the end', async () => {
      const file = await made(await fresh(), 'a', 'hello world');
      await file.write(6, bytes('there'));
      expect(text(await file.read(0, 11))).toBe('hello there');
      expect(text(await file.read(6, 100))).toBe('there');
      expect(await file.read(11, 5)).toHaveLength(0);
      const into = Buffer.alloc(8);
      expect(text(await file.read(6, 8, into))).toBe('there');
      expect(into.toString('latin1')).toBe('there\0\0\0');
      expect(await file.size()).toBe(11);
      await file.flush();
      await file.close();
    });

    it('hands out bytes that belong to the caller', async () => {
      const file = await made(await fresh(), 'a', 'hello');
      const read = await file.read(0, 5);
      await file.write(0, bytes('other'));
      expect(text(read)).toBe('hello');
      read.fill(0);
      expect(text(await file.read(0, 5))).toBe('other');
      await file.close();
    });

    it('opens only what is there, and creates only what is not', async () => {
      const disk = await fresh();
      expect(await reasonOf(disk.open('a', { create: false }))).toBe('not-found');
      await (await made(disk, 'a')).close();
      expect(await reasonOf(disk.open('a', { create: 'exclusive' }))).toBe('exists');
      expect(await reasonOf(disk.open('nowhere/a', { create: 'exclusive' }))).toBe('not-found');
      await (await disk.open('a', { create: false })).close();
    });

    it('writes a list of buffers as one, and calls back once, later', async () => {
      const file = await made(await fresh(), 'a', '----------');
      let calls = 0;
      let returned = false;
      await new Promise<void>((resolve) => {
        file.writeAndFlush(2, [bytes('ab'), bytes(''), bytes('cde')], (error) => {
          expect(error).toBeNull();
          expect(returned).toBe(true);
          calls++;
          resolve();
        });
        returned = true;
      });
      await writeAndFlush(file, 8, [bytes('xyz')]);
      expect(calls).toBe(1);
      expect(text(await file.read(0, 20))).toBe('--abcde-xyz');
      await file.close();
    });

    it('writes many and large buffers completely', async () => {
      const file = await made(await fresh(), 'a');
      const buffers = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(i % 7 === 0 ? 2000 : 3, i));
      await writeAndFlush(file, 5, buffers);
      const whole = Buffer.concat(buffers);
      expect(Buffer.from(await file.read(5, whole.length + 1)).equals(whole)).toBe(true);
      await file.close();
    });

    it('renames over an existing file, also between folders', async () => {
      const disk = await fresh();
      await disk.makeDirectory('scratch');
      await disk.makeDirectory('scratch');
      await (await made(disk, 'scratch/a', 'new')).close();
      await (await made(disk, 'a', 'old')).close();
      await disk.rename('scratch/a', 'a');
      await disk.flushDirectory('');
      await disk.flushDirectory('scratch');
      const file = await disk.open('a', { create: false });
      expect(text(await file.read(0, 10))).toBe('new');
      await file.close();
      expect(await reasonOf(disk.rename('scratch/a', 'b'))).toBe('not-found');
    });

    it('lists names in order, with what they are; nothing for a folder that is not there', async () => {
      const disk = await fresh();
      await disk.makeDirectory('folder');
      await (await made(disk, 'b', 'xyz')).close();
      await (await made(disk, 'B')).close();
      await (await made(disk, 'folder/inside')).close();
      const listed = await disk.list('');
      expect(listed.map(({ name: it, kind }) => [it, kind])).toEqual([
        ['B', 'file'],
        ['b', 'file'],
        ['folder', 'directory'],
      ]);
      expect(listed[1]?.bytes).toBe(3);
      expect((await disk.list('folder')).map((it) => it.name)).toEqual(['inside']);
      expect(await disk.list('nowhere')).toEqual([]);
    });

    it('removes a file, which those who have it open go on reading', async () => {
      const disk = await fresh();
      const file = await made(disk, 'a', 'hello');
      await disk.remove('a');
      await disk.remove('a');
      expect(await disk.list('')).toEqual([]);
      expect(text(await file.read(0, 5))).toBe('hello');
      await file.close();
    });

    it('tells a file from its copy, and knows it again after a rename', async () => {
      const disk = await fresh();
      const file = await made(disk, 'a', 'hello');
      const fingerprint = await file.fingerprint();
      const copy = await made(disk, 'copy', 'hello');
      expect(await copy.fingerprint()).not.toBe(fingerprint);
      await file.close();
      await copy.close();
      await disk.rename('a', 'b');
      const renamed = await disk.open('b', { create: false });
      expect(await renamed.fingerprint()).toBe(fingerprint);
      await renamed.close();
    });

    it('tells how much room is left', async () => {
      expect(await (await fresh()).freeBytes()).toBeGreaterThan(0);
    });

    it('answers a closed file with an error', async () => {
      const file = await made(await fresh(), 'a', 'hello');
      await file.close();
      expect(await reasonOf(file.write(0, bytes('x')))).toBe('io');
      expect(await reasonOf(writeAndFlush(file, 0, [bytes('x')]))).toBe('io');
      expect(await reasonOf(file.flush())).toBe('io');
      expect(await reasonOf(file.read(0, 1))).toBe('io');
      expect(await reasonOf(file.size())).toBe('io');
      expect(await reasonOf(file.fingerprint())).toBe('io');
    });

    it('ends what runs before it closes a file', async () => {
      const disk = await fresh();
      const file = await made(disk, 'a');
      const ended: string[] = [];
      const written = file.write(0, bytes('hello')).then(() => ended.push('write'));
      const flushed = writeAndFlush(file, 5, [bytes(' there')]).then(() => ended.push('flush'));
      const closed = file.close();
      await Promise.all([written, flushed, closed]);
      const again = await disk.open('a', { create: false });
      expect(text(await again.read(0, 20))).toBe('hello there');
      await again.close();
    });

    it('never touches another file by closing one twice', async () => {
      const disk = await fresh();
      const first = await made(disk, 'a', 'hello');
      await Promise.allSettled([first.close(), first.close()]);
      const second = await made(disk, 'b');
      await writeAndFlush(second, 0, [bytes('one')]);
      await first.close().catch(() => undefined);
      const third = await made(disk, 'c', 'other');
      await writeAndFlush(second, 3, [bytes('two')]);
      expect([text(await second.read(0, 10)), text(await third.read(0, 10))]).toEqual(['onetwo', 'other']);
      await second.close();
      await third.close();
    });
  });
}
