import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { NodeDisk } from '../../src/adapters/disk-node/index.ts';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import { SnapshotCorruptError, StorageClosedError } from '../../src/storage/errors.ts';
import type { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { ReplicaStorage as Storage } from '../../src/storage/replica-storage.ts';
import {
  entries,
  entry,
  formation,
  formedDisk,
  handle,
  kill,
  open,
  persisted,
  powerLoss,
  range,
  recordsOf,
  simulatedDisk,
  takeOptions,
  view,
  write,
  writeEach,
} from './support.ts';

const fileOf = (disk: SimulatedDisk, storage: ReplicaStorage, index = 0): Buffer => {
  const inode = disk.inode(storage.snapshots()[index]!.file);
  return inode.durable.get(0, inode.durable.size);
};
const scratchOf = (disk: SimulatedDisk): string[] =>
  [...disk.image.names.keys()].filter((name) => name.startsWith('scratch/') && name.includes('snapshot'));

describe('a snapshot', () => {
  it('comes back as it was taken, with its handle and log chain', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await writeEach(storage, entries(1, 10));
    const taken = await storage.takeSnapshot(handle(8), view(300), takeOptions);
    expect(taken).toMatchObject({ outcome: 'taken', instance: 8 });

    const { recovered } = await open(disk.crash(powerLoss));
    expect(recovered.snapshot).toMatchObject({ handle: handle(8), checksum: 'ab'.repeat(16), count: 300 });
    expect(Buffer.from(recovered.snapshot!.logChain).equals(takeOptions.logChain)).toBe(true);
    const records = await recordsOf(recovered.snapshot!.records());
    expect(records).toHaveLength(300);
    expect(records[299]).toMatch(/^record 299 \.+$/);
    expect(recovered.entries.map(({ instance }) => instance)).toEqual([9, 10]);
    expect(recovered.chosenUpTo).toBe(9);
  });

  it('is the same bytes on two members, whatever their boots, logs and clocks', async () => {
    const first = await formedDisk();
    const second = simulatedDisk();
    await Storage.form(second, formation('n2'));
    const one = await open(first);
    await writeEach(one, entries(1, 9));
    const two = await open(second, { expectName: 'n2', wallMs: () => 1, programVersion: '9.9.9' });
    await one.takeSnapshot(handle(9), view(200, 700), takeOptions);
    await two.takeSnapshot(handle(9), view(200, 700), takeOptions);
    expect(fileOf(first, one).equals(fileOf(second, two))).toBe(true);
    expect(one.snapshots()[0]!.sha256).toBe(two.snapshots()[0]!.sha256);
  });

  it('lets the log go on between its chunks', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    let id = 0;
    const pause = async (): Promise<void> => {
      id++;
      const done = persisted(storage, id);
      storage.persist(write(id, entries(100 + id, 100 + id)));
      await done;
    };
    await storage.takeSnapshot(handle(5), view(300), { ...takeOptions, pause });
    expect(id).toBeGreaterThan(3);
  });

  it('keeps the two newest, and the log from the older of them on', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const segmentsBefore = (): number => storage.stats().segments;
    await writeEach(storage, entries(1, 90));
    await storage.takeSnapshot(handle(30), view(3), takeOptions);
    const before = segmentsBefore();
    await storage.cut();
    expect(segmentsBefore()).toBe(before); // one snapshot alone cuts nothing
    await storage.takeSnapshot(handle(60), view(3), takeOptions);
    await storage.cut();
    expect(segmentsBefore()).toBeLessThan(before);
    await storage.takeSnapshot(handle(90), view(3), takeOptions);
    expect(storage.snapshots().map(({ instance }) => instance)).toEqual([90, 60]);

    const again = await open(disk.crash(powerLoss));
    expect(await again.unknownFiles()).toEqual([]);
    expect(again.recovered.snapshot?.handle.instance).toBe(90);
    // All that the older one would need is still there.
    const without = disk.crash(powerLoss);
    without.inode(storage.snapshots()[0]!.file).overwrite(0, Buffer.from('rot'));
    const fallback = await open(without);
    expect(fallback.recovered.snapshot?.handle.instance).toBe(60);
    expect(fallback.recovered.entries.map(({ instance }) => instance)).toEqual(range(61, 90));
    expect(fallback.recovered.chosenUpTo).toBe(90);
  });

  it('cuts no segment while the next one holds nothing durable: the log would end at no flush at all', async () => {
    let hanging = false;
    const disk = await formedDisk(
      simulatedDisk({ fault: ({ kind }) => (hanging && kind === 'write-and-flush' ? 'hang' : null) }),
    );
    const storage = await open(disk);
    await writeEach(storage, entries(1, 10));
    await storage.takeSnapshot(handle(100), view(3), takeOptions);
    await storage.takeSnapshot(handle(200), view(3), takeOptions);
    hanging = true;
    // Too large for the rest of the segment, so the first in the next one.
    storage.persist(write(11, [entry(201, { bytes: 14_000 })]));
    await storage.cut();
    const again = await open(disk.crash(powerLoss));
    expect(again.recovered.snapshot?.handle.instance).toBe(200);
    expect(again.recovered.chosenUpTo).toBe(200);
  });

  it('of an instance that is not newer is not taken', async () => {
    const storage = await open(await formedDisk());
    await storage.takeSnapshot(handle(8), view(2), takeOptions);
    expect(await storage.takeSnapshot(handle(8), view(2), takeOptions)).toMatchObject({ outcome: 'superseded' });
    expect(await storage.takeSnapshot(handle(7), view(2), takeOptions)).toMatchObject({ outcome: 'superseded' });
    expect(storage.snapshots()).toHaveLength(1);
  });

  it.each(['error', 'full', 'halt'] as const)(
    'that fails at any operation (%s) leaves the state before or after it, nothing else (P24)',
    async (fault) => {
      for (let step = 1; step < 200; step++) {
        let armed = false;
        let seen = 0;
        const disk = await formedDisk(simulatedDisk({ fault: () => (armed && ++seen === step ? fault : null) }));
        const storage = await open(disk);
        await writeEach(storage, entries(1, 6));
        await storage.checkSpace();
        await storage.takeSnapshot(handle(3), view(2), takeOptions);
        let fatal = false;
        storage.onFailed(() => {
          fatal = true;
        });
        armed = true;
        const outcome = storage.takeSnapshot(handle(6), view(150), takeOptions).then(
          () => 'taken',
          () => 'failed',
        );
        const result = await Promise.race([outcome, quiet(() => seen)]);
        armed = false;
        // After a failure of the manifest itself, which of the two is in force is for the next process to find out.
        if (result === 'failed' && !fatal) {
          expect(scratchOf(disk)).toEqual([]);
          expect(storage.snapshots().map(({ instance }) => instance)).toEqual([3]);
        }
        for (const how of [kill, powerLoss]) {
          const again = await open(disk.copy().crash(how));
          const found = again.recovered.snapshot?.handle.instance;
          expect(result === 'taken' ? [6] : [3, 6]).toContain(found);
          expect(await again.unknownFiles()).toEqual([]);
          expect(await recordsOf(again.recovered.snapshot!.records())).toHaveLength(found === 6 ? 150 : 2);
        }
        if (seen < step) return;
      }
      expect.unreachable();
    },
  );
});

