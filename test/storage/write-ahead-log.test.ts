import { describe, expect, it } from 'vitest';
import { endless } from '../../src/core/consensus/bad-item.ts';
import { contradiction } from '../../src/core/consensus/boot-history.ts';
import type { WriteId } from '../../src/core/consensus/identity.ts';
import { encodeValue } from '../../src/formats/value.ts';
import { groupHeaderBytes } from '../../src/formats/wal-group.ts';
import { type Disk, DiskError, type DiskFile } from '../../src/ports/disk.ts';
import type { DiskFault, DiskOperation, SimulatedDisk } from '../../src/simulator/disk.ts';
import { PromiseLostError, WalCorruptError } from '../../src/storage/errors.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import {
  digest,
  entries,
  entry,
  formation,
  formedDisk,
  found,
  open,
  persisted,
  powerLoss,
  range,
  simulatedDisk,
  textOf,
  write,
  writeEach,
} from './support.ts';

const instancesOf = (storage: ReplicaStorage): number[] => storage.recovered.entries.map(({ instance }) => instance);
const segmentsOf = (disk: SimulatedDisk): string[] =>
  [...disk.image.names.keys()].filter((name) => name.startsWith('wal-')).sort();

describe('the write-ahead log', () => {
  it('comes back with everything that was acknowledged, across many segments', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await writeEach(storage, entries(1, 120));
    expect(segmentsOf(disk).length).toBeGreaterThan(5);

    const again = await open(disk.crash(powerLoss));

    expect(instancesOf(again)).toEqual(range(1, 120));
    expect(again.recovered.entries.map(textOf)).toEqual(range(1, 120).map((n) => `value ${n}`));
    expect(again.recovered.chosenUpTo).toBe(119);
    await again.close();
  });

  it('gives the newest entry of an instance', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await writeEach(storage, [entry(1), entry(2), entry(1, { round: 4, text: 'newer' })]);
    const again = await open(disk.crash(powerLoss));
    expect(again.recovered.entries.map(textOf)).toEqual(['newer', 'value 2']);
    expect(again.recovered.entries[0]?.ballot.round).toBe(4);
    await again.close();
  });

  it('takes values larger than a segment, and many at once', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const done = persisted(storage, 2);
    storage.persist(write(1, [entry(1, { bytes: 100_000 })]));
    storage.persist(
      write(
        2,
        range(2, 200).map((n) => entry(n, { bytes: n * 30 })),
      ),
    );
    await done;
    const again = await open(disk.crash(powerLoss));
    expect(instancesOf(again)).toEqual(range(1, 200));
    expect(textOf(again.recovered.entries[0]!)).toHaveLength(100_007);
    await again.close();
  });

  it('keeps boot numbers and promises rising over restarts', async () => {
    let disk = await formedDisk();
    const storage = await open(disk);
    expect(storage.recovered.boot.number).toBe(1);
    const done = persisted(storage, 1);
    storage.persist(write(1, [], { promised: 3 }));
    await done;
    for (const boot of [2, 3, 4]) {
      disk = disk.crash(powerLoss);
      const again = await open(disk);
      expect(again.recovered.boot.number).toBe(boot);
      expect(again.recovered.promise).toMatchObject({ ballot: { round: 3 }, leaseMsMax: 30 });
      expect(again.recovered.lastVersion).toBe('0.1.0');
    }
  });

  it('does not pile up segments when it is restarted over and over', async () => {
    let disk = await formedDisk();
    const storage = await open(disk);
    await writeEach(storage, entries(1, 5));
    for (const _ of range(1, 10)) {
      disk = disk.crash({ writes: 'random', names: 'random' });
      const again = await open(disk);
      expect(instancesOf(again)).toEqual(range(1, 5));
      await again.close();
    }
    expect(segmentsOf(disk).length).toBeLessThanOrEqual(3);
  });
});

