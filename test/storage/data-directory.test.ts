import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/formats/checksum.ts';
import type { DiskFault, DiskOperation } from '../../src/simulator/disk.ts';
import {
  ManifestCorruptError,
  UnknownFilesError,
  UnsupportedFormatError,
  WrongDirectoryError,
} from '../../src/storage/errors.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import {
  entries,
  formation,
  formedDisk,
  handle,
  kill,
  open,
  powerLoss,
  simulatedDisk,
  takeOptions,
  view,
  writeEach,
} from './support.ts';

describe('forming', () => {
  it('goes from empty over forming to formed, each step durable', async () => {
    let disk = simulatedDisk();
    expect(await ReplicaStorage.inspect(disk)).toEqual({ state: 'empty', manifest: null });
    await ReplicaStorage.writeForming(disk, formation());
    disk = disk.crash(powerLoss);
    expect(await ReplicaStorage.inspect(disk)).toMatchObject({ state: 'forming', manifest: formation() });
    await ReplicaStorage.markFormed(disk);
    disk = disk.crash(powerLoss);
    expect((await ReplicaStorage.inspect(disk)).state).toBe('formed');
    const { identity, copied } = (await open(disk)).recovered;
    expect(identity).toEqual({ cell: formation().cell, member: formation().member });
    expect(copied).toBe(false);
  });

  it('keeps the level that it was raised to: a log that is applied anew is below it for a while', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await storage.setLevel(3);
    await storage.setLevel(2);
    expect(storage.manifest.level).toBe(3);
    await storage.close();
    expect((await ReplicaStorage.inspect(disk)).manifest?.level).toBe(3);
  });

  it('may be done again for another cell, until it is formed', async () => {
    const disk = simulatedDisk();
    await ReplicaStorage.writeForming(disk, formation('n1', 'cell-1'));
    await ReplicaStorage.writeForming(disk, formation('n1', 'cell-2'));
    await ReplicaStorage.markFormed(disk);
    await ReplicaStorage.markFormed(disk);
    expect((await open(disk)).recovered.identity.cell.id).toBe('cell-2');
    await expect(ReplicaStorage.writeForming(disk, formation())).rejects.toThrow('never formed again');
  });

  it('killed at any step, the same steps again form the same directory', async () => {
    for (let step = 1; step < 200; step++) {
      let seen = 0;
      const disk = simulatedDisk({ seed: step, fault: () => (++seen === step ? 'halt' : null) });
      const formed = ReplicaStorage.form(disk, formation()).then(() => true);
      const done = await Promise.race([formed, halted(() => seen >= step)]);
      for (const writes of ['lost', 'kept', 'random'] as const) {
        const found = disk.copy().crash({ writes, names: writes }, { fault: () => null });
        const { state } = await ReplicaStorage.inspect(found);
        if (state !== 'formed') await ReplicaStorage.form(found, formation());
        expect((await open(found)).recovered.promise.ballot.round).toBe(0);
      }
      if (done === true) return;
    }
    expect.unreachable();
  });
});

/** Resolves a few turns after the disk stopped answering. */
async function halted(reached: () => boolean): Promise<false> {
  while (!reached()) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  return false;
}

