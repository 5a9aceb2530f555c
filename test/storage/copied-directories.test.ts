/**
 * Data directories that were copied file by file, with nobody there who remembers anything (design §4 "Copied directories"; PML §7: both of
 * its losses were such copies). Each is known for a copy, of whatever moment it is; none that was only stopped, killed or without power is.
 * `PAXOSCTL_TEST_FULL=1` tries 10,000.
 */
import { expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import {
  entry,
  formation,
  handle,
  kill,
  open,
  persisted,
  powerLoss,
  range,
  simulatedDisk,
  takeOptions,
  view,
  withoutTurns,
  write,
} from './support.ts';

const cases = process.env.PAXOSCTL_TEST_FULL === '1' ? 10_000 : 100;
/** Copies that are looked at of one life. */
const copiesPerLife = 20;

/** As `cp`, `rsync`, `tar` and a restore from a backup do it: the same names and bytes, other files. */
function copied(disk: SimulatedDisk, random: Random): SimulatedDisk {
  const copy = disk.copy();
  const names = [...copy.image.names].flatMap(([name, node]) => (node === 'folder' ? [] : [[name, node] as const]));
  // Some tools go by the alphabet, others by the directory.
  for (const [name, node] of random.shuffle(names)) {
    const bytes = node.cached.get(0, node.cached.size);
    copy.image.names.delete(name);
    copy.plant(name, bytes);
  }
  return copy;
}

/** A member's disk at several moments, running and not. */
async function life(random: Random): Promise<SimulatedDisk[]> {
  const moments: SimulatedDisk[] = [];
  let disk = simulatedDisk({ schedule: withoutTurns });
  await ReplicaStorage.form(disk, formation());
  let instance = 0;
  for (const _ of range(1, 1 + random.below(3))) {
    const storage = await open(disk);
    for (let id = 1; id <= 1 + random.below(8); id++) {
      const done = persisted(storage, id);
      instance++;
      storage.persist(
        write(id, [entry(instance)], { chosenUpTo: instance - 1, promised: random.chance(0.3) ? instance : 0 }),
      );
      await done;
      if (random.chance(0.3)) moments.push(disk.copy());
      if (random.chance(0.2)) await storage.takeSnapshot(handle(instance - 1), view(4), takeOptions);
    }
    if (random.chance(0.5)) await storage.close();
    moments.push(disk.copy());
    disk = disk.crash(random.chance(0.5) ? kill : powerLoss);
  }
  moments.push(disk);
  return moments;
}

const isCopied = async (disk: SimulatedDisk): Promise<boolean> => {
  const storage = await open(disk);
  await storage.close();
  return storage.recovered.copied;
};

it(`is known of ${cases} of ${cases} copies, and of no directory that was not copied`, async () => {
  const random = new Random('copied directories');
  for (let tried = 0; tried < cases; ) {
    const moments = await life(random);
    for (let n = 0; n < copiesPerLife && tried < cases; n++, tried++) {
      const moment = random.pick(moments);
      const how = random.chance(0.5) ? kill : powerLoss;
      expect(await isCopied(copied(moment.copy().crash(how), random)), `copy ${tried}`).toBe(true);
      expect(await isCopied(moment.copy().crash(how)), `original ${tried}`).toBe(false);
    }
  }
}, 280_000);