describe('group commit', () => {
  it('acknowledges only what was written before the flush began (P13)', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const reported: { write: WriteId; recoverable: Promise<number[]> }[] = [];
    const done = new Promise<void>((resolve) => {
      storage.onPersisted((id) => {
        // What a power cut at this very moment would leave.
        const later = disk.copy().crash(powerLoss);
        reported.push({ write: id, recoverable: open(later).then(instancesOf) });
        if (id === 4) resolve();
      });
    });
    storage.persist(write(1, [entry(1)]));
    // These come while the flush of the first one runs.
    storage.persist(write(2, [entry(2)]));
    storage.persist(write(3, [entry(3)]));
    storage.persist(write(4, [entry(4)]));
    await done;

    expect(reported.map((it) => it.write)).toEqual([1, 4]);
    expect(await reported[0]!.recoverable).toContain(1);
    expect(await reported[1]!.recoverable).toEqual([1, 2, 3, 4]);
    expect(storage.stats().flushes).toBe(2);
  });

  it('has at most one flush in flight', async () => {
    let inFlight = 0;
    let most = 0;
    const disk = await formedDisk();
    const storage = await open(disk);
    const original = disk.start.bind(disk);
    disk.start = (operation, now, later, done) => {
      if (operation.kind !== 'write-and-flush') return original(operation, now, later, done);
      most = Math.max(most, ++inFlight);
      original(operation, now, later, (error, result) => {
        inFlight--;
        done(error, result);
      });
    };
    const done = persisted(storage, 50);
    for (const n of range(1, 50)) storage.persist(write(n, [entry(n)], { promised: n % 10 === 0 ? n : 0 }));
    await done;
    expect(most).toBe(1);
  });

  it('makes the promise durable in both copies before the entries that came with it', async () => {
    const order: string[] = [];
    let recording = false;
    const disk = await formedDisk(
      simulatedDisk({
        fault: ({ kind, path }) => {
          if (recording && kind === 'write-and-flush') order.push(path.replace(/\d+/, ''));
          return null;
        },
      }),
    );
    const storage = await open(disk);
    recording = true;
    const done = persisted(storage, 1);
    storage.persist(write(1, [entry(1)], { promised: 2 }));
    await done;
    expect(order).toEqual(['promise-a', 'promise-b', 'wal-']);
  });
});

describe('a failed flush', () => {
  const failing = (after: number, fault: DiskFault) => {
    let seen = 0;
    return ({ kind }: DiskOperation): DiskFault | null => (kind === 'write-and-flush' && ++seen > after ? fault : null);
  };

  it.each(['error', 'cache-gone', 'full'] as const)(
    'is final: nothing is acknowledged after %s (P14)',
    async (fault) => {
      const disk = await formedDisk(simulatedDisk({ fault: failing(2, fault) }));
      const storage = await open(disk);
      const reported: number[] = [];
      const errors: string[] = [];
      storage.onPersisted((id) => reported.push(id));
      const failed = new Promise<void>((resolve) => {
        storage.onFailed((error) => {
          errors.push(error.reason);
          resolve();
        });
      });
      for (const n of range(1, 6)) storage.persist(write(n, [entry(n)], { promised: n === 6 ? 3 : 0 }));
      await failed;
      storage.persist(write(7, [entry(7)]));
      await storage.close();
      expect(errors).toEqual([fault === 'full' ? 'full' : 'io']);
      expect(Math.max(0, ...reported)).toBeLessThan(6);
      const again = await open(disk.crash(powerLoss, { fault: () => null }));
      expect(instancesOf(again)).toEqual(expect.arrayContaining(range(1, Math.max(0, ...reported))));
    },
  );

  it('does not let the next process trust what only the cache has (P15)', async () => {
    // 1. The flush of 3 fails; its bytes stay in the cache, clean. 2. Only the process dies. 3. The next process finds 3
    // and reports it as recovered. 4. The power goes. Entry 3 must still be there.
    const disk = await formedDisk(simulatedDisk({ fault: failing(2, 'error') }));
    const storage = await open(disk);
    await writeEach(storage, entries(1, 2));
    const failed = persisted(storage, 3);
    storage.persist(write(3, [entry(3)]));
    await expect(failed).rejects.toThrow('input/output error');

    const second = disk.crash({ writes: 'process' }, { fault: () => null });
    const recovered = instancesOf(await open(second));
    expect(recovered).toEqual([1, 2, 3]);

    const third = await open(second.crash(powerLoss));
    expect(instancesOf(third)).toEqual([1, 2, 3]);
    await third.close();
  });

  it('of a promise is not trusted either (P15)', async () => {
    const disk = await formedDisk(
      simulatedDisk({
        fault: ({ kind, path }) => (kind === 'write-and-flush' && path === 'promise-a' ? 'error' : null),
      }),
    );
    const storage = await open(disk);
    const failed = persisted(storage, 1);
    storage.persist(write(1, [], { promised: 9 }));
    await expect(failed).rejects.toThrow();
    const second = disk.crash({ writes: 'process' }, { fault: () => null });
    const found = (await open(second)).recovered.promise.ballot.round;
    const third = await open(second.crash(powerLoss));
    expect(found).toBe(9);
    expect(third.recovered.promise.ballot.round).toBe(9);
  });
});

