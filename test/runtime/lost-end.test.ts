/**
 * A disk that has lost the end of its log, and with it perhaps the only sign that its promise is an older one: whom it compares with before
 * it votes. Source: design §4 (fence, repair by item); pitfalls P19, P22.
 */
import { describe, expect, it } from 'vitest';
import { endless } from '../../src/core/consensus/bad-item.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { comparisonOf } from '../../src/runtime/member-fence.ts';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import type { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { entry, formedDisk, kill, open, persisted, range, write } from '../storage/support.ts';

const segmentsOf = (disk: SimulatedDisk): string[] =>
  [...disk.image.names.keys()].filter((name) => name.startsWith('wal-')).sort();

/** Of three starts, each with something in the log. */
async function lived(): Promise<SimulatedDisk> {
  let disk = await formedDisk();
  for (const n of range(1, 3)) {
    const storage = await open(disk);
    const done = persisted(storage, 1);
    storage.persist(write(1, [entry(n)], { promised: n, chosenUpTo: n - 1 }));
    await done;
    disk = disk.crash(kill);
  }
  return disk;
}

function without(disk: SimulatedDisk, segment: string | undefined): SimulatedDisk {
  disk.image.names.delete(segment as string);
  return disk;
}

const ruleOf = (storage: ReplicaStorage, moved: string | null = null): Promise<string> =>
  comparisonOf(storage, moved, silentLogger);

describe('a disk', () => {
  it('that has lost the last file of its log is compared by all other voters', async () => {
    const disk = await lived();
    const storage = await open(without(disk, segmentsOf(disk).at(-1)));
    expect(storage.recovered.endLost).toBe(true);
    expect(await ruleOf(storage)).toBe('voters');
  });

  it('is so at every later start, whatever it has written meanwhile, until the others have said from where on it does not matter', async () => {
    const disk = await lived();
    let storage = await open(without(disk, segmentsOf(disk).at(-1)));
    for (const n of [4, 5]) {
      const done = persisted(storage, 1);
      storage.persist(write(1, [entry(n)], { chosenUpTo: 2 }));
      await done;
      storage = await open(disk);
      expect(storage.recovered.bad.at(-1)?.upTo).toBe(endless);
      expect(await ruleOf(storage)).toBe('voters');
    }
  });

  it('that is whole, or has lost an earlier file, is compared by a majority', async () => {
    const disk = await lived();
    expect(await ruleOf(await open(disk.copy()))).toBe('majority');
    const storage = await open(without(disk, segmentsOf(disk)[0]));
    expect(storage.recovered.damage).not.toEqual([]);
    expect(await ruleOf(storage)).toBe('majority');
  });

  it('that was copied besides is compared by all members; that it was moved says nothing of what it has lost', async () => {
    const disk = await lived();
    without(disk, segmentsOf(disk).at(-1));
    const bytes = disk.inode('IDENTITY').durable.get(0, 1);
    disk.image.names.delete('IDENTITY');
    disk.plant('IDENTITY', bytes);
    const storage = await open(disk);
    expect(storage.recovered).toMatchObject({ copied: true, endLost: true });
    expect(await ruleOf(storage)).toBe('all');
    expect(await ruleOf(storage, storage.recovered.previousBoot)).toBe('voters');
  });
});
