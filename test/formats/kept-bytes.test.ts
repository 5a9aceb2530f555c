/**
 * Files and documents as version 1 writes them, kept: every later program reads them, and comes to the same state (U6). Never change a
 * fixture: what is written anew gets a number and a fixture of its own.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOfflineWorld } from '../../src/adapters/offline-world.ts';
import type { SystemEntry } from '../../src/core/database/system-table.ts';
import { readPositionMark, splitMark } from '../../src/formats/position-mark.ts';
import { decodeWitnessFloor, encodeWitnessFloor } from '../../src/formats/witness-file.ts';
import { type RecoverPlan, readPlan } from '../../src/operator/recovery/plan.ts';
import { journalOf } from '../../src/operator/upgrade/claim.ts';
import type { Attempt, Claim } from '../../src/operator/upgrade/journal.ts';
import { backupEntries, encodeEntry, encodeSchedule } from '../../src/runtime/backups/backup-entries.ts';
import { replayDirectories } from '../../src/runtime/replay.ts';
import { makeOfflineDatabase } from '../../src/runtime/replica-process.ts';
import { inspectSnapshotFile } from '../../src/runtime/snapshot-file.ts';

const fixtures = path.join(import.meta.dirname, 'fixtures');
const text = (name: string): string => fs.readFileSync(path.join(fixtures, name), 'utf8');
const bytes = (name: string): Buffer => Buffer.from(text(`${name}.base64`), 'base64');

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'paxosctl-kept-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

/** Of the directory and of the backup that its cell made. */
const cellId = '1f73e64bfc302b55dc86f1c631c3ec46';

describe('a data directory of version 1', () => {
  it('comes by its snapshot and its log to the state that its replica had', async () => {
    const files = JSON.parse(gunzipSync(bytes('data-directory-1')).toString('utf8')) as Record<string, string>;
    for (const [name, content] of Object.entries(files)) {
      fs.writeFileSync(path.join(folder, name), Buffer.from(content, 'base64'));
    }
    const world = await createOfflineWorld();
    const { directories } = await replayDirectories([folder], world, {
      makeApplication: (manifest) => makeOfflineDatabase(world.digest, manifest),
    });
    expect(directories).toEqual([
      {
        directory: folder,
        cell: { id: cellId, generation: 1 },
        member: { name: 'n1', incarnation: 1 },
        from: 0,
        instance: 119,
        logChain: '909f96404b9d6b6c9437fccda24b99e8aaf85d113b3cf032737eb672a6539ce3',
        checksum: 'd8e594de19535c2e17f9eb9c1466f16b',
      },
    ]);
  });
});

describe('a backup of version 1', () => {
  it('is read whole, and holds the state that it says', async () => {
    const file = path.join(folder, 'backup.snapshot');
    fs.writeFileSync(file, bytes('backup-1'));
    expect(await inspectSnapshotFile(file, await createOfflineWorld())).toMatchObject({
      cell: cellId,
      instance: 88,
      entries: 8,
      level: 1,
      verified: true,
      checksum: '7c1fa0495950145c3abf4b196922852d',
      logChain: '08847b276d1e18732aa3d914d565f67a8bccaed7f391e96aef24cd0e55fe4b90',
    });
  });
});

describe('the witness on other storage, version 1', () => {
  it('says of whose disk it is, and how far that was', () => {
    const floor = decodeWitnessFloor(bytes('witness-1'));
    expect(floor.owner).toEqual({ cellId, member: 'n1', incarnation: 1 });
    expect(floor.history).toMatchObject({ boots: [{ number: 1, began: 0 }], flush: 123 });
    expect(encodeWitnessFloor(floor)).toEqual(bytes('witness-1'));
  });
});

describe('a position mark of version 1', () => {
  it('says to which point of which history it belongs', () => {
    const mark = text('position-mark-1.txt').trim();
    expect(readPositionMark(mark)).toEqual({
      cellId,
      generation: 1,
      generationId: 'cb252fa29c73ab28f443414a512775a8',
      epoch: 1,
      epochId: 'e0204cdf0a8584dbe823a7c8f44fccae',
      instance: 103,
      revision: 10,
    });
    expect(splitMark(mark)?.proof).toHaveLength(16);
  });
});

