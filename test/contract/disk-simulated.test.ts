import { describe, expect, it } from 'vitest';
import { simulatedDisk } from '../storage/support.ts';
import { diskContract } from './disk.ts';

diskContract('the simulated disk', async () => simulatedDisk({ onMisuse: () => undefined }));

const powerLoss = { writes: 'lost', names: 'lost' } as const;
const bytes = (text: string): Uint8Array => Buffer.from(text);

describe('the simulated disk', () => {
  it('makes durable what was written before a flush began, and no more', async () => {
    const disk = simulatedDisk();
    const file = await disk.open('a', { create: 'exclusive' });
    await disk.flushDirectory('');
    await file.write(0, bytes('first'));
    const flushed = file.flush();
    const second = file.write(5, bytes('second'));
    await flushed;
    await second;
    const after = disk.crash(powerLoss);
    expect(after.inode('a').cached.get(0, 100).toString()).toBe('first');
  });

  it('loses names that were not flushed, and keeps a rename whole (P27)', async () => {
    const disk = simulatedDisk();
    await disk.makeDirectory('scratch');
    await disk.flushDirectory('');
    const file = await disk.open('scratch/a', { create: 'exclusive' });
    await file.write(0, bytes('x'));
    await file.flush();
    expect([...disk.copy().crash(powerLoss).image.names.keys()]).toEqual(['scratch']);
    await disk.flushDirectory('scratch');
    await disk.rename('scratch/a', 'a');
    expect([...disk.copy().crash(powerLoss).image.names.keys()]).toEqual(['scratch', 'scratch/a']);
    await disk.flushDirectory('');
    expect([...disk.crash(powerLoss).image.names.keys()]).toEqual(['scratch', 'a']);
  });

  it('tears a write at a sector', async () => {
    const disk = simulatedDisk();
    const file = await disk.open('a', { create: 'exclusive' });
    await file.write(0, Buffer.alloc(2048, 1));
    await file.flush();
    await disk.flushDirectory('');
    await file.write(256, Buffer.alloc(1024, 2));
    const found = disk.crash({ writes: 'torn', tornSectors: 2 }).inode('a').cached.get(0, 2048);
    expect([...found].filter((it) => it === 2)).toHaveLength(256 + 512);
    expect(found[256]).toBe(2);
    expect(found[1024]).toBe(1);
  });

  it('keeps in the cache, clean, what a failed flush did not write (D7)', async () => {
    let failing = true;
    const disk = simulatedDisk({ fault: ({ kind }) => (failing && kind === 'flush' ? 'error' : null) });
    const file = await disk.open('a', { create: 'exclusive' });
    await disk.flushDirectory('');
    await file.write(0, bytes('gone'));
    await expect(file.flush()).rejects.toThrow('input/output error');
    failing = false;
    await expect(file.flush()).rejects.toThrow('input/output error'); // final for this process
    const next = disk.crash({ writes: 'process' });
    const again = await next.open('a', { create: false });
    expect(Buffer.from(await again.read(0, 4)).toString()).toBe('gone');
    await again.flush(); // reports success, and has nothing to write
    expect(next.crash(powerLoss).inode('a').cached.size).toBe(0);
  });

  it('says so when a file is closed twice or used after its close', async () => {
    const misuses: string[] = [];
    const disk = simulatedDisk({ onMisuse: (what) => misuses.push(what) });
    const file = await disk.open('a', { create: 'exclusive' });
    await file.close();
    await expect(file.close()).rejects.toMatchObject({ reason: 'io' });
    await expect(file.read(0, 1)).rejects.toMatchObject({ reason: 'io' });
    expect(misuses).toEqual(['a was closed twice', 'a was used after it was closed']);
  });

  it('never answers a process that is gone', async () => {
    const disk = simulatedDisk();
    const file = await disk.open('a', { create: 'exclusive' });
    const answers: string[] = [];
    file.writeAndFlush(0, [bytes('x')], () => answers.push('write'));
    file.flush().then(() => answers.push('flush'));
    disk.crash(powerLoss);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(answers).toEqual([]);
  });
});