describe('a data directory', () => {
  it('of another member or another cell is refused (O1, O5)', async () => {
    const disk = await formedDisk();
    await expect(open(disk, { expectName: 'n2' })).rejects.toThrow(WrongDirectoryError);
    await expect(open(disk, { expectCellId: 'cell-2' })).rejects.toMatchObject({
      facts: { expected: { cellId: 'cell-2' }, found: { cellId: 'cell-1', member: 'n1' } },
    });
    await (await open(disk, { expectCellId: 'cell-1' })).close();
  });

  it('with files that nobody can vouch for is refused with the list, and they are moved aside on demand', async () => {
    const disk = await formedDisk();
    await (await open(disk)).close();
    disk.plant('snapshot-00000099', Buffer.from('PXSN and an old state'));
    disk.plant('notes.txt', Buffer.from('hello'));
    const crashed = disk.crash(kill);

    const error = await open(crashed).catch((it: unknown) => it);
    expect(error).toBeInstanceOf(UnknownFilesError);
    expect((error as UnknownFilesError).files).toMatchObject([
      { name: 'notes.txt', bytes: 5, look: 'unknown' },
      { name: 'snapshot-00000099', look: 'snapshot' },
    ]);

    const storage = await open(crashed, { quarantineLeftovers: 'boot-2' });
    expect(storage.recovered.quarantined.map(({ name }) => name)).toEqual(['notes.txt', 'snapshot-00000099']);
    expect(crashed.inode('quarantine/boot-2/notes.txt').durable.get(0, 9).toString()).toBe('hello');
    expect(await storage.unknownFiles()).toEqual([]);
  });

  it('may have an empty lost+found, attempts/ and quarantine/ beside its files', async () => {
    const disk = await formedDisk();
    for (const folder of ['lost+found', 'attempts', 'quarantine']) await disk.makeDirectory(folder);
    disk.plant('attempts/u1', Buffer.from('x'));
    const storage = await open(disk);
    expect(await storage.unknownFiles()).toEqual([]);
    disk.plant('lost+found/#123', Buffer.from('x'));
    expect(await storage.unknownFiles()).toMatchObject([{ name: 'lost+found', look: 'directory' }]);
  });

  it('never reads scratch/ and empties it at the start', async () => {
    const disk = await formedDisk();
    disk.plant('scratch/wal-00000001', Buffer.alloc(16 * 1024, 1));
    disk.plant('scratch/snapshot-00000001', Buffer.from('half'));
    await (await open(disk)).close();
    expect([...disk.image.names.keys()].filter((name) => name.startsWith('scratch/'))).toEqual([]);
  });

  it('that was copied says so; one that was only restarted does not', async () => {
    const disk = await formedDisk();
    await (await open(disk)).close();
    const copy = simulatedDisk();
    await copy.makeDirectory('scratch');
    copy.plant('spare', Buffer.alloc(1)); // inode numbers of the copy are others
    for (const [name, node] of disk.image.names) {
      if (node !== 'folder') copy.plant(name, node.durable.get(0, node.durable.size));
    }
    await copy.remove('spare');
    expect((await open(copy)).recovered.copied).toBe(true);
    expect((await open(disk.crash(powerLoss))).recovered.copied).toBe(false);
    const without = disk.copy();
    without.image.names.delete('IDENTITY');
    expect((await open(without)).recovered.copied).toBe(true);
  });

  it('that was copied without IDENTITY becomes the original once, though each other member confirms it', async () => {
    const disk = await formedDisk();
    await (await open(disk)).close();
    disk.image.names.delete('IDENTITY');
    const storage = await open(disk);
    expect(storage.recovered.copied).toBe(true);
    await Promise.all([storage.adopt(), storage.adopt()]);
    await storage.adopt();
    await storage.flush();
    expect((await open(disk.crash({ writes: 'lost', names: 'lost' }))).recovered.copied).toBe(false);
  });

  it('with a damaged, missing, newer or older manifest is refused by name', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const older = disk.inode('MANIFEST').durable.get(0, 10_000);
    await writeEach(storage, entries(1, 3));
    await storage.close();
    await (await open(disk.crash(kill))).close();

    const rotten = disk.copy();
    rotten.inode('MANIFEST').overwrite(40, Buffer.from('rot'));
    await expect(open(rotten)).rejects.toThrow(ManifestCorruptError);

    const missing = disk.copy();
    missing.image.names.delete('MANIFEST');
    await expect(ReplicaStorage.inspect(missing)).rejects.toThrow(ManifestCorruptError);

    const newer = disk.copy();
    const bytes = newer.inode('MANIFEST').durable.get(0, 10_000);
    bytes.writeUInt16BE(9, 4);
    bytes.writeUInt32BE(crc32(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
    newer.inode('MANIFEST').overwrite(0, bytes);
    await expect(open(newer)).rejects.toThrow(UnsupportedFormatError);

    // The manifest of boot 1 beside a log of boot 2: names files that are gone, and does not know those that are there.
    const rolledBack = disk.copy();
    rolledBack.inode('MANIFEST').truncate(0);
    rolledBack.inode('MANIFEST').overwrite(0, older);
    await expect(open(rolledBack)).rejects.toThrow();
  });

  it('moves no file for the sake of a manifest that only the cache has', async () => {
    // 1. The manifest that names a new segment is renamed into place; the process is killed before its name is durable.
    // 2. The next process moves the segment to its place, and the power goes. 3. The device kept that name and not the
    // manifest's: the file in place is one that the manifest from before does not know.
    const haltAt = (kind: string, path: RegExp) => {
      const state = { reached: false };
      const fault = (operation: DiskOperation): DiskFault | null => {
        if (state.reached || operation.kind !== kind || !path.test(operation.path)) return null;
        state.reached = true;
        return 'halt';
      };
      return { fault, reached: () => state.reached };
    };
    const formed = await formedDisk();
    const first = haltAt('rename', /^MANIFEST$/);
    const disk = formed.crash(kill, { fault: first.fault });
    void open(disk);
    await halted(first.reached);
    const second = haltAt('rename', /^wal-/);
    const next = disk.crash(kill, { fault: second.fault });
    void open(next);
    await halted(second.reached);
    const found = next.crash({ writes: 'kept', names: ({ path }) => path.startsWith('wal-') }, { fault: () => null });
    await (await open(found)).close();
  });

  it('keeps its local flags over restarts', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await storage.setFlags({ frozen: true });
    const crashed = disk.crash(powerLoss);
    expect((await open(crashed)).manifest.flags).toEqual({ frozen: true, quarantined: false, removed: false });
  });
});

