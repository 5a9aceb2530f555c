/**
 * One row for each kind of fault that a cell survives, and that therefore nobody notices: `status` and `doctor` must both name it
 * at the next look (PML §6.3; pitfalls P50, O7, L4).
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { survey } from '../../src/client/survey.ts';
import type {
  BackupDirectoryDocument,
  BackupsDocument,
  RehearsedBackupDocument,
  SavedBackupDocument,
} from '../../src/formats/backup-body.ts';
import type { LinkDocument, MachineDocument, ReplicaStatusDocument } from '../../src/formats/http-body.ts';
import { factsOf } from '../../src/operator/doctor/live-facts.ts';
import { cellReport, type DoctorDocument, liveChecks } from '../../src/operator/doctor/report.ts';
import { examinedStatus } from '../../src/operator/examined-status.ts';
import { FakeReplicaService } from '../support/fake-replica-service.ts';

const names = ['n1', 'n2', 'n3', 'n4', 'n5'];
const urlOf = (name: string): string => `http://${name}.example:7401`;
const instances = { chosen: 1000, applied: 1000, firstRetained: 1, snapshot: 900 };
const now = (): string => new Date().toISOString();
const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();

const commands = path.resolve(import.meta.dirname, '../../commands');

type Change = Partial<ReplicaStatusDocument>;

const link = (name: string): LinkDocument => ({
  name,
  incarnation: 1,
  url: urlOf(name),
  reached: true,
  reaches: true,
  brokenMs: 0,
  met: true,
  trouble: null,
});

const second = {
  ...{
    name: 'n5',
    incarnation: 1,
    boot: '2a2a2a2a2a2a',
    connectedBoot: '1b1b1b1b1b1b',
    address: '10.0.0.9',
    forMs: 5000,
  },
};

const machine = (name: string): MachineDocument => ({
  hostname: `host-${name}`,
  kernelId: `kernel-${name}`,
  pid: 1,
  residentBytes: 100 * 2 ** 20,
  memoryBytesMax: 2 ** 30,
  descriptors: 50,
  descriptorsMax: 65_536,
  diskFreeBytes: 70 * 2 ** 30,
  diskBytes: 100 * 2 ** 30,
});

const noCheck = {
  ...{ everyMs: 3_600_000, instance: 0, verdict: 'none' as const, at: null, ageMs: null, odd: [], silent: [] },
};
const lastCheck = () => ({ instance: 950, at: ago(60_000), log: 'aa', database: 'bb' });

/** Five members of whom everything is well. */
function well(name: string, members: readonly string[]): ReplicaStatusDocument {
  return {
    ...new FakeReplicaService().status(),
    name,
    role: name === 'n1' ? 'master' : 'replica',
    lease: { held: name === 'n1', remainingMs: 300 },
    boot: { number: 1, id: `boot-${name}` },
    instances,
    checksum: { instance: 1000, log: '00', database: 'aa' },
    members: members.map((it) => ({ name: it, url: urlOf(it), role: 'voter', voting: true, incarnation: 1 })),
    peers: members.filter((it) => it !== name),
    links: members.filter((it) => it !== name).map(link),
    machine: machine(name),
    at: now(),
    leaseMs: 500,
    newestSnapshot: { instance: 900, bytes: 1000, createdAt: ago(3_600_000), verified: true },
    logBytesSinceSnapshot: 1000,
    snapshotLogBytes: 64 * 2 ** 20,
    lastCheck: lastCheck(),
    pendingMembership: null,
    drains: [],
    leftovers: [],
    hintsDiffer: [],
  };
}

const savedBackup = (ageMs: number): SavedBackupDocument => ({
  ...{ generation: 1, instance: 900, entries: 1, bytes: 1000, checksum: 'aa', digest: 'bb' },
  ...{ file: '/backups/b.snapshot', where: 'n2', by: 'schedule', at: ago(ageMs), cellTimeMs: 1 },
});

const here = (change: Partial<BackupDirectoryDocument> = {}): BackupDirectoryDocument => ({
  ...{ directory: '/backups', problem: null, freeBytes: 2 ** 40, sameDisk: false, files: 3 },
  ...change,
});

