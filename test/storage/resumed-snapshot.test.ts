/** A snapshot half-way here when the process ends: the next one goes on with it; it never is a leftover, and never counts. */
import { describe, expect, it } from 'vitest';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import { checkDirectory } from '../../src/storage/directory-check.ts';
import { SnapshotCorruptError } from '../../src/storage/errors.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import {
  digest,
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

/** More than two flushes of what comes from a peer, and parts of 64 KiB. */
const records = 700;

/** A snapshot of another member: its bytes, and what a provider announces of it. */
async function donated(instance: number, count: number) {
  const disk = simulatedDisk();
  await ReplicaStorage.form(disk, formation('n2'));
  const storage = await open(disk, { expectName: 'n2' });
  await writeEach(storage, entries(1, 3));
  await storage.takeSnapshot(handle(instance), view(count), takeOptions);
  const { sha256 } = storage.snapshots()[0]!;
  const stream = (await storage.serveNewest(instance - 1))!;
  const bytes = Buffer.from(await stream.read(0, stream.bytes));
  await stream.close();
  return { bytes, announced: { instance, digest: sha256 } };
}

const donor = await donated(60, records);
/** Of two parts: for who tries every operation. */
const small = await donated(60, 100);
const filesOf = (disk: SimulatedDisk): string[] =>
  [...disk.image.names.keys()].filter((name) => name.includes('snapshot-')).sort();

/** A disk on which `bytes` of the donated file were appended by a process. */
async function half(bytes: number): Promise<SimulatedDisk> {
  const disk = await formedDisk();
  const storage = await open(disk);
  const receiver = await storage.receiveSnapshot(donor.announced);
  await receiver.append(donor.bytes.subarray(0, bytes));
  return disk;
}

/** Goes on with what is there; how many bytes of it were whole. */
async function goOn(storage: ReplicaStorage, sent = donor): Promise<number> {
  const receiver = (await storage.resumeSnapshot())!;
  const from = await receiver.rewind();
  await receiver.append(sent.bytes.subarray(from));
  await receiver.finish(sent.announced.digest);
  return from;
}