/** Resolves when the disk was asked for nothing during several turns: it answers no more. */
async function quiet(count: () => number): Promise<'halted'> {
  for (let same = 0, last = -1; same < 20; ) {
    await new Promise((resolve) => setImmediate(resolve));
    same = count() === last ? same + 1 : 0;
    last = count();
  }
  return 'halted';
}

describe('a bad snapshot', () => {
  async function withSnapshots(...instances: number[]): Promise<{ disk: SimulatedDisk; files: string[] }> {
    const disk = await formedDisk();
    const storage = await open(disk);
    await writeEach(storage, entries(1, 20));
    for (const instance of instances) {
      await storage.takeSnapshot(handle(instance), view(150 + instance), takeOptions);
      await storage.cut();
    }
    await storage.close();
    return { disk: disk.crash(powerLoss), files: storage.snapshots().map(({ file }) => file) };
  }

  it('is found at any byte, and the one before it with the complete log stands in', async () => {
    const { disk, files } = await withSnapshots(10, 18);
    const size = disk.inode(files[0]!).durable.size;
    for (let at = 0; at < size; at += Math.ceil(size / 40)) {
      const bad = disk.copy();
      const byte = bad.inode(files[0]!).durable.get(at, 1)[0] as number;
      bad.inode(files[0]!).overwrite(at, Buffer.from([byte ^ 1]));
      const again = await open(bad);
      expect(again.recovered.snapshot?.handle.instance).toBe(10);
      expect(again.recovered.entries.map(({ instance }) => instance)).toEqual(range(11, 20));
      expect(again.snapshots().map(({ verified }) => verified)).toEqual([false, true]);
      await again.close();
    }
  });

  it('is replaced by the next one, and never cut to', async () => {
    const { disk, files } = await withSnapshots(10, 18);
    disk.inode(files[0]!).truncate(100);
    const storage = await open(disk);
    const { segments } = storage.stats();
    await storage.cut();
    expect(storage.stats().segments).toBe(segments);
    await storage.takeSnapshot(handle(18), view(168), takeOptions);
    expect(storage.snapshots().map(({ instance, verified }) => [instance, verified])).toEqual([
      [18, true],
      [10, true],
    ]);
  });

  it('is missing when the log after the older one is not complete, and so is the state up to it', async () => {
    const { disk, files } = await withSnapshots(10);
    const storage = await open(disk);
    const receiver = await storage.receiveSnapshot();
    const donor = await open(await formedDisk());
    await donor.takeSnapshot(handle(500), view(4), takeOptions);
    const stream = (await donor.serveNewest(0))!;
    await receiver.append(await stream.read(0, stream.bytes));
    await receiver.finish();
    await storage.close();
    const bad = disk.crash(powerLoss);
    bad.inode(storage.snapshots()[0]!.file).truncate(50);
    expect(files).toHaveLength(1);
    for (const _ of range(1, 2)) {
      const again = await open(bad);
      expect(again.recovered).toMatchObject({
        missingUpTo: 500,
        chosenUpTo: 500,
        snapshot: { handle: { instance: 10 } },
      });
      await again.close();
    }
  });

  it('is not used when its file is missing, or another snapshot lies under its name', async () => {
    const { disk, files } = await withSnapshots(10, 18);
    const [newest, older] = files as [string, string];
    const swapped = disk.copy();
    const a = swapped.inode(newest);
    const b = swapped.inode(older).durable.get(0, 1_000_000);
    a.truncate(0);
    a.overwrite(0, b);
    expect((await open(swapped)).recovered.snapshot?.handle.instance).toBe(10);
    const missing = disk.copy();
    missing.image.names.delete(newest);
    expect((await open(missing)).recovered.snapshot?.handle.instance).toBe(10);
  });

  it('is missing, and so is the state up to it, when all are bad and the log was cut; promise and log are kept', async () => {
    const { disk, files } = await withSnapshots(16, 18, 20);
    for (const file of files) disk.inode(file).truncate(50);
    const again = await open(disk);
    expect(again.recovered).toMatchObject({ missingUpTo: 20, snapshot: null });
    expect(again.recovered.chosenUpTo).toBeGreaterThanOrEqual(20);
  });

  it('is started from once its file is back, by its digest alone, and the log is not cut for it', async () => {
    const { disk, files } = await withSnapshots(16, 18, 20);
    const good = files.map((file) => disk.inode(file).durable.get(0, 1_000_000));
    const putBack = (at: number, as: number): void => {
      disk.inode(files[as]!).truncate(0);
      disk.inode(files[as]!).overwrite(0, good[at]!);
    };
    for (const file of files) disk.inode(file).truncate(50);
    await (await open(disk)).close();
    // Not another one under its name.
    putBack(1, 0);
    expect((await open(disk.copy())).recovered).toMatchObject({ missingUpTo: 20, snapshot: null });
    // The older one leads to where the newest was: the log after it was kept.
    disk.inode(files[0]!).truncate(50);
    putBack(1, 1);
    expect((await open(disk.copy())).recovered).toMatchObject({
      missingUpTo: 0,
      snapshot: { handle: { instance: 18 } },
    });
    putBack(0, 0);
    const again = await open(disk);
    expect(again.recovered).toMatchObject({ missingUpTo: 0, snapshot: { handle: { instance: 20 } } });
    const { segments } = again.manifest;
    await again.cut();
    expect(again.manifest.segments).toEqual(segments);
    expect(await again.serveNewest(0)).toBeNull();
    await again.takeSnapshot(handle(20), view(170), takeOptions);
    expect(again.snapshots().map(({ instance, verified }) => [instance, verified])).toEqual([[20, true]]);
  });

  it('is still missing after one was taken on the way there', async () => {
    const { disk, files } = await withSnapshots(16, 18, 20);
    for (const file of files) disk.inode(file).truncate(50);
    const again = await open(disk);
    for (const instance of [4, 6, 8]) await again.takeSnapshot(handle(instance), view(150 + instance), takeOptions);
    await again.close();
    const later = await open(disk.crash(powerLoss));
    expect(later.recovered).toMatchObject({ missingUpTo: 20, snapshot: { handle: { instance: 8 } } });
    // And no longer than that.
    await later.takeSnapshot(handle(20), view(170), takeOptions);
    expect(later.snapshots().map(({ instance, verified }) => [instance, verified])).toEqual([
      [20, true],
      [8, true],
    ]);
  });
});