const rehearsedBackup = (): RehearsedBackupDocument => ({
  ...{ generation: 1, instance: 800, digest: 'bb', file: '/backups/a.snapshot', where: 'ops' },
  ...{ tookMs: 900, at: ago(86_400_000), cellTimeMs: 1 },
});

const scheduleOf = () => ({ directory: '/backups', everyMs: 3_600_000, keep: 7, members: null as string[] | null });

/** Of a cell that saves one every hour, and is thirty days old. */
const backups = (): BackupsDocument => ({
  schedule: scheduleOf(),
  scheduled: savedBackup(60_000),
  saved: savedBackup(60_000),
  rehearsed: rehearsedBackup(),
  cellTimeMs: 30 * 86_400_000,
  here: here(),
  running: null,
  failed: [],
});

interface Told {
  readonly report: DoctorDocument;
  /** Whatever `status` shows of it. */
  readonly status: string;
  readonly exit: 'healthy' | 'degraded' | 'unavailable';
}

async function told(changes: Record<string, Change | null>, members: readonly string[] = names): Promise<Told> {
  const answers = new Map(
    members.map((name) => {
      const change = changes[name];
      return [urlOf(name), change === null ? null : { ...well(name, members), ...change }] as const;
    }),
  );
  const asked = await survey(
    members.map(urlOf),
    async (url) => {
      const status = answers.get(url);
      if (status == null) throw new Error('connection refused');
      return status;
    },
    1000,
  );
  const { cell, members: rows } = examinedStatus(asked);
  const status = JSON.stringify([cell.why, cell.warnings, cell.pendingMembership, rows]);
  return { report: cellReport(factsOf(asked)), status, exit: cell.health };
}

interface Row {
  readonly fault: string;
  readonly check: string;
  readonly level: 'warn' | 'fail' | 'not-checked';
  readonly says: string;
  readonly changes: Record<string, Change | null>;
  readonly members?: readonly string[];
  /** What `status` exits with. */
  readonly health: 'healthy' | 'degraded' | 'unavailable';
}

const others = (name: string): LinkDocument[] => names.filter((it) => it !== name).map(link);
const broken = (name: string, to: string, patch: Partial<LinkDocument>): Change => ({
  links: others(name).map((it) => (it.name === to ? { ...it, brokenMs: 60_000, ...patch } : it)),
});
const all = (change: (name: string) => Change): Record<string, Change> =>
  Object.fromEntries(names.map((name) => [name, change(name)]));

/** The membership in which n5 has no vote. */
const withRole = (role: string) =>
  names.map((name) => {
    const own = name === 'n5' ? { role, voting: false } : { role: 'voter', voting: true };
    return { name, url: urlOf(name), incarnation: 1, ...own };
  });