const attempt: Attempt = {
  attempt: 'u7f3a9c21',
  state: 'stopped',
  cell: cellId,
  from: '0.1.0',
  to: '0.2.0',
  how: 'exec',
  exec: 'systemctl restart paxosctl@{name}',
  rehearse: 'paxosctl-{version} node rehearse {name}',
  startedBy: 'alice@ops1, process 4711',
  startedAt: '2024-01-02T03:04:05.678Z',
  changedAt: '2024-01-02T03:05:06.789Z',
  generation: 1,
  mark: { generation: 1, epoch: 4, instance: 1203, log: 'ab'.repeat(32), checksum: 'cd'.repeat(16), revision: 900 },
  backup: {
    file: '/backups/u7f3a9c21.snapshot',
    host: 'ops1',
    at: '2024-01-02T03:04:06.000Z',
    instance: 1200,
    bytes: 4321,
    digest: 'ef'.repeat(32),
  },
  members: [
    {
      name: 'n1',
      url: 'http://127.0.0.1:7401',
      incarnation: 1,
      voting: true,
      state: 'back',
      begun: true,
      rehearsed: true,
      before: { boot: { number: 3, id: '07'.repeat(16) }, applied: 1203, cellApplied: 1204, warnings: ['disk: 80 %'] },
      doubt: 'it does not answer',
      cleared: { at: '2024-01-02T03:05:06.000Z', signature: '23'.repeat(32), verifiedBy: 'n2' },
    },
  ],
  steps: [{ member: 'n1', step: 'restart', state: 'failed', at: '2024-01-02T03:05:00.000Z', detail: 'exit code 1' }],
  stop: { member: 'n1', reason: 'it does not answer', judged: true },
  upgradedAt: null,
  raiseTo: 2,
};
const claim: Claim = { attempt: 'u7f3a9c21', driver: 'alice@ops1, process 4711', nonce: '45'.repeat(8) };

const schedule = { directory: '/backups', everyMs: 3_600_000, keep: 7, members: ['n2', 'n3'] };
const saved = {
  generation: 1,
  instance: 1200,
  entries: 17,
  bytes: 4321,
  checksum: 'cd'.repeat(16),
  digest: 'ef'.repeat(32),
  file: '/backups/fixtures.snapshot',
  where: 'n2',
  by: 'schedule',
  at: '2024-01-02T03:04:06.000Z',
  cellTimeMs: 81_000,
} as const;
const { generation, instance, digest, file, where, at, cellTimeMs } = saved;
const rehearsed = { generation, instance, digest, file, where, tookMs: 250, at, cellTimeMs };

const plan: RecoverPlan = {
  kind: 'lost-majority',
  madeAt: '2024-01-02T03:04:05.678Z',
  cell: { id: cellId, name: 'fixtures' },
  from: { generation: 1 },
  to: { generation: 2, generationId: '67'.repeat(16) },
  branch: 'n1',
  members: [{ name: 'n1', url: 'http://127.0.0.1:7401' }],
  lost: ['n2', 'n3'],
  cannotStart: ['n3'],
  collected: [],
  witnessed: [{ generation: 1, epoch: 4, epochId: '89'.repeat(16), instance: 1210, revision: 905, by: 'this tool' }],
  becomes: cellId,
  numbers: 1300,
  base: { member: 'n1', collected: false, generation: 1, epoch: 4, instance: 1203, revision: 900, further: 2 },
  takesPart: ['n1'],
  price: { revisionsAtLeast: 5, because: ['this tool saw revision 905'], notAsked: ['n2'], unknown: ['n2: lost'] },
  hash: '5dde0c669ab502cf5865cd762a8b870c4d041cd15ffc255e91ecdd66029b33e5',
};

/** Of the cell: by its key, what stands in the entry. */
const entries: Readonly<Record<string, string>> = {
  'upgrade/current': attempt.attempt,
  'upgrade/claim': JSON.stringify(claim),
  'upgrade/renewed': '80000',
  'upgrade/attempt/u7f3a9c21': JSON.stringify(attempt),
  'backup/schedule': Buffer.from(encodeSchedule(schedule, cellId)).toString('utf8'),
  'backup/saved': Buffer.from(encodeEntry(saved)).toString('utf8'),
  'backup/rehearsed': Buffer.from(encodeEntry(rehearsed)).toString('utf8'),
};

describe('what the cell keeps of upgrades and backups, version 1', () => {
  const kept = JSON.parse(text('system-entries-1.json')) as Record<string, string>;

  it('is written as it was released', () => {
    expect(entries).toEqual(kept);
  });

  it('is read as the journal of the upgrade that is open', () => {
    const list = Object.entries(kept).map(([key, value], i) => ({ key, value, instance: i + 1 }));
    const journal = journalOf({ level: 1, epoch: 4, cellTimeMs: 81_000, instance: 1203, entries: list });
    expect(journal.current).toEqual({ attempt, instance: 4 });
    expect(journal.claim).toEqual({ claim, instance: 2, ageMs: 1_000 });
  });

  it('is read as the schedule and the newest backups', () => {
    const system = new Map<string, SystemEntry>();
    for (const [key, value] of Object.entries(kept)) {
      system.set(key, { value: Buffer.from(value), instance: 1 as SystemEntry['instance'] });
    }
    expect(backupEntries(system, cellId)).toEqual({ schedule, scheduled: null, saved, rehearsed });
  });
});

describe('a recovery plan of version 1', () => {
  it('is what it was made as', async () => {
    expect(await readPlan(path.join(fixtures, 'recovery-plan-1.json'))).toEqual(plan);
  });
});