async function donated(instance: number, cell = 'cell-1', count = 200): Promise<Buffer> {
  const disk = simulatedDisk();
  await Storage.form(disk, formation('n2', cell));
  const storage = await open(disk, { expectName: 'n2' });
  await storage.takeSnapshot(handle(instance), view(count), takeOptions);
  expect(await storage.serveNewest(instance)).toBeNull();
  const stream = (await storage.serveNewest(instance - 1))!;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < stream.bytes; at += 1000) parts.push(await stream.read(at, 1000));
  await stream.close();
  return Buffer.concat(parts);
}
async function receive(storage: ReplicaStorage, bytes: Buffer): Promise<number> {
  const receiver = await storage.receiveSnapshot();
  try {
    for (let at = 0; at < bytes.length; at += 7000) await receiver.append(bytes.subarray(at, at + 7000));
  } catch (error) {
    await receiver.abort();
    throw error;
  }
  const loaded = await receiver.finish();
  expect(await recordsOf(loaded.records())).toHaveLength(loaded.count);
  return loaded.handle.instance;
}

describe('a snapshot from a peer', () => {
  it('is verified, installed, and durable', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    expect(await receive(storage, await donated(50))).toBe(50);
    const again = await open(disk.crash(powerLoss));
    expect(again.recovered.snapshot?.handle.instance).toBe(50);
    expect(again.recovered.chosenUpTo).toBe(50);
  });

  it('is refused when damaged, cut short, spliced, too long, of another cell, or not newer; nothing stays behind', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await receive(storage, await donated(50));
    const good = await donated(60);
    const other = await donated(61);
    const flipped = Buffer.from(good);
    flipped.writeUInt8(flipped.readUInt8(90_000) ^ 4, 90_000);
    const spliced = Buffer.concat([good.subarray(0, 100_000), other.subarray(100_000)]);
    const cases = [
      flipped,
      good.subarray(0, -1),
      good.subarray(0, 1000),
      spliced,
      Buffer.concat([good, Buffer.from('x')]),
      await donated(70, 'cell-2'),
      await donated(50),
      await donated(40),
      Buffer.alloc(0),
    ];
    for (const bytes of cases) {
      await expect(receive(storage, bytes)).rejects.toThrow(SnapshotCorruptError);
      expect(scratchOf(disk)).toEqual([]);
      expect(storage.snapshots().map(({ instance }) => instance)).toEqual([50]);
    }
    const aborted = await storage.receiveSnapshot();
    await aborted.append(good);
    await aborted.abort();
    expect(scratchOf(disk)).toEqual([]);
  });

  it('that broke off goes on behind its last whole part, and is held to the digest that was announced (P55)', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const good = await donated(60, 'cell-1', 400);
    const digestOfGood = async (): Promise<string> => {
      const other = await open(await formedDisk());
      await receive(other, good);
      return other.snapshots()[0]!.sha256;
    };
    const sha256 = await digestOfGood();
    for (const cut of [0, 5, 200, 70_000, 150_001, good.length - 3, good.length]) {
      const receiver = await storage.receiveSnapshot();
      await receiver.append(good.subarray(0, cut));
      const offset = await receiver.rewind();
      expect(offset, `cut at ${cut}`).toBeLessThanOrEqual(cut);
      expect(cut - offset, `cut at ${cut}`).toBeLessThan(70_000);
      // A part that has rotted here meanwhile is not gone on with.
      await receiver.append(good.subarray(offset, offset + 100));
      expect(await receiver.rewind()).toBeLessThanOrEqual(Math.max(offset, cut));
      const from = await receiver.rewind();
      await receiver.append(good.subarray(from));
      if (cut < good.length) await expect(receiver.finish('00'.repeat(32))).rejects.toThrow('announced was 00');
      else expect((await receiver.finish(sha256)).handle.instance).toBe(60);
    }
    expect(scratchOf(disk)).toEqual([]);
  });

  it.each(['error', 'full', 'halt'] as const)(
    'that fails at any operation (%s), with one being taken at the same time, leaves one of the states, whole (P25)',
    async (fault) => {
      const bytes = await donated(60, 'cell-1', 90);
      for (let step = 1; step < 200; step++) {
        let armed = false;
        let seen = 0;
        const disk = await formedDisk(simulatedDisk({ fault: () => (armed && ++seen === step ? fault : null) }));
        const storage = await open(disk);
        await writeEach(storage, entries(1, 6));
        await storage.checkSpace();
        await storage.takeSnapshot(handle(3), view(2), takeOptions);
        let fatal = false;
        storage.onFailed(() => {
          fatal = true;
        });
        armed = true;
        const ended = (work: Promise<unknown>): Promise<string> =>
          work.then(
            () => 'done',
            () => 'failed',
          );
        const both = Promise.all([
          ended(receive(storage, bytes)),
          ended(storage.takeSnapshot(handle(6), view(70), takeOptions)),
        ]);
        const result = await Promise.race([both, quiet(() => seen)]);
        armed = false;
        const received = result !== 'halted' && result[0] === 'done';
        if (result !== 'halted' && !fatal) {
          expect(scratchOf(disk), `step ${step}`).toEqual([]);
          // It may have been installed, and have failed while it was read again.
          expect(received ? [60] : [3, 6, 60]).toContain(storage.snapshots()[0]!.instance);
        }
        for (const how of [kill, powerLoss]) {
          const again = await open(disk.copy().crash(how));
          const found = again.recovered.snapshot?.handle.instance as number;
          expect(received ? [60] : [3, 6, 60], `step ${step}`).toContain(found);
          expect(await again.unknownFiles()).toEqual([]);
          const counts: Readonly<Record<number, number>> = { 3: 2, 6: 70, 60: 90 };
          expect(await recordsOf(again.recovered.snapshot!.records())).toHaveLength(counts[found] as number);
        }
        if (seen < step) return;
      }
      expect.unreachable();
    },
  );

  it('does not replace a newer one that came while it was on its way (P25)', async () => {
    const storage = await open(await formedDisk());
    const slow = await storage.receiveSnapshot();
    await slow.append(await donated(50));
    expect(await receive(storage, await donated(80))).toBe(80);
    await expect(slow.finish()).rejects.toThrow('a newer one is here already');
    expect(storage.snapshots().map(({ instance }) => instance)).toEqual([80]);
  });

  it('ends once: neither a late abort nor a second finish touches anything', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const installed = await storage.receiveSnapshot();
    await installed.append(await donated(50));
    await installed.finish();
    await installed.abort();
    await expect(installed.finish()).rejects.toThrow(StorageClosedError);
    expect(storage.snapshots().map(({ instance }) => instance)).toEqual([50]);

    const damaged = await storage.receiveSnapshot();
    await damaged.append(Buffer.alloc(100));
    await expect(damaged.finish()).rejects.toThrow(SnapshotCorruptError);
    await damaged.abort();

    const aborted = await storage.receiveSnapshot();
    const last = aborted.append(await donated(60));
    await aborted.abort();
    await aborted.abort();
    await last;
    await expect(aborted.append(Buffer.alloc(1))).rejects.toThrow(StorageClosedError);
    await expect(aborted.finish()).rejects.toThrow(StorageClosedError);
    expect(scratchOf(disk)).toEqual([]);
    expect(storage.snapshots().map(({ instance }) => instance)).toEqual([50]);
  });

  it('that turns out damaged costs the log no acknowledged write on a real disk', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'paxosctl-storage-'));
    try {
      await Storage.form(await NodeDisk.open(folder), formation());
      const storage = await open(await NodeDisk.open(folder));
      await storage.checkSpace();
      const receiver = await storage.receiveSnapshot();
      await receiver.append(new Uint8Array(100));
      await expect(receiver.finish()).rejects.toThrow(SnapshotCorruptError);
      await writeEach(storage, entries(1, 1));
      await receiver.abort();
      const next = await storage.receiveSnapshot();
      await writeEach(storage, entries(2, 2), 2);
      await next.abort();
      const again = await open(await NodeDisk.open(folder));
      expect(again.recovered.entries.map(({ instance }) => instance)).toEqual([1, 2]);
      await again.close();
      await storage.close();
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe('the own log below a snapshot from a peer', () => {
  /** Chosen and known up to 2, with an own snapshot there; accepted 3-5, where others were chosen; then their snapshot of 5. */
  async function received(): Promise<{ disk: SimulatedDisk; storage: ReplicaStorage }> {
    const disk = await formedDisk();
    const storage = await open(disk);
    const done = persisted(storage, 2);
    storage.persist(write(1, entries(1, 2), { promised: 1, chosenUpTo: 2 }));
    await storage.takeSnapshot(handle(2), view(2), takeOptions);
    storage.persist(write(2, entries(3, 5), { chosenUpTo: 2 }));
    await done;
    expect(await receive(storage, await donated(5))).toBe(5);
    const more = persisted(storage, 3);
    storage.persist(write(3, entries(6, 9), { promised: 2, chosenUpTo: 9 }));
    await more;
    return { disk, storage };
  }
  const rot = (disk: SimulatedDisk, file: string): void => disk.inode(file).overwrite(20, Buffer.from('rot'));

  it('never stands in for that snapshot: its values may never have been chosen', async () => {
    const { disk, storage } = await received();
    const [newest] = storage.snapshots();
    const crashed = disk.crash(powerLoss);
    rot(crashed, newest!.file);
    const missing = { missingUpTo: 5, snapshot: { handle: { instance: 2 } }, entries: entries(6, 9), bad: [] };
    expect((await open(crashed.copy())).recovered).toMatchObject(missing);
    // Nor at a later start, nor when the file is not there at all.
    const later = crashed.copy();
    await (await open(later)).close();
    later.image.names.delete(newest!.file);
    expect((await open(later.crash(powerLoss))).recovered).toMatchObject(missing);
  });

  it('does not either when an earlier one was fetched in its place', async () => {
    const { disk, storage } = await received();
    const crashed = disk.crash(powerLoss);
    rot(crashed, storage.snapshots()[0]!.file);
    const again = await open(crashed);
    // Whoever was asked had none of 5 yet.
    expect(await receive(again, await donated(4))).toBe(4);
    const later = await open(crashed.crash(powerLoss));
    expect(later.recovered).toMatchObject({ missingUpTo: 5, snapshot: { handle: { instance: 4 } } });
    expect(later.recovered.entries).toEqual(entries(6, 9));
  });

  it('does not either once own snapshots have taken its place in the list', async () => {
    const { disk, storage } = await received();
    const peers = storage.snapshots()[0]!.file;
    await storage.takeSnapshot(handle(7), view(7), takeOptions);
    await storage.takeSnapshot(handle(9), view(9), takeOptions);
    const files = storage.snapshots().map(({ file }) => file);
    expect(files).not.toContain(peers);
    const crashed = disk.crash(powerLoss);
    rot(crashed, files[0]!);
    const partly = await open(crashed.copy());
    expect(partly.recovered.snapshot?.handle.instance).toBe(7);
    expect(partly.recovered.entries.map(({ instance }) => instance)).toEqual([8, 9]);
    rot(crashed, files[1]!);
    expect((await open(crashed)).recovered).toMatchObject({ missingUpTo: 9, snapshot: null, entries: entries(6, 9) });
  });
});

describe('closing the storage', () => {
  const manifestOf = (disk: SimulatedDisk): Buffer => {
    const { durable } = disk.inode('MANIFEST');
    return Buffer.from(durable.get(0, durable.size));
  };

  it('ends a snapshot that is being received, at whatever step it is', async () => {
    const donor = simulatedDisk();
    await Storage.form(donor, formation('n2'));
    const giving = await open(donor, { expectName: 'n2' });
    await giving.takeSnapshot(handle(50), view(200), takeOptions);
    const stream = (await giving.serveNewest(1))!;
    const bytes = await stream.read(0, stream.bytes);
    for (const finishing of [true, false]) {
      const disk = await formedDisk();
      const storage = await open(disk);
      const receiver = await storage.receiveSnapshot();
      const appended = receiver.append(bytes);
      const finished = finishing ? receiver.finish().then(String, (error: Error) => error.name) : null;
      await storage.close();
      const closed = manifestOf(disk);
      await appended;
      if (finished !== null) expect(await finished).toBe('StorageClosedError');
      await expect(receiver.finish()).rejects.toThrow(StorageClosedError);
      await expect(storage.receiveSnapshot()).rejects.toThrow(StorageClosedError);
      expect(manifestOf(disk).equals(closed)).toBe(true);
      expect(scratchOf(disk)).toEqual([]);
      expect((await open(disk.crash(kill))).recovered.snapshot).toBeNull();
    }
  });

  it('ends a snapshot that is being taken, and refuses every later change of the manifest', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await writeEach(storage, entries(1, 3));
    let closing: Promise<void> | null = null;
    const pause = async (): Promise<void> => {
      closing ??= storage.close();
    };
    const taking = storage.takeSnapshot(handle(3), view(300), { ...takeOptions, pause });
    await expect(taking).rejects.toThrow(StorageClosedError);
    await closing;
    const closed = manifestOf(disk);
    expect(scratchOf(disk)).toEqual([]);
    await expect(storage.takeSnapshot(handle(3), view(3), takeOptions)).rejects.toThrow(StorageClosedError);
    await expect(storage.setFlags({ frozen: true })).rejects.toThrow(StorageClosedError);
    await storage.close();
    expect(manifestOf(disk).equals(closed)).toBe(true);
    expect((await open(disk.crash(kill))).recovered.snapshot).toBeNull();
  });
});