const rows: readonly Row[] = [
  {
    fault: 'a configured name that never answered',
    check: 'answers',
    level: 'fail',
    says: 'no replica has met it since they started',
    changes: {
      ...all((name) => broken(name, 'n5', { reached: false, reaches: false, met: false })),
      n5: null,
    },
    health: 'degraded',
  },
  {
    fault: 'a listed address at which a misspelt name answers',
    check: 'identity',
    level: 'fail',
    says: 'n5x',
    changes: { n5: { name: 'n5x' } },
    health: 'degraded',
  },
  {
    fault: 'a listed address at which another cell answers',
    check: 'identity',
    level: 'fail',
    says: 'of cell other',
    changes: { n5: { cell: { id: 'other', name: 'x', generation: 1 } } },
    health: 'degraded',
  },
  {
    fault: 'two addresses swapped',
    check: 'identity',
    level: 'fail',
    says: 'n4',
    changes: { n4: { name: 'n5' }, n5: { name: 'n4', boot: { number: 1, id: 'x' } } },
    health: 'healthy',
  },
  {
    fault: 'a second process of a member, somewhere that nobody asks',
    check: 'identity',
    level: 'fail',
    says: 'a second process runs as n5 from 10.0.0.9 (boot 2a2a2a2a): n1, n2 turned it away, since boot 1b1b1b1b is connected',
    changes: { n1: { secondProcesses: [second] }, n2: { secondProcesses: [second] } },
    health: 'healthy',
  },
  {
    fault: 'a member in catch-up for ever',
    check: 'catch-up',
    level: 'warn',
    says: '900 instances behind',
    changes: { n5: { instances: { ...instances, chosen: 100, applied: 100 } } },
    health: 'degraded',
  },
  {
    fault: 'a learner in catch-up for ever',
    check: 'catch-up',
    level: 'warn',
    says: 'n5 is 900 instances behind',
    changes: {
      ...all(() => ({ members: withRole('learner') })),
      n5: { members: withRole('learner'), role: 'learner', voting: false, instances: { ...instances, applied: 100 } },
    },
    health: 'healthy',
  },
  {
    fault: 'a member that was added, and never got its vote',
    check: 'change',
    level: 'warn',
    says: 'n5 follows without a vote',
    changes: {
      ...all(() => ({ members: withRole('learner') })),
      n5: { members: withRole('learner'), role: 'learner', voting: false },
    },
    health: 'healthy',
  },
  {
    fault: 'a voter that does not vote',
    check: 'voting',
    level: 'fail',
    says: 'n5 is rebuilding',
    changes: { n5: { role: 'rebuilding', voting: false } },
    health: 'degraded',
  },
  {
    fault: 'a quarantined member',
    check: 'voting',
    level: 'fail',
    says: 'n5 is quarantined',
    changes: { n5: { role: 'quarantined', voting: false } },
    health: 'degraded',
  },
  {
    fault: 'one-way reachability between peers',
    check: 'reach',
    level: 'fail',
    says: 'n4 does not reach n5',
    changes: { n4: broken('n4', 'n5', { reached: false }), n5: broken('n5', 'n4', { reaches: false }) },
    health: 'degraded',
  },
  {
    fault: 'two followers that do not reach each other',
    check: 'reach',
    level: 'fail',
    says: 'n4 and n5 do not reach each other',
    changes: {
      n4: broken('n4', 'n5', { reached: false, reaches: false }),
      n5: broken('n5', 'n4', { reached: false, reaches: false }),
    },
    health: 'degraded',
  },
  {
    fault: 'a voter that the master does not hear',
    check: 'reach',
    level: 'fail',
    says: 'n5',
    changes: { n1: { unheard: ['n5'] } },
    health: 'degraded',
  },
  {
    fault: 'mixed versions',
    check: 'versions',
    level: 'warn',
    says: 'versions are mixed: 0.1.0 on n1, n2, n3, n4; 0.2.0 on n5',
    changes: { n5: { version: '0.2.0' } },
    health: 'healthy',
  },
  {
    fault: 'mixed levels',
    check: 'versions',
    level: 'fail',
    says: 'levels are mixed',
    changes: { n5: { level: 2 } },
    health: 'healthy',
  },
  {
    fault: 'clocks apart',
    check: 'clocks',
    level: 'warn',
    says: 'the clock of n5 is at least',
    changes: { n5: { at: new Date(Date.now() + 30_000).toISOString() } },
    health: 'healthy',
  },
  {
    fault: 'a disk that is nearly full',
    check: 'disk',
    level: 'fail',
    says: 'disk is nearly full',
    changes: { n5: { readOnly: true } },
    health: 'degraded',
  },
  {
    fault: 'a disk that gets full',
    check: 'disk',
    level: 'warn',
    says: 'the disk of n5 has 5.0 % left',
    changes: { n5: { machine: { ...machine('n5'), diskFreeBytes: 5 * 2 ** 30 } } },
    health: 'healthy',
  },
  {
    fault: 'slow flushes against the lease',
    check: 'flush',
    level: 'fail',
    says: 'at n5 one flush of the log in a hundred takes 400 ms; the lease is 500 ms',
    changes: { n5: { load: { ...new FakeReplicaService().status().load, flushMsP99: 400 } } },
    health: 'healthy',
  },
  {
    fault: 'a late event loop',
    check: 'event-loop',
    level: 'warn',
    says: 'at n5 one turn of the event loop in a hundred is late by 150 ms',
    changes: { n5: { load: { ...new FakeReplicaService().status().load, eventLoopLagMsP99: 150 } } },
    health: 'healthy',
  },
  {
    fault: 'a low limit of file descriptors',
    check: 'descriptors',
    level: 'warn',
    says: 'n5 may open only 256 files',
    changes: { n5: { machine: { ...machine('n5'), descriptorsMax: 256 } } },
    health: 'healthy',
  },
  {
    fault: 'file descriptors nearly used up',
    check: 'descriptors',
    level: 'fail',
    says: 'n5 has 65000 of 65536',
    changes: { n5: { machine: { ...machine('n5'), descriptors: 65_000 } } },
    health: 'healthy',
  },
  {
    fault: 'memory nearly used up',
    check: 'memory',
    level: 'fail',
    says: 'n5 uses 98 % of the memory',
    changes: { n5: { machine: { ...machine('n5'), residentBytes: 0.98 * 2 ** 30 } } },
    health: 'healthy',
  },
  {
    fault: 'snapshots that are not taken any more',
    check: 'snapshots',
    level: 'warn',
    says: 'n5 has 640 MiB of log since its last snapshot',
    changes: { n5: { logBytesSinceSnapshot: 640 * 2 ** 20 } },
    health: 'healthy',
  },
  {
    fault: 'a snapshot that was found bad',
    check: 'snapshots',
    level: 'warn',
    says: 'the newest snapshot of n5, at instance 900, was found bad',
    changes: { n5: { newestSnapshot: { instance: 900, bytes: 1, createdAt: ago(1), verified: false } } },
    health: 'healthy',
  },
  {
    fault: 'an old checksum check',
    check: 'checksums',
    level: 'warn',
    says: 'the last full check was 3 days ago',
    changes: all(() => ({ lastCheck: { ...lastCheck(), at: ago(3 * 86_400_000) } })),
    health: 'healthy',
  },
  {
    fault: 'a checksum check that is off',
    check: 'checksums',
    level: 'warn',
    says: 'full checks are off on n3',
    changes: { n3: { check: { ...noCheck, everyMs: 0 } } },
    health: 'healthy',
  },
  {
    fault: 'a checksum check that never ran',
    check: 'checksums',
    level: 'warn',
    says: 'nothing was checked in full since the replicas started (3 days ago)',
    changes: all(() => ({ lastCheck: null, uptimeMs: 3 * 86_400_000 })),
    health: 'healthy',
  },
  {
    fault: 'a database that differs',
    check: 'databases',
    level: 'fail',
    says: 'n5 holds another database than the',
    changes: { n5: { checksum: { instance: 1000, log: '00', database: 'xx' } } },
    health: 'degraded',
  },
  {
    fault: 'an even number of voters',
    check: 'voters',
    level: 'warn',
    says: '4 voters survive no more failures than 3',
    changes: {},
    members: names.slice(0, 4),
    health: 'healthy',
  },
  {
    fault: 'all replicas on one host',
    check: 'hosts',
    level: 'warn',
    says: '5 of 5 voters (n1, n2, n3, n4, n5) run on one machine, host-n1',
    changes: all(() => ({ machine: machine('n1') })),
    health: 'healthy',
  },
  {
    fault: 'leftovers in a data directory',
    check: 'leftovers',
    level: 'warn',
    says: 'the data directory of n5 has old-snapshot',
    changes: { n5: { leftovers: ['old-snapshot'] } },
    health: 'healthy',
  },
  {
    fault: 'a change of the membership that is half done',
    check: 'change',
    level: 'warn',
    says: '1030',
    changes: all(() => ({ pendingMembership: { from: 1030, members: [...names, 'n6'] } })),
    health: 'healthy',
  },
  {
    fault: 'hints that differ from the membership',
    check: 'hints',
    level: 'warn',
    says: '--cell lists n9',
    changes: {
      n5: {
        hintsDiffer: ['--cell lists n9, which is not a member.'],
        warnings: ['--cell lists n9, which is not a member.'],
      },
    },
    health: 'healthy',
  },
  {
    fault: 'a drained member',
    check: 'drain',
    level: 'warn',
    says: '2026-01-01T00:00:00.000Z',
    changes: { n1: { drains: [{ member: 'n5', until: '2026-01-01T00:00:00.000Z', remainingMs: 1000 }] } },
    health: 'healthy',
  },
  {
    fault: 'a copied data directory',
    check: 'warnings',
    level: 'warn',
    says: 'The data directory was copied',
    changes: { n5: { warnings: ['The data directory was copied or restored since it was formed.'] } },
    health: 'healthy',
  },
  {
    fault: 'mastership that does not rest',
    check: 'mastership',
    level: 'warn',
    says: 'mastership moved 9 times in the last hour',
    changes: {
      n1: {
        mastership: {
          since: ago(1000),
          changesLastHour: 9,
          changesLastDay: 9,
          causes: { election: 9 },
          lastChange: null,
        },
      },
    },
    health: 'healthy',
  },
  {
    fault: 'a cell that was never backed up',
    check: 'backup',
    level: 'warn',
    says: 'no backup was saved yet',
    changes: all(() => ({ backups: { ...backups(), saved: null, scheduled: null, schedule: null } })),
    health: 'healthy',
  },
  {
    fault: 'a schedule of backups that is not kept',
    check: 'backup',
    level: 'warn',
    says: 'the last backup by the schedule is 5 h old; one is due every 60 min',
    changes: all(() => ({ backups: { ...backups(), scheduled: savedBackup(5 * 3_600_000) } })),
    health: 'healthy',
  },
  {
    fault: 'a backup that a member could not make',
    check: 'backup',
    level: 'warn',
    says: 'n3 made none: it is full',
    changes: {
      ...all(() => ({ backups: backups() })),
      n1: { backups: { ...backups(), failed: [{ member: 'n3', why: 'it is full' }] } },
    },
    health: 'healthy',
  },
  {
    fault: 'a schedule of backups that asks nobody who is left',
    check: 'backup',
    level: 'warn',
    says: 'the schedule of backups asks n8, n9, and none of them is a member',
    changes: all(() => ({ backups: { ...backups(), schedule: { ...scheduleOf(), members: ['n8', 'n9'] } } })),
    health: 'healthy',
  },
  {
    fault: 'a backup by hand that nobody has renewed',
    check: 'backup',
    level: 'warn',
    says: 'the newest backup is 9 days old, and there is no schedule',
    changes: all(() => ({ backups: { ...backups(), schedule: null, saved: savedBackup(9 * 86_400_000) } })),
    health: 'healthy',
  },
  {
    fault: 'a backup of an older generation',
    check: 'backup',
    level: 'warn',
    says: 'the newest backup is of generation 0, the cell is in generation 1',
    changes: all(() => ({ backups: { ...backups(), saved: { ...savedBackup(1), generation: 0 } } })),
    health: 'healthy',
  },
  {
    fault: 'a directory of backups that is missing or full',
    check: 'backup-directory',
    level: 'warn',
    says: '/backups of n5 cannot take backups: there is no such directory',
    changes: {
      ...all(() => ({ backups: backups() })),
      n5: { backups: { ...backups(), here: here({ problem: 'there is no such directory' }) } },
    },
    health: 'healthy',
  },
  {
    fault: 'backups on the disk of the data',
    check: 'backup-directory',
    level: 'warn',
    says: '/backups of n5 lies on the disk of its data',
    changes: {
      ...all(() => ({ backups: backups() })),
      n5: { backups: { ...backups(), here: here({ sameDisk: true }) } },
    },
    health: 'healthy',
  },
  {
    fault: 'a backup that nobody ever tried',
    check: 'rehearsal',
    level: 'warn',
    says: 'no backup was ever restored for a try',
    changes: all(() => ({ backups: { ...backups(), rehearsed: null } })),
    health: 'healthy',
  },
  {
    fault: 'backups that were not tried for long',
    check: 'rehearsal',
    level: 'warn',
    says: 'the last rehearsal of a backup was 40 days ago',
    changes: all(() => ({ backups: { ...backups(), rehearsed: { ...rehearsedBackup(), at: ago(40 * 86_400_000) } } })),
    health: 'healthy',
  },
];

