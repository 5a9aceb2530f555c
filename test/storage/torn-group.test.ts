/**
 * The group that was being flushed when the power went: any subset of its sectors may be there, and it may be given up. A
 * flushed group of which a byte has changed looks different, and is never given up (pitfalls D1, P16, P17).
 */
import { describe, expect, it } from 'vitest';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import type { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { entries, entry, formedDisk, found, open, persisted, range, textOf, write, writeEach } from './support.ts';

const big = { segmentBytes: 64 * 1024 };
const instancesOf = (storage: ReplicaStorage): number[] => storage.recovered.entries.map(({ instance }) => instance);

/** Entries 1 to 3 are flushed, one group each; a group of entries from 4 on is on its way, `bytes` in each value. */
async function inFlight(values: readonly number[], text = 'text '): Promise<SimulatedDisk> {
  const disk = await formedDisk();
  const storage = await open(disk, big);
  await writeEach(storage, entries(1, 3));
  storage.persist(
    write(
      4,
      values.map((bytes, i) => entry(4 + i, { bytes, text })),
    ),
  );
  disk.halt(); // its flush never ends
  return disk;
}

const sectorsInFlight = (disk: SimulatedDisk): number =>
  (disk.inode('wal-00000001').pending.at(-1)?.bytes.length ?? 0) / 512;

const subset =
  (bits: number) =>
  (sector: number): boolean =>
    (bits & (1 << sector)) !== 0;

/** Sectors of the group that was flushed last, which is the one of `values`. */
async function flushed(values: readonly number[], text?: string): Promise<{ disk: SimulatedDisk; at: number[] }> {
  const disk = await inFlight(values, text);
  const start = disk.inode('wal-00000001').pending.at(-1)?.offset ?? 0;
  const count = sectorsInFlight(disk);
  return {
    disk: disk.crash({ writes: 'kept', names: 'kept' }),
    at: Array.from({ length: count }, (_, i) => start + i * 512),
  };
}

describe('a group torn by a power loss', () => {
  it.each([
    ['one small value', [10]],
    ['some values', [100, 700, 300]],
    ['one value of some sectors', [2_500]],
    ['an empty group', []],
  ])('is whole or given up, whichever of its sectors are there: %s', async (_, values) => {
    const disk = await inFlight(values);
    const count = sectorsInFlight(disk);
    expect(count).toBeGreaterThanOrEqual(2);
    const found = new Set<number>();
    for (let bits = 0; bits < 1 << count; bits++) {
      const storage = await open(disk.copy().crash({ writes: 'torn', tornSectors: subset(bits) }), big);
      const instances = instancesOf(storage);
      expect([range(1, 3), range(1, 3 + values.length)]).toContainEqual(instances);
      found.add(instances.length);
    }
    expect(found.size).toBe(values.length === 0 ? 1 : 2);
  });

  it.each([
    ['zeros to the end of the group', [3_000], '\0'],
    ['zeros in the middle', [1_500, 40, 1_200], '\0'],
    ['a value that is written from where it lies', [9_000], '\0'],
  ])('is given up although whole sectors of it are zeros by intent: %s', async (_, sizes, text) => {
    const disk = await inFlight(sizes, text.repeat(2_000));
    const count = sectorsInFlight(disk);
    for (let missing = 0; missing < count; missing++) {
      const storage = await open(
        disk.copy().crash({ writes: 'torn', tornSectors: (sector) => sector !== missing }),
        big,
      );
      expect([range(1, 3), range(1, 3 + sizes.length)]).toContainEqual(instancesOf(storage));
    }
  });

  it('says in the log what it gave up', async () => {
    const lines: object[] = [];
    const logger = { info: (facts: object) => lines.push(facts), warn: (facts: object) => lines.push(facts) };
    const disk = await inFlight([2_000]);
    await open(disk.copy().crash({ writes: 'torn', tornSectors: (sector) => sector !== 2 }), { ...big, logger });
    expect(lines).toMatchObject([{ file: 'wal-00000001', offset: 512 + 4 * 1024, flush: expect.any(Number) }]);
    await open(disk.copy().crash({ writes: 'torn', tornSectors: (sector) => sector === 2 }), { ...big, logger });
    expect(lines[1]).toMatchObject({ file: 'wal-00000001', offset: 512 + 4 * 1024, flush: null });
  });

  it('is torn also when a process was killed in the middle of its first sector', async () => {
    const disk = await inFlight([2_000]);
    const after = disk.crash({ writes: 'torn', tornSectors: 1 });
    after.inode('wal-00000001').overwrite(512 + 4 * 1024 + 100, Buffer.alloc(412));
    expect(instancesOf(await open(after, big))).toEqual(range(1, 3));
  });
});

describe('a flushed last group', () => {
  it.each([
    ['text', 'text '],
    ['whole sectors of zeros', '\0'.repeat(3_000)],
  ])('with any changed byte is whole or bad, never given up: %s', async (_, text) => {
    const { disk, at } = await flushed([10, 1_200], text);
    for (const start of at) {
      for (const offset of [0, 5, 63, 64, 70, 300, 480, 511]) {
        const rotten = disk.copy();
        const inode = rotten.inode('wal-00000001');
        const byte = inode.durable.get(start + offset, 1)[0] as number;
        inode.overwrite(start + offset, Buffer.from([byte ^ 0x24]));
        expect(found(await open(rotten, big), 5)).not.toContain('nothing');
      }
    }
  });

  it('is bad when another group was begun after it, even if only a part of that is there', async () => {
    const disk = await formedDisk();
    const storage = await open(disk, big);
    await writeEach(storage, entries(1, 3));
    storage.persist(write(4, [entry(4, { bytes: 2_000 })]));
    disk.halt();
    const count = sectorsInFlight(disk);
    // Entry 3 is flushed; its first sector turns into zeros, as a lost write would leave it.
    for (let bits = 1; bits < 1 << count; bits++) {
      const after = disk.copy().crash({ writes: 'torn', tornSectors: subset(bits) });
      after.inode('wal-00000001').overwrite(512 + 3 * 1024 + 512, Buffer.alloc(512));
      after.inode('wal-00000001').overwrite(512 + 3 * 1024 + 80, Buffer.from('rot'));
      expect(found(await open(after, big), 3)).toEqual([
        'value 1',
        expect.stringMatching(/^(bad|value 2)$/),
        expect.stringMatching(/^bad/),
      ]);
    }
  });

  it('is bad when a later segment was written to', async () => {
    const disk = await formedDisk();
    const small = { segmentBytes: 4 * 1024 };
    const storage = await open(disk, small);
    await writeEach(storage, entries(1, 12));
    const names = [...disk.image.names.keys()].filter((name) => name.startsWith('wal-')).sort();
    const used = names.filter((name) =>
      disk
        .inode(name)
        .durable.get(512, 512)
        .some((byte) => byte !== 0),
    );
    const [before, last] = used.slice(-2) as [string, string];
    const after = disk.crash({ writes: 'lost', names: 'lost' });
    after.inode(before).overwrite(512 + 2 * 1024, Buffer.alloc(512));
    // Of the group in the later segment only the tail is left.
    after.inode(last).overwrite(512, Buffer.alloc(512));
    const again = await open(after, small);
    expect(again.recovered.damage.map(({ problem }) => problem).join()).toMatch(/was flushed before/);
    expect(found(again, 12)).not.toContain('nothing');
  });

  it('cannot be lost unseen while nobody runs: a clean stop says how far the log went', async () => {
    const disk = await formedDisk();
    const storage = await open(disk, big);
    const done = persisted(storage, 1);
    storage.persist(write(1, [entry(1, { bytes: 2_000 })]));
    await done;
    await storage.close();
    const again = disk.copy().crash({ writes: 'lost', names: 'lost' });
    for (const sector of [0, 2]) {
      const damaged = again.copy();
      damaged.inode('wal-00000001').overwrite(512 + 1024 + sector * 512, Buffer.alloc(512));
      const storageNow = await open(damaged, big);
      expect(storageNow.recovered.damage[0]?.problem).toMatch(/has been acknowledged/);
      expect(found(storageNow, 1)).toEqual(['bad']);
    }
    expect((await open(again, big)).recovered.entries.map(textOf)[0]).toContain('value 1');
  });
});
