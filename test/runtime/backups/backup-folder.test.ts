/** A directory of backups: what is written there is whole or not there, and what is let go was not needed, whatever fails and whenever. */
import { describe, expect, it } from 'vitest';
import type { BackupFolder } from '../../../src/ports/backups.ts';
import { type Disk, DiskError } from '../../../src/ports/disk.ts';
import {
  BackupRefusedError,
  backupName,
  backupsIn,
  type SavedFile,
  saveBackup,
} from '../../../src/runtime/backups/backup-folder.ts';
import type { DiskFault, DiskOperation } from '../../../src/simulator/disk.ts';
import { checkSnapshotFile } from '../../../src/storage/snapshot-check.ts';
import { databaseView } from '../../storage/database-view.ts';
import { digest, entries, formedDisk, handle, open, simulatedDisk, writeEach } from '../../storage/support.ts';
import { withFreeBytes } from './support.ts';

const of = { cell: { id: 'cell-1', name: 'test' }, generation: 1 };
const storage = await (async () => {
  const opened = await open(await formedDisk());
  await writeEach(opened, entries(1, 3));
  return opened;
})();
const small = databaseView(3);

const folderOf = (disk: Disk, more: Partial<BackupFolder> = {}): BackupFolder => ({
  disk,
  path: '/backups',
  sameDisk: false,
  overlaps: false,
  ...more,
});

/** One at `instance`; the minute is that of the instance. */
const save = (folder: BackupFolder, instance: number, keep = 7, view = small): Promise<SavedFile> =>
  saveBackup(folder, {
    ...{ of, member: 'n2', instance, keep, bytesExpected: 0 },
    wallMs: Date.UTC(2030, 0, 1, 0, instance),
    write: (path, betweenParts) =>
      storage.writeElsewhere(folder.disk, path, {
        ...{ handle: handle(instance), view, logChain: new Uint8Array(32), pause: betweenParts },
      }),
  });

const names = async (disk: Disk): Promise<string[]> => (await disk.list('')).map(({ name }) => name);
const instances = async (folder: BackupFolder): Promise<number[]> =>
  (await backupsIn(folder, of)).map(({ instance }) => instance);

async function put(disk: Disk, name: string, text = 'somebody’s'): Promise<void> {
  const file = await disk.open(name, { create: 'exclusive' });
  await file.write(0, Buffer.from(text));
  await file.flush();
  await file.close();
}

