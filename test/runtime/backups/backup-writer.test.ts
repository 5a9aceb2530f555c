/** One member's part: what it says of the directory, and what a disk that hangs, fails or fills costs it. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { BackupFolder } from '../../../src/ports/backups.ts';
import { DiskError } from '../../../src/ports/disk.ts';
import { backupEntries } from '../../../src/runtime/backups/backup-entries.ts';
import type { BackupQuestion } from '../../../src/runtime/backups/backup-question.ts';
import { BackupWriter } from '../../../src/runtime/backups/backup-writer.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { simulatedDisk } from '../../storage/support.ts';
import { cell as cellIdentity, FakeCell, FakeLog, of, settled, Times, withFreeBytes } from './support.ts';

let times: Times;
let cell: FakeCell;
let opened: number;
let open: () => Promise<BackupFolder>;
let written: (path: string) => Promise<void>;

beforeEach(() => {
  times = new Times();
  cell = new FakeCell();
  cell.schedule();
  opened = 0;
  const disk = simulatedDisk();
  open = async () => ({ disk, path: '/backups', sameDisk: false, overlaps: false });
  written = async (path) => {
    const file = await disk.open(path, { create: 'exclusive' });
    await file.close();
  };
});

function writerOf(name = 'n2'): { writer: BackupWriter; log: FakeLog } {
  const log = new FakeLog(name, times);
  const storage = {
    snapshots: () => [],
    writeElsewhere: async (
      _disk: unknown,
      path: string,
      { handle }: { handle: { instance: number; cellTimeMs: number } },
    ) => {
      await written(path);
      const header = { generation: 1, entries: 3, checksum: 'aa', handle };
      return { header, bytes: 0, sha256: 'bb' };
    },
  };
  const writer = new BackupWriter({
    ...{ self: log.self, of, log: log.asLog(), storage: storage as never, clocks: times.clocks, logger: silentLogger },
    open: () => {
      opened++;
      return open();
    },
    entries: () => backupEntries(cell.entries, cellIdentity.id),
  });
  writer.start();
  return { writer, log };
}

const question = (more: Partial<BackupQuestion> = {}): BackupQuestion => ({
  ...{ directory: '/backups', keep: 2, atLeast: 50, after: null, begin: true, alone: false },
  ...more,
});

async function pass(ms: number, steps = 1): Promise<void> {
  for (let step = 0; step < steps; step++) {
    times.pass(ms / steps);
    await settled();
    await settled();
  }
}

/** Until it is no longer at it. */
async function idle(writer: BackupWriter): Promise<void> {
  for (let turn = 0; turn < 200 && writer.running() !== null; turn++) await settled();
  expect(writer.running()).toBeNull();
}

describe('a member with a schedule of backups', () => {
  it('looks at the directory, and says within a minute when it is missing, denied or full', async () => {
    const { writer } = writerOf();
    await pass(2_000, 2);
    expect(writer.here()).toMatchObject({ directory: '/backups', problem: null, files: 0 });
    const troubles: [() => Promise<BackupFolder>, string][] = [
      [() => Promise.reject(new DiskError('not-found', '/backups', 'ENOENT')), 'there is no such directory'],
      [() => Promise.reject(new DiskError('denied', '/backups', 'read-only file system')), 'it cannot be written to'],
      [
        async () => {
          const disk = withFreeBytes(simulatedDisk(), async () => 5);
          return { disk, path: '/backups', sameDisk: false, overlaps: false };
        },
        'it has 0.0 MiB free',
      ],
    ];
    for (const [trouble, said] of troubles) {
      open = trouble;
      await pass(16_000, 16);
      expect(writer.here()?.problem).toContain(said);
    }
    cell.schedule({ members: ['n1'] });
    await pass(1_000);
    expect(writer.here()).toBeNull();
  });

  it('asks a disk that hangs once, says so, and is not kept from anything else', async () => {
    open = () => new Promise(() => {});
    const { writer } = writerOf();
    await pass(30_000, 30);
    expect(opened).toBe(1);
    expect(writer.here()?.problem).toBe('it has not answered for 30 s');
    expect(writer.answer(question())).toMatchObject({ state: 'failed', why: '/backups has not answered for 30 s' });
    writer.close();
  });

  it('tells of a backup that stops on its way as long as it does', async () => {
    written = () => new Promise(() => {});
    const { writer } = writerOf();
    await pass(1_000);
    expect(writer.answer(question())).toMatchObject({ state: 'running', idleMs: 0 });
    await pass(40_000, 40);
    expect(writer.answer(question({ begin: false }))).toMatchObject({ state: 'running', idleMs: 40_000 });
    expect(writer.here()?.problem).toBe('it has not answered for 40 s');
  });

  it('answers with what it has written until the cell has recorded it, and then begins the next', async () => {
    const { writer, log } = writerOf();
    await pass(1_000);
    expect(writer.answer(question())).toMatchObject({ state: 'running', instance: 50 });
    const of = { at: new Date(times.wallMs).toISOString(), cellTimeMs: times.cellMs };
    times.pass(600_000);
    await idle(writer);
    // Of the state in it, however long the writing took.
    const done = { state: 'done', backup: { instance: 50, entries: 3, digest: 'bb', ...of } };
    expect(writer.answer(question({ begin: false }))).toMatchObject(done);
    // Another master asks for the same one.
    expect(writer.answer(question())).toMatchObject(done);
    log.appliedUpTo = 60;
    const after = { generation: 1, instance: 50 };
    await pass(1_000);
    expect(writer.answer(question({ after }))).toMatchObject({ state: 'running', instance: 60 });
    await idle(writer);
  });

  it('refuses as master, waits while it is behind, and has forgotten when it was started anew', () => {
    const { writer, log } = writerOf();
    log.serving = true;
    expect(writer.answer(question())).toEqual({ state: 'failed', why: 'it is master', wrote: false });
    expect(writer.answer(question({ begin: false }))).toMatchObject({ state: 'failed', why: 'it was started anew' });
    log.serving = false;
    expect(writer.answer(question({ atLeast: 57 }))).toEqual({ state: 'waiting', why: 'it is 7 instances behind' });
    log.stopped = true;
    expect(writer.answer(question())).toMatchObject({ state: 'failed', why: 'it has stopped' });
  });

  it('notices that the last backup was taken away', async () => {
    const { writer } = writerOf();
    const scheduled = {
      ...{
        generation: 1,
        instance: 50,
        entries: 1,
        bytes: 9,
        checksum: 'aa',
        digest: 'bb',
        where: 'n2',
        by: 'schedule',
      },
      ...{ at: new Date(times.wallMs).toISOString(), cellTimeMs: times.cellMs, file: '/backups/gone.snapshot' },
    };
    cell.set('backup/scheduled', Buffer.from(JSON.stringify(scheduled)));
    await pass(2_000, 2);
    expect(writer.here()?.problem).toBe('the last backup, of instance 50, is not there any more');
  });
});