/** As `disk`, but every read that touches byte `at` of file `name` fails. */
function withBadSector(disk: Disk, name: string, at: number): Disk {
  const bound = <Target extends object>(target: Target, key: string | symbol): unknown => {
    const member: unknown = Reflect.get(target, key);
    return typeof member === 'function' ? member.bind(target) : member;
  };
  const badFile = (file: DiskFile): DiskFile =>
    new Proxy(file, {
      get: (target, key) =>
        key === 'read'
          ? (offset: number, length: number) =>
              offset <= at && at < offset + length
                ? Promise.reject(new DiskError('io', name, 'input/output error'))
                : target.read(offset, length)
          : bound(target, key),
    });
  return new Proxy(disk, {
    get: (target, key) =>
      key === 'open'
        ? async (path: string, options: { create: false | 'exclusive' }) => {
            const file = await target.open(path, options);
            return path === name ? badFile(file) : file;
          }
        : bound(target, key),
  });
}

describe('a damaged log', () => {
  /** Its clean stop writes down how far the log goes; a kill does not. */
  async function written({ count = 6, stopped = true } = {}): Promise<SimulatedDisk> {
    const disk = await formedDisk();
    const storage = await open(disk, { segmentBytes: 64 * 1024 });
    await writeEach(storage, entries(1, count));
    if (!stopped) return disk.crash({ writes: 'process' });
    await storage.close();
    return disk;
  }
  /** Groups of one small entry are 1024 bytes; the first one of a start stands before them. */
  const groupAt = (n: number): number => 512 + n * 1024;
  const damage = (disk: SimulatedDisk, offset: number, bytes: Uint8Array, name = 'wal-00000001'): void =>
    disk.inode(name).overwrite(offset, bytes);
  const reopened = (disk: SimulatedDisk): Promise<ReplicaStorage> =>
    open(disk.crash(powerLoss), { segmentBytes: 64 * 1024 });

  const texts = (from: number, to: number): string[] => range(from, to).map((n) => `value ${n}`);

  it('names file, offset and instance of a bad record, with the ballot, and gives everything else', async () => {
    const disk = await written();
    damage(disk, groupAt(3) + 120, Buffer.from('rot'));
    const storage = await reopened(disk);
    expect(found(storage, 7)).toEqual([...texts(1, 2), 'bad@1', ...texts(4, 6), 'nothing']);
    expect(storage.recovered.damage).toMatchObject([{ file: 'wal-00000001', offset: groupAt(3) }]);
    expect(storage.recovered.chosenUpTo).toBe(5);
    expect(storage.recovered.bad[0]?.identity?.digest).toEqual(digest.entry(encodeValue(entry(3).value)));
    await storage.close();
  });

  it('says so again at every later start, until a later record takes the place of the bad one', async () => {
    const disk = await written();
    damage(disk, groupAt(3) + 120, Buffer.from('rot'));
    let next = disk;
    for (const start of range(1, 4)) {
      next = next.crash(powerLoss);
      const storage = await open(next, { segmentBytes: 64 * 1024 });
      expect(found(storage, 6)).toEqual([...texts(1, 2), 'bad@1', ...texts(4, 6)]);
      expect(storage.recovered.damage).toHaveLength(start === 1 ? 1 : 0);
      if (start === 4) await writeEach(storage, [entry(3, { round: 2, text: 'repaired' })]);
    }
    const repaired = await open(next.crash(powerLoss));
    expect(found(repaired, 6)).toEqual([...texts(1, 2), 'repaired', ...texts(4, 6)]);
    expect(repaired.recovered.bad).toEqual([]);
  });

  it('vouches only for what is there: what was chosen above a bad record is not called so by a later start', async () => {
    const disk = await written();
    damage(disk, groupAt(3) + 120, Buffer.from('rot'));
    const first = disk.crash(powerLoss);
    expect((await open(first)).recovered.chosenUpTo).toBe(5);
    expect((await open(first.crash(powerLoss))).recovered.chosenUpTo).toBe(2);
  });

  it('loses no acknowledged entry unseen at any bad byte of any group', async () => {
    const original = await written({ count: 4 });
    for (let at = 512; at < groupAt(5); at += 64) {
      const disk = original.copy();
      const byte = disk.inode('wal-00000001').durable.get(at, 1);
      damage(disk, at, Buffer.from([(byte[0] as number) ^ 0x10]));
      const result = found(await reopened(disk), 4);
      expect(result).not.toContain('nothing');
      expect(result.filter((text) => text.startsWith('bad')).length).toBeLessThanOrEqual(1);
    }
  });

  it('loses none with any two neighbouring sectors of it overwritten, or with both copies of the identities', async () => {
    const original = await written({ count: 5 });
    for (let at = 512; at < groupAt(6) - 512; at += 512) {
      const disk = original.copy();
      damage(disk, at, Buffer.alloc(1024, 0x5a));
      expect(found(await reopened(disk), 5), `at ${at}`).not.toContain('nothing');
    }
  });

  it('makes every instance bad that was open where a whole group is gone, and no other', async () => {
    const disk = await written({ count: 8 });
    damage(disk, groupAt(4), Buffer.alloc(1024, 0x5a));
    // The group before says that 2 is chosen, the one after it that 4 was the highest before it.
    expect(found(await reopened(disk), 9)).toEqual([...texts(1, 2), 'bad', 'bad', ...texts(5, 8), 'nothing']);
  });

  it('of which a group has lost a record and the identities too misses none of them, though that group calls them chosen', async () => {
    const disk = await formedDisk();
    const storage = await open(disk, { segmentBytes: 64 * 1024 });
    const done = persisted(storage, 2);
    storage.persist(write(1, entries(1, 2), { chosenUpTo: 2 }));
    storage.persist(write(2, entries(3, 7), { chosenUpTo: 7 }));
    await done;
    await writeEach(storage, entries(8, 9), 3);
    const crashed = disk.crash(powerLoss);
    // The third of its records, and the sector with the second copy of what they are.
    const bytes = crashed.inode('wal-00000001').durable.get(0, 64 * 1024);
    const at = bytes.indexOf('value 5');
    const tail = Math.ceil((at + 200) / 512) * 512;
    damage(crashed, at, Buffer.from('rot'));
    damage(crashed, tail + 100, Buffer.from('rot'));
    const result = found(await open(crashed), 9);
    expect(result).not.toContain('nothing');
    expect(result.slice(4, 7)).toEqual(['bad', 'bad', 'bad']);
  });

  it('that ends with a group of which nothing is left is bad from there on without end', async () => {
    const disk = await written();
    damage(disk, groupAt(6), Buffer.alloc(1024, 0x5a));
    const storage = await reopened(disk);
    expect(storage.recovered.bad).toEqual([{ instance: 5, upTo: endless, identity: null }]);
    expect(instancesOf(storage)).toEqual(range(1, 4));
  });

  it('of which the record that named a range as bad is lost in turn, but for its identity, has all of that range bad still', async () => {
    const disk = await written();
    damage(disk, groupAt(6), Buffer.alloc(1024, 0x5a));
    const crashed = disk.crash(powerLoss);
    // This start writes down that everything from 5 on is bad, in the first group of the segment that takes over.
    const storage = await open(crashed, { segmentBytes: 64 * 1024 });
    const current = segmentsOf(crashed)[1];
    const alone = crashed.copy().crash(powerLoss);
    damage(alone, groupAt(0) + groupHeaderBytes + 4, Buffer.from('rot'), current as string);
    const again = await open(alone, { segmentBytes: 64 * 1024 });
    expect(found(again, 9)).toEqual([...texts(1, 4), 'bad', 'bad', 'bad', 'bad', 'bad']);
    expect(again.recovered.bad.at(-1)?.upTo).toBe(endless);

    // The next group says how far any record before it reached, and what was written after it counts.
    await writeEach(storage, entries(5, 7), 1);
    const followed = crashed.crash(powerLoss);
    damage(followed, groupAt(0) + groupHeaderBytes + 4, Buffer.from('rot'), current as string);
    expect(found(await open(followed), 9)).toEqual([...texts(1, 7), 'bad', 'bad']);
  });

  it('is bad from its end on when its end is older than the manifest says', async () => {
    const disk = (await written()).crash(powerLoss);
    // A snapshot or a new segment would have stamped it; here a local flag does.
    const storage = await open(disk);
    await writeEach(storage, entries(7, 9));
    await storage.setFlags({ quarantined: true });
    const cut = disk.crash(powerLoss);
    const current = segmentsOf(cut)[1] as string;
    damage(cut, groupAt(1), Buffer.alloc(3 * 1024), current);
    const again = await open(cut);
    expect(again.recovered.damage[0]?.problem).toMatch(/has been acknowledged/);
    expect(found(again, 9).slice(6)).toEqual(['bad', 'bad', 'bad']);
    expect(again.recovered.flushNumber).toBeGreaterThan(1_000_000);
  });

  it('takes a good group in a wrong place for damage (P26)', async () => {
    const disk = await written();
    const group = disk.inode('wal-00000001').durable.get(groupAt(5), 1024);
    damage(disk, groupAt(2), group);
    expect(found(await reopened(disk), 6)).toEqual(['bad', 'bad', ...texts(3, 6)]);
  });

  it('finds by a stale neighbour that groups before it went missing (P26, D6)', async () => {
    const disk = (await written({ count: 40 })).crash(powerLoss);
    const storage = await open(disk, { segmentBytes: 4096 });
    await writeEach(storage, entries(41, 60));
    const crashed = disk.crash(powerLoss);
    // Segments of three groups: the last two groups of one are gone without a trace, as after a lost write (D6).
    damage(crashed, groupAt(1), Buffer.alloc(2048), segmentsOf(crashed).at(-4) as string);
    const result = found(await open(crashed), 60);
    expect(result).not.toContain('nothing');
    expect(result.filter((text) => text === 'bad')).toHaveLength(3);
  });

  it('with an unreadable sector in the middle gives everything else (D4)', async () => {
    const disk = await written();
    const broken = withBadSector(disk.crash(powerLoss), 'wal-00000001', groupAt(3));
    expect(found(await open(broken), 6)).toEqual([...texts(1, 2), 'bad@1', ...texts(4, 6)]);
  });

  it('refuses the segment of another member; a missing or short one has lost what it held', async () => {
    const disk = await written();
    const other = simulatedDisk();
    const foreign = disk.copy();
    await ReplicaStorage.form(other, formation('n2'));
    await (await open(other, { expectName: 'n2', segmentBytes: 64 * 1024 })).close();
    damage(foreign, 0, other.inode('wal-00000001').durable.get(0, 512));
    await expect(reopened(foreign)).rejects.toThrow(/belongs to member n2#1/);
    await expect(reopened(foreign)).rejects.toThrow(WalCorruptError);

    const missing = disk.copy();
    missing.image.names.delete('wal-00000001');
    const without = await open(missing.crash({ writes: 'process' }));
    expect(without.recovered.bad).toEqual([{ instance: 1, upTo: endless, identity: null }]);

    const short = disk.copy();
    short.inode('wal-00000001').truncate(3000);
    const cut = await reopened(short);
    expect(cut.recovered.damage[0]?.problem).toMatch(/3000 bytes instead of/);
    expect(found(cut, 6)).toEqual([...texts(1, 1), ...range(2, 6).map(() => 'bad')]);
  });

  it('may have lost what no other file knows of where nothing is left of a segment, not even its header', async () => {
    const disk = await formedDisk();
    const writing = await open(disk);
    await writeEach(writing, entries(1, 5));
    // The one after it is prepared.
    await writing.checkSpace();
    const [, prepared] = segmentsOf(disk) as [string, string];
    expect(disk.inode(prepared).durable.get(512, 4_000).equals(Buffer.alloc(4_000))).toBe(true);
    disk.inode(prepared).overwrite(0, Buffer.alloc(disk.inode(prepared).durable.size));
    const storage = await open(disk.crash(powerLoss));
    expect(storage.recovered.damage).toMatchObject([{ file: prepared, problem: expect.stringContaining('not even') }]);
    // The fifth was accepted and not known as chosen: a later record may have been of it too.
    expect(storage.recovered.bad).toEqual([{ instance: 5, upTo: endless, identity: null }]);
    expect(found(storage, 6)).toEqual([...texts(1, 4), 'bad', 'bad']);
  });

  it('with a bad segment header gives all its groups', async () => {
    const disk = (await written()).crash(powerLoss);
    const storage = await open(disk, { segmentBytes: 64 * 1024 });
    await writeEach(storage, entries(7, 9));
    const crashed = disk.crash(powerLoss);
    for (const name of segmentsOf(crashed).slice(0, 2)) {
      const rotten = crashed.copy();
      damage(rotten, 30, Buffer.from('rot'), name);
      expect(found(await open(rotten), 9)).toEqual(texts(1, 9));
    }
  });

  it('is bad without end where its header is gone, which has its length, and nothing shows that it went no further', async () => {
    const disk = await written();
    const killed = await written({ stopped: false });
    for (const [rotten, whole] of [disk, killed].flatMap((one) => [0, 1, 512].map((it) => [one, it] as const))) {
      const cut = rotten.copy();
      damage(cut, 30, Buffer.from('rot'));
      cut.inode('wal-00000001').truncate(groupAt(4) + whole);
      const storage = await reopened(cut);
      // The third may have been accepted anew in what is gone.
      expect(storage.recovered.bad).toEqual([{ instance: 3, upTo: endless, identity: null }]);
      expect(found(storage, 2)).toEqual(texts(1, 2));
    }
    damage(disk, 30, Buffer.from('rot'));
    // Zeros that came behind what was cut are not those of a segment that was made ready: these are whole sectors.
    const longer = killed.copy();
    damage(longer, 30, Buffer.from('rot'));
    longer.inode('wal-00000001').truncate(groupAt(4));
    longer.inode('wal-00000001').overwrite(groupAt(4), Buffer.alloc(2_867));
    expect((await reopened(longer)).recovered.bad).toEqual([{ instance: 3, upTo: endless, identity: null }]);
    const room = disk.copy();
    room.inode('wal-00000001').truncate(groupAt(7) + 512);
    expect(found(await reopened(room), 6)).toEqual(texts(1, 6));
    expect((await reopened(room)).recovered.bad).toEqual([]);
  });

  it('gives up a torn last group, which was never acknowledged', async () => {
    const disk = (await written()).crash(powerLoss);
    const storage = await open(disk);
    storage.persist(write(1, [entry(7, { bytes: 3000 })]));
    const torn = disk.crash({ writes: 'torn', tornSectors: 3 });
    const again = await open(torn);
    expect(instancesOf(again)).toEqual(range(1, 6));
  });
});

describe('the promise', () => {
  async function promised(): Promise<SimulatedDisk> {
    const disk = await formedDisk();
    const storage = await open(disk);
    const done = persisted(storage, 1);
    storage.persist(write(1, [entry(1, { round: 5 })], { promised: 5 }));
    await done;
    await storage.close();
    return disk;
  }
  const round = async (disk: SimulatedDisk): Promise<number> =>
    (await open(disk.crash({ writes: 'process' }))).recovered.promise.ballot.round;

  it.each(['promise-a', 'promise-b'])('survives the loss of %s, which is made anew', async (name) => {
    const rotten = await promised();
    rotten.inode(name).overwrite(20, Buffer.from('rot'));
    expect(await round(rotten)).toBe(5);
    const missing = rotten.copy();
    missing.image.names.delete(name);
    expect(await round(missing)).toBe(5);
    const other = name === 'promise-a' ? 'promise-b' : 'promise-a';
    missing.inode(other).overwrite(0, Buffer.alloc(4096));
    expect(await round(missing)).toBe(5);
  });

  it('is never taken as none when both copies are lost (P19)', async () => {
    const zeroed = await promised();
    for (const name of ['promise-a', 'promise-b']) zeroed.inode(name).overwrite(0, Buffer.alloc(4096));
    await expect(round(zeroed)).rejects.toThrow(PromiseLostError);
    const removed = await promised();
    for (const name of ['promise-a', 'promise-b']) removed.image.names.delete(name);
    await expect(round(removed)).rejects.toThrow(PromiseLostError);
  });

  it('is the higher one when two good copies disagree', async () => {
    const disk = await promised();
    const older = disk.inode('promise-b').durable.get(0, 4096);
    const storage = await open(disk.crash({ writes: 'process' }));
    const done = persisted(storage, 1);
    storage.persist(write(1, [], { promised: 8 }));
    await done;
    disk.inode('promise-b').overwrite(0, older);
    expect(await round(disk)).toBe(8);
  });

  it('is lost when both copies were rolled back to an older state', async () => {
    const disk = await promised();
    const older = ['promise-a', 'promise-b'].map((name) => disk.inode(name).durable.get(0, 4096));
    const storage = await open(disk.crash({ writes: 'process' }));
    const done = persisted(storage, 1);
    storage.persist(write(1, [], { promised: 8 }));
    await done;
    for (const [i, name] of ['promise-a', 'promise-b'].entries()) disk.inode(name).overwrite(0, older[i] as Buffer);
    await expect(round(disk)).rejects.toThrow(PromiseLostError);
  });

  /** Goes on as another process that promises more; `older` are the copies from before that. */
  async function raised(): Promise<{
    disk: SimulatedDisk;
    storage: ReplicaStorage;
    rollBack: (it: SimulatedDisk) => void;
  }> {
    const before = await promised();
    const older = ['promise-a', 'promise-b'].map((name) => before.inode(name).durable.get(0, 4096));
    const disk = before.crash({ writes: 'process' });
    const storage = await open(disk);
    const done = persisted(storage, 1);
    storage.persist(write(1, [], { promised: 8 }));
    await done;
    const rollBack = (it: SimulatedDisk): void => {
      for (const [i, name] of ['promise-a', 'promise-b'].entries()) it.inode(name).overwrite(0, older[i] as Buffer);
    };
    return { disk, storage, rollBack };
  }

  it('that was rolled back together with the loss of the log is missed by whoever has heard of it', async () => {
    const { disk, storage, rollBack } = await raised();
    const heard = storage.history;
    const lost = disk.crash({ writes: 'process' });
    for (const name of segmentsOf(lost)) lost.image.names.delete(name);
    expect(contradiction(heard, (await open(lost.copy())).history)).toBeNull();
    rollBack(lost);
    expect(contradiction(heard, (await open(lost.copy())).history)).toMatchObject({ kind: 'promise-missing' });
  });

  it('is lost when it is older than an earlier start found it, whatever became of the log', async () => {
    const { disk, rollBack } = await raised();
    const later = disk.crash({ writes: 'process' });
    await (await open(later)).close();
    rollBack(later);
    for (const name of segmentsOf(later)) later.image.names.delete(name);
    await expect(round(later)).rejects.toThrow(PromiseLostError);
  });
});