/** A program of every machine, or a command that this version has. */
function isCommand(fix: string): boolean {
  const [program = '', first = '', second = ''] = fix.split(' ');
  if (program !== 'paxosctl') return /^(curl|timedatectl|systemctl|df|mv|ls)$/.test(program) && first !== '';
  return [first, `${first}/${second}`].some((name) => existsSync(path.join(commands, `${name}.ts`)));
}

describe('a cell of which everything is well', () => {
  it('with backups has nothing to say at all', async () => {
    const { report } = await told(all(() => ({ backups: backups() })));
    expect(report.checks.filter(({ level }) => level !== 'ok')).toEqual([]);
  });

  it('has nothing to warn of; only a backup is never known of', async () => {
    const { report, exit } = await told({});
    const found = report.checks.filter(({ level }) => level !== 'ok');
    expect(found.map(({ id, level }) => [id, level])).toEqual([['backup', 'not-checked']]);
    expect([exit, report.exitCode, report.ok]).toEqual(['healthy', 0, true]);
  });
});

describe('a masked fault shows in status and doctor:', () => {
  it.each(rows)('$fault', async ({ check, level, says, changes, members, health }) => {
    const { report, status, exit } = await told(changes, members);
    const found = report.checks.find(({ id }) => id === check);
    expect(found?.level).toBe(level);
    expect(found?.findings.map(({ text }) => text).join('\n')).toContain(says);
    for (const { fix } of found?.findings ?? []) expect(isCommand(fix), fix).toBe(true);
    expect(status).toContain(says);
    expect(exit).toBe(health);
    expect(report.exitCode).toBe(check === 'databases' ? 4 : 9);
  });

  it('slow disks of all are no reason to drain them all', async () => {
    const { load } = new FakeReplicaService().status();
    const { report } = await told(all(() => ({ load: { ...load, flushMsP99: 400 } })));
    const found = report.checks.find(({ id }) => id === 'flush');
    expect(found?.findings.map(({ fix }) => fix)).toEqual(names.map(() => 'paxosctl status --watch'));
  });

  it.each<[string, number, number, 'warn' | 'fail', string]>([
    ['on its way', 10, 11, 'warn', 'receives a snapshot from n2'],
    ['that does not come any further', 11, 11, 'fail', 'does not come closer'],
  ])('a snapshot %s is told as what it is, though nothing is applied meanwhile', async (_, then, now, level, says) => {
    const status = (bytes: number): ReplicaStatusDocument => ({
      ...well('n5', names),
      instances: { ...instances, applied: 0 },
      catchUp: { from: 'n2', instance: 900, bytes, totalBytes: 100, ratePerSecond: 1, resumedFrom: 0 },
    });
    const asked = await survey(
      names.map(urlOf),
      async (url) => (url === urlOf('n5') ? status(then) : well(url.slice(7, 9), names)),
      1000,
    );
    const facts = { ...factsOf(asked), later: [status(now)] };
    const found = liveChecks.find(({ id }) => id === 'catch-up')?.look(facts);
    expect(found).toMatchObject([{ member: 'n5', level, text: expect.stringContaining(says) }]);
  });

  it('each check has a row here, or is about what nobody could overlook', () => {
    const covered = new Set([...rows.map(({ check }) => check), 'serving', 'frozen', 'backup']);
    expect(liveChecks.map(({ id }) => id).filter((id) => !covered.has(id))).toEqual([]);
    expect(new Set(liveChecks.map(({ id }) => id)).size).toBe(liveChecks.length);
  });
});

it('a cell that does not serve ends with 3, and one that is frozen says by what evidence', async () => {
  const headless = await told({ n1: { role: 'candidate', lease: { held: false, remainingMs: 0 } } });
  expect([headless.exit, headless.report.exitCode]).toEqual(['unavailable', 3]);
  const evidence = { cause: 'x', generation: 1, seenBy: 'n2', seenAt: now(), text: 'it went back', facts: {} };
  const frozen = await told({ n2: { role: 'frozen', voting: false, frozen: evidence } });
  expect(frozen.report.exitCode).toBe(3);
  const text = JSON.stringify(frozen.report.checks.filter(({ level }) => level === 'fail'));
  expect(text).toContain('it went back');
  // Waiting ends no freeze.
  expect(text).not.toContain('wait master');
});