describe('a full disk', () => {
  it('makes the replica read-only before the log is hurt, and writable again when there is room', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const told: boolean[] = [];
    storage.onSpaceLow((low) => told.push(low));
    await storage.checkSpace();
    expect(storage.readOnly).toBe(false);

    disk.knobs.capacityBytes = disk.image.usedBytes() + 1000;
    await writeEach(storage, entries(1, 20));
    await storage.checkSpace();
    expect(told).toEqual([true]);
    expect(storage.readOnly).toBe(true);

    disk.knobs.capacityBytes = Number.MAX_SAFE_INTEGER;
    await storage.checkSpace();
    expect(told).toEqual([true, false]);
    await writeEach(storage, entries(21, 60), 21);
    expect((await open(disk.crash(powerLoss))).recovered.entries).toHaveLength(60);
  });

  it('ends the process with the reason when the log itself has no room left', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await storage.checkSpace();
    disk.knobs.capacityBytes = disk.image.usedBytes();
    await expect(writeEach(storage, entries(1, 60))).rejects.toMatchObject({ reason: 'full' });
  });

  it('still lets a replica start, read-only, while a short segment fits', async () => {
    const disk = await formedDisk();
    const storage = await open(disk, { segmentBytes: 1024 * 1024 });
    await storage.checkSpace();
    await storage.close();
    const crashed = disk.crash(powerLoss);
    crashed.knobs.capacityBytes = crashed.image.usedBytes() + 400 * 1024;
    const again = await open(crashed, { segmentBytes: 1024 * 1024 });
    expect(again.readOnly).toBe(true);
    crashed.knobs.capacityBytes = 0;
    await expect(open(crashed.crash(powerLoss))).rejects.toMatchObject({ reason: 'full' });
  });

  it('during a snapshot leaves the log alone', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await writeEach(storage, entries(1, 3));
    await storage.checkSpace();
    disk.knobs.capacityBytes = disk.image.usedBytes() + 10_000;
    await expect(storage.takeSnapshot(handle(3), view(500), takeOptions)).rejects.toMatchObject({ reason: 'full' });
    await writeEach(storage, entries(4, 5), 4);
    expect(storage.snapshots()).toEqual([]);
  });
});