describe('a snapshot that is half here when the process ends', () => {
  it('is gone on with behind its last whole part, and installed once it is whole', async () => {
    const disk = await half(400_000);
    for (const [how, least] of [
      [kill, 330_000],
      // What was not flushed is lost.
      [powerLoss, 250_000],
    ] as const) {
      const after = disk.copy().crash(how);
      const storage = await open(after);
      expect(storage.manifest.receiving).toMatchObject(donor.announced);
      expect(storage.recovered.snapshot).toBeNull();
      const from = await goOn(storage);
      expect(from).toBeGreaterThan(least);
      expect(from).toBeLessThanOrEqual(400_000);
      expect(storage.manifest).toMatchObject({ receiving: null, received: { instance: 60 } });
      expect((await open(after.crash(powerLoss))).recovered.snapshot?.handle.instance).toBe(60);
    }
  });

  it('is also when the process was stopped, and then with every byte of its whole parts', async () => {
    const disk = await formedDisk();
    const first = await open(disk);
    const receiver = await first.receiveSnapshot(donor.announced);
    await receiver.append(donor.bytes.subarray(0, 140_000));
    await first.close();
    await expect(receiver.append(Buffer.alloc(1))).rejects.toThrow('closed');
    const again = await open(disk.crash(powerLoss));
    expect(await goOn(again)).toBeGreaterThan(70_000);
  });

  it('is not gone on with where its bytes have rotted, and never counts', async () => {
    const disk = (await half(400_000)).crash(kill);
    const file = (await open(disk.copy())).manifest.receiving!.file;
    for (const [at, whole] of [
      [10, 0],
      [200_000, 199_999],
    ] as const) {
      const rotten = disk.copy();
      rotten.inode(file).overwrite(at, Buffer.from('rot'));
      const storage = await open(rotten);
      expect(storage.recovered).toMatchObject({ snapshot: null, missingUpTo: 0 });
      expect(await goOn(storage)).toBeLessThanOrEqual(whole);
    }
  });

  it('is refused at the end when it is not the file that was announced, and forgotten', async () => {
    const disk = (await half(400_000)).crash(kill);
    const storage = await open(disk);
    const receiver = (await storage.resumeSnapshot())!;
    const from = await receiver.rewind();
    await receiver.append(donor.bytes.subarray(from));
    await expect(receiver.finish('00'.repeat(32))).rejects.toThrow(SnapshotCorruptError);
    expect(storage.manifest).toMatchObject({ receiving: null, snapshots: [] });
    expect(filesOf(disk)).toEqual([]);
  });

  it('gives way to another one, and leaves nothing when it is not wanted any more', async () => {
    const disk = (await half(400_000)).crash(kill);
    const storage = await open(disk);
    const old = (await storage.resumeSnapshot())!;
    await old.abort();
    expect([filesOf(disk), storage.manifest.receiving]).toEqual([[], null]);
    const first = await storage.receiveSnapshot({ instance: 61, digest: '01'.repeat(32) });
    await first.append(donor.bytes.subarray(0, 100));
    const again = await open(disk.crash(kill));
    // The first one is of a process that is gone.
    await again.receiveSnapshot({ instance: 62, digest: '02'.repeat(32) });
    expect(again.manifest.receiving).toMatchObject({ instance: 62 });
    expect(again.manifest.nextSnapshot).toBeGreaterThan(1);
  });

  it('keeps its file while others come beside it, and is installed whichever of them are begun meanwhile', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const receiver = await storage.receiveSnapshot(donor.announced);
    await receiver.append(donor.bytes);
    const beside = ['01', '02'].map((digit, i) =>
      storage.receiveSnapshot({ instance: 70 + i, digest: digit.repeat(32) }),
    );
    await receiver.finish(donor.announced.digest);
    for (const other of await Promise.all(beside)) await other.append(donor.bytes.subarray(0, 100));
    const again = await open(disk.crash(kill));
    expect(again.recovered.snapshot?.handle.instance).toBe(60);
  });

  it('that somebody deleted is begun anew', async () => {
    const disk = (await half(400_000)).crash(kill);
    disk.image.names.delete((await open(disk.copy())).manifest.receiving!.file);
    const storage = await open(disk);
    expect(await storage.resumeSnapshot()).toBeNull();
    expect(storage.manifest.receiving).toBeNull();
  });

  it('is told by a check of the directory, which has nothing against it', async () => {
    const disk = (await half(400_000)).crash(kill);
    const report = await checkDirectory(disk, digest);
    expect([report.ok, report.unknown]).toEqual([true, []]);
    const note = report.checks.find(({ detail }) => detail.includes('on its way here'));
    expect(note).toMatchObject({ verdict: 'note', detail: expect.stringContaining('a snapshot of instance 60') });
  });

  it('is a part of the directory at whatever operation the process ends', async () => {
    for (const how of [kill, powerLoss]) {
      for (let step = 1; ; step++) {
        let armed = false;
        let seen = 0;
        const disk = await formedDisk(simulatedDisk({ fault: () => (armed && ++seen === step ? 'halt' : null) }));
        const storage = await open(disk);
        armed = true;
        const receiving = (async () => {
          const receiver = await storage.receiveSnapshot(small.announced);
          await receiver.append(small.bytes);
          await receiver.finish(small.announced.digest);
          return 'done';
        })();
        let over = false;
        const outcome = await Promise.race([receiving, haltedAt(() => over || seen >= step)]);
        over = true;
        armed = false;
        const after = disk.crash(how);
        const again = await open(after);
        const instance = again.recovered.snapshot?.handle.instance ?? null;
        if (outcome === 'done') expect(instance).toBe(60);
        const named = [...again.snapshots(), ...(again.manifest.receiving === null ? [] : [again.manifest.receiving])];
        expect(filesOf(after), `step ${step}`).toEqual(named.map(({ file }) => file));
        if (instance === null && again.manifest.receiving !== null) await goOn(again, small);
        if (seen < step) break;
      }
    }
  });
});

/** Some turns after the disk stood still. */
async function haltedAt(stands: () => boolean): Promise<'halted'> {
  for (let turns = 0; turns < 20; ) {
    await new Promise((resolve) => setImmediate(resolve));
    if (stands()) turns++;
  }
  return 'halted';
}
