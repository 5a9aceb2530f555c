/**
 * A directory all of whose snapshots are bad, where the log does not lead to the state either: what it is worth at a start, and to
 * `recover collect`. The instances of a later generation begin at a multiple of 2^40: nobody counts through those that are missing.
 */
import { describe, expect, it } from 'vitest';
import { numbersApart } from '../../src/formats/history-points.ts';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import { readCollectable } from '../../src/storage/collect-source.ts';
import { inspect } from '../../src/storage/formation.ts';
import { databaseView } from './database-view.ts';
import { digest, entries, formedDisk, handle, open, takeOptions, writeEach } from './support.ts';

const first = numbersApart + 1;

/** Two snapshots, and a log that begins after the first instances. */
async function stopped(): Promise<SimulatedDisk> {
  const disk = await formedDisk();
  const storage = await open(disk, { segmentBytes: 4096 });
  await writeEach(storage, entries(first, first + 60));
  await storage.takeSnapshot(handle(first + 40), databaseView(20), takeOptions);
  await storage.takeSnapshot(handle(first + 50), databaseView(20), takeOptions);
  await storage.close();
  return disk;
}

const namesOf = (disk: SimulatedDisk, start: string): string[] =>
  [...disk.image.names.keys()].filter((name) => name.startsWith(start)).sort();

function loseSnapshots(disk: SimulatedDisk): void {
  for (const name of namesOf(disk, 'snapshot-')) disk.inode(name).truncate(100);
}

describe('a directory without its state', () => {
  it('is started on as it is, when the oldest part of its log is bad too', async () => {
    const disk = await stopped();
    loseSnapshots(disk);
    const [oldest = ''] = namesOf(disk, 'wal-');
    disk.inode(oldest).overwrite(512, Buffer.alloc(3584, 0xa5));
    const storage = await open(disk);
    expect(storage.recovered).toMatchObject({ snapshot: null, missingUpTo: first + 50 });
    await storage.close();
  });

  it('gives what it has accepted, and says up to where its state is gone', async () => {
    const disk = await stopped();
    loseSnapshots(disk);
    const { manifest } = await inspect(disk);
    const found = await readCollectable(disk, manifest as NonNullable<typeof manifest>, digest);
    expect(found).toMatchObject({ base: null, missingUpTo: first + 50 });
    expect(found.entries.at(-1)?.instance).toBe(first + 60);
    expect(found.notes.at(-1)).toBe(`its state up to instance ${first + 50} is gone`);
  });
});
