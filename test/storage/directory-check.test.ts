/** `verify data-dir` on simulated disks: each kind of damage is found and named, and nothing is ever changed. */
import { describe, expect, it } from 'vitest';
import type { Disk } from '../../src/ports/disk.ts';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import { checkDirectory, type DirectoryReport } from '../../src/storage/directory-check.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { databaseView } from './database-view.ts';
import {
  digest,
  entries,
  formation,
  formedDisk,
  handle,
  open,
  persisted,
  simulatedDisk,
  takeOptions,
  write,
  writeEach,
} from './support.ts';

/** Two snapshots, some segments, both promises raised; stopped cleanly. */
async function stopped(name = 'n1'): Promise<SimulatedDisk> {
  const disk = simulatedDisk();
  await ReplicaStorage.form(disk, formation(name));
  const storage = await open(disk, { expectName: name });
  const promised = persisted(storage, 1);
  storage.persist(write(1, [], { promised: 4 }));
  await promised;
  await writeEach(storage, entries(1, 40), 2);
  await storage.takeSnapshot(handle(20), databaseView(20), takeOptions);
  await storage.takeSnapshot(handle(30), databaseView(90), takeOptions);
  await storage.close();
  return disk;
}

const check = (disk: Disk): Promise<DirectoryReport> => checkDirectory(disk, digest);
const bad = ({ checks }: DirectoryReport): string[] =>
  checks.filter(({ verdict }) => verdict === 'bad').map(({ what, detail }) => `${what}: ${detail}`);

/** Everything that lies on it. */
const contentOf = (disk: SimulatedDisk): string =>
  JSON.stringify(
    [...disk.image.names.keys()].sort().map((name) => {
      try {
        const { durable } = disk.inode(name);
        return [name, Buffer.from(digest.sha256(durable.get(0, durable.size))).toString('hex')];
      } catch {
        return [name];
      }
    }),
  );

const files = ['MANIFEST', 'promise-a', 'promise-b', 'wal-', 'snapshot-', 'snapshot-', 'wal-'];
const nameOf = (disk: SimulatedDisk, start: string, last = false): string => {
  const names = [...disk.image.names.keys()].filter((name) => name.startsWith(start)).sort();
  return (last ? names.at(-1) : names[0]) as string;
};

