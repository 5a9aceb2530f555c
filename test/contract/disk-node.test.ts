import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { DirectoryInUseError, lockDirectory } from '../../src/adapters/disk-node/directory-lock.ts';
import { NodeDisk } from '../../src/adapters/disk-node/node-disk.ts';
import { createNodeWorld } from '../../src/adapters/node-world.ts';
import { toOperatorError } from '../../src/runtime/directory-errors.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { formation, open as openStorage } from '../storage/support.ts';
import { diskContract } from './disk.ts';

const folders: string[] = [];
const folder = (): string => {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'paxosctl-disk-'));
  folders.push(made);
  return made;
};
afterAll(() => {
  for (const it of folders) fs.rmSync(it, { recursive: true, force: true });
});

diskContract('the real disk', () => NodeDisk.open(folder()));

describe('the real disk', () => {
  it('keeps others out of folders and files', async () => {
    const root = path.join(folder(), 'data');
    const disk = await NodeDisk.open(root);
    await disk.makeDirectory('scratch');
    await (await disk.open('a', { create: 'exclusive' })).close();
    const mode = (name: string): number => fs.statSync(path.join(root, name)).mode & 0o777;
    expect([mode(''), mode('scratch'), mode('a')]).toEqual([0o700, 0o700, 0o600]);
  });

  it('reads files that lie in the root of the file system', async () => {
    const disk = await NodeDisk.openReadOnly('/');
    await expect(disk.open('no-such-file', { create: false })).rejects.toMatchObject({ reason: 'not-found' });
  });

  it('follows no links and leaves its folder by no path', async () => {
    const root = folder();
    const outside = folder();
    fs.writeFileSync(path.join(outside, 'secret'), 'x');
    fs.symlinkSync(path.join(outside, 'secret'), path.join(root, 'link'));
    fs.symlinkSync(outside, path.join(root, 'scratch'));
    const disk = await NodeDisk.open(root);
    await expect(disk.open('link', { create: false })).rejects.toMatchObject({ reason: 'denied' });
    await expect(disk.open('../x', { create: 'exclusive' })).rejects.toMatchObject({ reason: 'denied' });
    await expect(disk.makeDirectory('scratch')).rejects.toMatchObject({ reason: 'denied' });
    expect((await disk.list('')).map(({ kind }) => kind)).toEqual(['other', 'other']);
  });

  it('refuses a root that is a file', async () => {
    const file = path.join(folder(), 'file');
    fs.writeFileSync(file, '');
    await expect(NodeDisk.open(file)).rejects.toMatchObject({ reason: 'denied' });
    await expect(NodeDisk.open(path.join(file, 'below'))).rejects.toMatchObject({ reason: 'denied' });
  });

  it('makes the names of the folders that it made durable (P27)', async () => {
    const base = fs.realpathSync(folder());
    const opened = vi.spyOn(fsPromises, 'open');
    try {
      await NodeDisk.open(path.join(base, 'a', 'b', 'c'));
      const flushed = opened.mock.calls.map(([file]) => path.relative(base, String(file)));
      expect(flushed.sort()).toEqual(['', 'a', path.join('a', 'b')]);
      opened.mockClear();
      await NodeDisk.open(path.join(base, 'a', 'b', 'c'));
      expect(opened).not.toHaveBeenCalled();
    } finally {
      opened.mockRestore();
    }
  });

  it.skipIf(process.platform !== 'linux')('is left by a start and its end with nothing open', async () => {
    const root = fs.realpathSync(folder());
    const disk = await NodeDisk.open(root);
    await ReplicaStorage.form(disk, formation());
    const openNow = (): string[] =>
      fs.readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          const file = fs.readlinkSync(`/proc/self/fd/${fd}`);
          return file.startsWith(root) ? [path.relative(root, file)] : [];
        } catch {
          return []; // The one that read the folder.
        }
      });
    const storage = await openStorage(disk);
    expect(openNow().filter((file) => file === 'promise-a')).toHaveLength(1);
    await storage.close();
    expect(openNow()).toEqual([]);
  });

  it('as a data directory that is a file is refused with what and where, exit code 25', async () => {
    const file = path.join(folder(), 'file');
    fs.writeFileSync(file, '');
    const quiet = { debug() {}, info() {}, warn() {}, error() {} };
    const { openDirectory } = await createNodeWorld(quiet);
    const error = await openDirectory(file).catch((it: unknown) => toOperatorError(it, file, 0));
    expect(error).toMatchObject({ code: 'PAXOS_DATA_CORRUPT', exitCode: 25, facts: { directory: file, where: file } });
  });
});

describe.each([
  ['the lock of this system', {}],
  ['the lock of systems without abstract names', { socketFolder: os.tmpdir() }],
] as const)('%s', (_name, options) => {
  it('lets one holder in, by whatever path, until it is released', async () => {
    const directory = folder();
    const link = path.join(folder(), 'link');
    fs.symlinkSync(directory, link);
    const first = await lockDirectory(directory, options);
    await expect(lockDirectory(link, options)).rejects.toThrow(DirectoryInUseError);
    await first.release();
    const second = await lockDirectory(link, options);
    await second.release();
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  it('lets exactly one of many in', async () => {
    const directory = folder();
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(directory, options)));
    const held = results.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
    expect(held).toHaveLength(1);
    await held[0]?.release();
  });

  it('ends with its process, however that ends', async () => {
    const directory = folder();
    const module = path.resolve(import.meta.dirname, '../../src/adapters/disk-node/directory-lock.ts');
    const script =
      `import(${JSON.stringify(module)}).then(async ({ lockDirectory }) => {` +
      `await lockDirectory(${JSON.stringify(directory)}, ${JSON.stringify(options)});` +
      `console.log('held'); setInterval(() => {}, 1000); });`;
    const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await expect(lockDirectory(directory, options)).rejects.toThrow(DirectoryInUseError);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = await lockDirectory(directory, options);
    await lock.release();
  });
});
