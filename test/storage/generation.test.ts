/** How a new generation takes the place of the parent's files, cut short at every step of the disk. */
import { describe, expect, it } from 'vitest';
import type { Epoch, Instance } from '../../src/core/consensus/identity.ts';
import type { GenerationAttempt } from '../../src/formats/manifest.ts';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import { SnapshotCorruptError } from '../../src/storage/errors.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { digest, entries, formedDisk, handle, open, recordsOf, takeOptions, view, writeEach } from './support.ts';

const numbers = 2 ** 40;
const fenced: GenerationAttempt = {
  generation: 2,
  generationId: 'ab'.repeat(16),
  step: 'fenced',
  decision: '',
  source: '',
  state: null,
  before: null,
};

/** A member with a log and a snapshot, ready for generation 2, that has decided to begin it. */
async function decided(step: GenerationAttempt['step'] = 'active'): Promise<SimulatedDisk> {
  const disk = await formedDisk();
  const storage = await open(disk);
  await writeEach(storage, entries(1, 6));
  await storage.takeSnapshot(handle(4), view(3), takeOptions);
  await storage.setAttempt(fenced);
  const [from] = handle(4).configurations;
  const members = (from as NonNullable<typeof from>).configuration.members.map((it) => ({
    ...it,
    incarnation: numbers,
  }));
  const configuration = { ...(from as NonNullable<typeof from>).configuration, members };
  const first = view(5);
  const { bytes, sha256 } = await storage.writeState(fenced, {
    header: {
      cellId: 'cell-1',
      generation: 2,
      handle: {
        ...handle(numbers),
        epoch: numbers as Epoch,
        configurations: [{ from: (numbers + 1) as Instance, configuration }],
      },
      level: 1,
      logChain: new Uint8Array(32).fill(9),
      checksum: first.checksum,
      records: first.count,
      entries: 0,
    },
    records: first.records(),
    pause: () => Promise.resolve(),
  });
  const state = { instance: numbers, bytes, sha256 };
  await storage.setAttempt({ ...fenced, step, decision: '01'.repeat(32), state });
  await storage.close();
  return disk;
}

async function shows(disk: SimulatedDisk): Promise<void> {
  const storage = await open(disk);
  const { recovered, manifest } = storage;
  expect(recovered.identity).toMatchObject({ cell: { generation: 2 }, member: { name: 'n1', incarnation: numbers } });
  expect([recovered.snapshot?.handle.instance, recovered.chosenUpTo, recovered.entries]).toEqual([
    numbers,
    numbers,
    [],
  ]);
  expect(recovered.promise.ballot.round).toBe(0);
  expect(await recordsOf((recovered.snapshot as NonNullable<typeof recovered.snapshot>).records())).toHaveLength(5);
  expect([manifest.move, manifest.flags.frozen, manifest.freeze]).toEqual([null, false, null]);
  // Nothing of the parent is thrown away.
  const [folder] = await disk.list('former');
  const kept = (await disk.list(`former/${folder?.name}`)).map(({ name }) => name);
  expect(kept).toEqual(expect.arrayContaining(['promise-a', 'promise-b', 'snapshot-00000001']));
  expect(kept.some((name) => name.startsWith('wal-'))).toBe(true);
  // And there is nothing that somebody would have to look at.
  expect(await storage.leftovers()).toEqual([]);
  await storage.close();
}

describe('a generation that is decided as active', () => {
  it('is the present one from the next start on, with the files of its parent set aside', async () => {
    const disk = await decided();
    await shows(disk);
    await shows(disk);
  });

  it('begins also where what tells the directory from a copy is gone, and the next start says so', async () => {
    const disk = await decided();
    await disk.remove('IDENTITY');
    await shows(disk);
    const storage = await open(disk);
    expect(storage.recovered.copied).toBe(true);
    await storage.close();
  });

  it('is so too when the start was cut short at any step, by a kill or a power loss', async () => {
    const disk = await decided();
    let steps = 0;
    for (let step = 1; step < 500; step++) {
      let seen = 0;
      const cut = disk.copy().crash({ writes: 'process' }, { fault: () => (++seen === step ? 'halt' : null) });
      const done = await Promise.race([
        ReplicaStorage.beginGeneration(cut, digest, 0).then(() => true),
        halted(() => seen >= step),
      ]);
      for (const writes of ['lost', 'kept', 'random'] as const) {
        await shows(cut.copy().crash({ writes, names: writes }, { fault: () => null }));
      }
      steps = step;
      if (done) break;
    }
    expect(steps).toBeGreaterThan(15);
    expect(steps).toBeLessThan(499);
  });

  it.each(['fenced', 'ready'] as const)('is nothing while it is only %s', async (step) => {
    const disk = await decided(step);
    const storage = await open(disk);
    expect(storage.recovered.identity).toMatchObject({ cell: { generation: 1 }, member: { incarnation: 1 } });
    expect(storage.recovered.chosenUpTo).toBeGreaterThanOrEqual(5);
    await storage.close();
  });

  it('is refused, with everything as it was, when its state is not the one that was verified', async () => {
    const disk = await decided();
    const path = `attempts/${fenced.generationId}/state`;
    const file = await disk.open(path, { create: false });
    await file.write(200, Buffer.from('rot'));
    await file.flush();
    await file.close();
    await expect(open(disk)).rejects.toBeInstanceOf(SnapshotCorruptError);
    expect((await ReplicaStorage.inspect(disk)).manifest?.cell.generation).toBe(1);
    expect((await disk.list('')).map(({ name }) => name)).toContain('snapshot-00000001');
  });
});

/** Resolves with false once `reached`, and a little later, so that nothing runs on. */
async function halted(reached: () => boolean): Promise<boolean> {
  while (!reached()) await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  return false;
}