describe('the check of a data directory', () => {
  it('finds nothing in one that was stopped, nor in one that was killed at any moment', async () => {
    const disk = await stopped();
    const report = await check(disk);
    expect(bad(report)).toEqual([]);
    expect(report).toMatchObject({ ok: true, state: 'formed', snapshotInstance: 30, unknown: [] });
    expect(report.chosenUpTo).toBeGreaterThanOrEqual(39);
    const whats = report.checks.map(({ what }) => what);
    expect(whats).toEqual(expect.arrayContaining(['MANIFEST', 'IDENTITY', 'promise-a', 'promise-b', 'order', 'log']));

    const running = await formedDisk();
    const storage = await open(running);
    await writeEach(storage, entries(1, 5));
    storage.persist(write(6, entries(6, 9)));
    for (const writes of ['process', 'lost', 'kept', 'torn', 'random', 'torn', 'random'] as const) {
      expect(bad(await check(running.crash({ writes, names: 'lost' }))), writes).toEqual([]);
    }
  });

  it('says of one that others have shown to be old that it will not start', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await storage.setRolledBack('n2 remembers flush 9.');
    await storage.close();
    const report = await check(disk);
    expect(bad(report)).toEqual([
      'state: older than what it acknowledged: n2 remembers flush 9; it will not start (exit 20)',
    ]);
    expect(report.checks.find(({ verdict }) => verdict === 'bad')?.remedy).toBe('newest-directory');
  });

  it('says of one of a level that this version does not speak that it will not start on it', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    await storage.setLevel(99);
    await storage.close();
    expect((await check(disk)).checks).toContainEqual({
      what: 'state',
      verdict: 'note',
      detail: 'of level 99: this version will not start on it (exit 22)',
    });
  });

  it('makes nothing of the empty folder that an attempt leaves which went through', async () => {
    const disk = await formedDisk();
    await disk.makeDirectory('attempts');
    await disk.makeDirectory('attempts/done');
    const whats = async (): Promise<string[]> => (await check(disk)).checks.map(({ what }) => what);
    expect(await whats()).not.toContain('attempts');
    disk.plant('attempts/done/state', Buffer.from('left'));
    expect(await whats()).toContain('attempts');
  });

  it('changes nothing, whatever it finds', async () => {
    const disk = await stopped();
    disk.plant('snapshot-00000099', Buffer.from('PXSN and an old state'));
    disk.inode('promise-b').overwrite(100, Buffer.from('rot'));
    const before = contentOf(disk);
    await check(disk);
    expect(contentOf(disk)).toBe(before);
  });

  it.each(files.map((start, at) => [start, at] as const))('finds a flipped bit in %s (%s)', async (start, at) => {
    const disk = await stopped();
    const name = nameOf(disk, start, at === 5);
    const inode = disk.inode(name);
    const { size } = inode.durable;
    const offset = start === 'wal-' ? 512 + 40 : size >> 1;
    const byte = inode.durable.get(offset, 1)[0] as number;
    // The blocks of a promise are mostly zeros, and each counts.
    inode.overwrite(offset, Buffer.from([byte ^ 4]));
    const report = await check(disk);
    expect(report.ok).toBe(false);
    expect(bad(report).join('\n')).toContain(name);
  });

  it.each(['MANIFEST', 'promise-a', 'wal-', 'snapshot-'])('finds that %s is missing, short or empty', async (start) => {
    for (const how of ['gone', 'short', 'empty'] as const) {
      const disk = await stopped();
      const name = nameOf(disk, start);
      if (how === 'gone') await disk.remove(name);
      else disk.inode(name).truncate(how === 'empty' ? 0 : disk.inode(name).durable.size - 1);
      const report = await check(disk);
      expect(report.ok, `${name} ${how}`).toBe(false);
      expect(bad(report).join('\n'), `${name} ${how}`).toContain(name);
    }
  });

  it('finds a file that was put back to an older state by itself, though each is whole', async () => {
    for (const name of ['MANIFEST', 'promise']) {
      const disk = await formedDisk();
      await (await open(disk)).close();
      const names = name === 'promise' ? ['promise-a', 'promise-b'] : [name];
      const old = names.map((it) => disk.inode(it).durable.get(0, disk.inode(it).durable.size));
      const storage = await open(disk);
      const promised = persisted(storage, 1);
      storage.persist(write(1, entries(1, 1), { promised: 9 }));
      await promised;
      await storage.close();
      for (const [at, it] of names.entries()) {
        disk.inode(it).truncate(0);
        disk.inode(it).overwrite(0, old[at] as Buffer);
      }
      expect(bad(await check(disk)).join('\n'), name).toMatch(/boot|flush|leftover|does not belong|wal-/);
    }
  });

  it('tells what each leftover is: of when, of whom, and how far behind', async () => {
    const disk = await stopped();
    const other = await stopped('n2');
    const bytesOf = (from: SimulatedDisk, name: string): Buffer => {
      const { durable } = from.inode(name);
      return durable.get(0, durable.size);
    };
    const older = bytesOf(disk, nameOf(disk, 'snapshot-'));
    disk.plant('snapshot-old', older);
    disk.plant('wal-other', bytesOf(other, nameOf(other, 'wal-')));
    disk.plant('wal-own', bytesOf(disk, nameOf(disk, 'wal-')));
    disk.plant('MANIFEST.bak', bytesOf(disk, 'MANIFEST'));
    disk.plant('promise-copy', bytesOf(disk, 'promise-a'));
    disk.plant('promise-other', bytesOf(other, 'promise-a'));
    disk.plant('snapshot-half', older.subarray(0, 40));
    disk.plant('notes.txt', Buffer.from('hello'));
    const report = await check(disk);
    const what = Object.fromEntries(report.unknown.map((it) => [it.name, it.what]));
    expect(what['snapshot-old']).toMatch(/^snapshot of instance 20, (19|20) behind$/);
    expect(what['wal-other']).toBe('log segment of another member (n2#1)');
    expect(what['wal-own']).toMatch(/^log segment \d+ of this member, begun in its boot 1$/);
    expect(what['MANIFEST.bak']).toMatch(/^manifest of this member in its boot 1$/);
    expect(what['promise-copy']).toMatch(/^promise of this member of round 4/);
    expect(what['promise-other']).toBe('promise, damaged or of another member');
    expect(what['snapshot-half']).toBe('damaged snapshot');
    expect(what['notes.txt']).toBe('no file of this program');
    expect(report.ok).toBe(false);
    await expect(open(disk)).rejects.toMatchObject({
      files: expect.arrayContaining([expect.objectContaining({ name: 'snapshot-old', what: what['snapshot-old'] })]),
    });
  });

  it('judges no file of a folder without a manifest', async () => {
    expect(await check(simulatedDisk())).toMatchObject({ state: 'empty', ok: true });
    const strange = simulatedDisk();
    strange.plant('photo.jpg', Buffer.from('x'));
    expect(await check(strange)).toMatchObject({ state: 'foreign', ok: false });
    const forming = simulatedDisk();
    await ReplicaStorage.writeForming(forming, formation());
    expect(await check(forming)).toMatchObject({ state: 'forming', ok: true });
  });
});