describe('a directory of backups', () => {
  it('keeps the newest, lets its own older ones go, and touches nothing else', async () => {
    const folder = folderOf(simulatedDisk());
    const strangers = [
      'notes.txt',
      'backup-by-hand.snapshot',
      backupName({ ...of, generation: 2 }, 1, 0),
      backupName({ ...of, cell: { id: 'other-cell', name: 'test' } }, 1, 0),
      // Its name is one of ours, and nobody can say what it is.
      backupName(of, 1, 0),
      '.part-n3-of-another-member',
      `.part-n2-b-${backupName(of, 1, 0)}`,
    ];
    for (const name of strangers) await put(folder.disk, name);
    await put(folder.disk, `.part-n2-${backupName(of, 1, 0)}`);
    const removed: string[] = [];
    for (const instance of [2, 3, 4, 5]) removed.push(...(await save(folder, instance, 2)).removed);
    expect(removed).toEqual([
      backupName(of, 2, Date.UTC(2030, 0, 1, 0, 2)),
      backupName(of, 3, Date.UTC(2030, 0, 1, 0, 3)),
    ]);
    expect(await instances(folder)).toEqual([5, 4, 1]);
    const kept = [4, 5].map((instance) => backupName(of, instance, Date.UTC(2030, 0, 1, 0, instance)));
    expect(await names(folder.disk)).toEqual([...strangers, ...kept].sort());
  });

  it('never lets go the one that was verified just now, even if others seem newer', async () => {
    const folder = folderOf(simulatedDisk());
    for (const instance of [8, 9]) await save(folder, instance);
    const { name } = await save(folder, 5, 1);
    expect((await checkSnapshotFile(folder.disk, name, { digest, origin: null })).header.handle.instance).toBe(5);
    // What is above it was verified when it was written, and is not this run's to judge.
    expect(await instances(folder)).toEqual([9, 8, 5]);
  });

  it('without room refuses before it writes, and lets nothing go', async () => {
    const disk = simulatedDisk();
    await save(folderOf(disk), 1);
    const before = await names(disk);
    const full = withFreeBytes(disk, async () => 100 * 1024 * 1024);
    // Where the data lies on the same disk, its log must not be hurt.
    await expect(save(folderOf(full, { sameDisk: true }), 2, 1)).rejects.toThrow(BackupRefusedError);
    expect(await names(disk)).toEqual(before);
    await save(folderOf(full), 2, 1);
    await expect(save(folderOf(disk, { overlaps: true }), 3)).rejects.toThrow('a backup is kept elsewhere');
  });

  it.each([
    ['cannot be read', 'open'],
    ['cannot be removed', 'remove'],
  ] as const)('counts a backup that was verified although an older one %s, and says so', async (_, operation) => {
    const disk = simulatedDisk();
    for (const instance of [1, 2]) await save(folderOf(disk), instance);
    const old = backupName(of, 1, Date.UTC(2030, 0, 1, 0, 1));
    const failing = new Proxy(disk, {
      get: (target, property: keyof Disk) =>
        property !== operation
          ? (...given: unknown[]) => (target[property] as (...given: unknown[]) => unknown).apply(target, given)
          : async (name: string, ...given: never[]) => {
              if (name === old) throw new DiskError('io', name, 'input/output error');
              return (target[operation] as (...given: unknown[]) => unknown).call(target, name, ...given);
            },
    });
    const saved = await save(folderOf(failing), 3, 1);
    expect(saved).toMatchObject({ removed: [backupName(of, 2, Date.UTC(2030, 0, 1, 0, 2))] });
    expect(saved.kept).toMatch(/could not be let go.*input\/output error/);
    expect(await instances(folderOf(disk))).toEqual([3, 1]);
    expect(await save(folderOf(disk), 4, 1)).toMatchObject({ kept: null });
    expect(await instances(folderOf(disk))).toEqual([4]);
  });

  it('that fills while one is written keeps what it had', async () => {
    const disk = simulatedDisk();
    await save(folderOf(disk), 1);
    const before = await names(disk);
    let left = 64 * 1024 * 1024;
    const filling = withFreeBytes(disk, async () => {
      left -= 30 * 1024 * 1024;
      return left;
    });
    const large = databaseView(20_000);
    await expect(save(folderOf(filling), 2, 1, large)).rejects.toThrow(/has .* MiB free/);
    expect(await names(disk)).toEqual(before);
  });

  it.each<DiskFault>(['error', 'full', 'halt'])(
    'whatever operation fails (%s), and after a crash then, holds whole backups alone, and no fewer than before',
    async (kind) => {
      let failures = 0;
      for (let at = 0; ; at++) {
        let seen = 0;
        let armed = false;
        const reached = { it: false };
        const fault = (_: DiskOperation): DiskFault | null => {
          if (!armed || seen++ !== at) return null;
          reached.it = true;
          return kind;
        };
        const disk = simulatedDisk({ fault });
        const folder = folderOf(disk);
        for (const instance of [1, 2]) await save(folder, instance, 2);
        armed = true;
        const stopped = new Promise<'stopped'>((resolve) =>
          setTimeout(() => resolve('stopped'), kind === 'halt' ? 30 : 5_000),
        );
        const outcome = await Promise.race([
          save(folder, 3, 2).then(
            () => 'saved' as const,
            () => 'failed' as const,
          ),
          stopped,
        ]);
        armed = false;
        if (!reached.it && outcome === 'saved') break;
        if (outcome !== 'saved') failures++;
        const after = folderOf(disk.crash({ writes: 'lost', names: 'lost' }));
        const good: number[] = [];
        for (const { name, instance } of await backupsIn(after, of)) {
          const { header } = await checkSnapshotFile(after.disk, name, { digest, origin: null });
          expect(header.handle.instance).toBe(instance);
          good.push(instance);
        }
        expect(good.length, `${kind} at operation ${at}: ${good}`).toBeGreaterThanOrEqual(2);
        // The next run removes what is left over, and goes on.
        await save(after, 4, 2);
        expect((await names(after.disk)).filter((name) => name.startsWith('.part'))).toEqual([]);
        expect((await instances(after))[0]).toBe(4);
      }
      expect(failures).toBeGreaterThan(3);
    },
  );
});
