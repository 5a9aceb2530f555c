/** Real processes with hooks (PML §6.3): each hook strikes where it says, and the replica does what it must. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { removeMember } from '../../src/operator/members/workflows.ts';
import { CellClient, type CellOutcome, keyPath } from '../support/cell-client.ts';
import { type CellProcess, leaseMs, withCell } from '../support/cell-process.ts';
import { Hooks, ordersOf, startWith, untilHealed } from '../support/hooks/hooks.ts';
import type { Moment } from '../support/hooks/points.ts';
import { operate } from '../support/membership-operator.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { handOver } from '../support/torture/hook-faults.ts';
import { buildTunedReplica, type TunedProgram, tunedEnv } from '../support/tuned-program.ts';
import { until } from '../support/until.ts';

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());

// A cell and several ends of its members each.
vi.setConfig({ testTimeout: 90_000 });

const killed = { code: null, signal: 'SIGKILL' };

function withHooks(replicas: number, use: (cell: CellProcess, client: CellClient) => Promise<void>): Promise<void> {
  return withCell({ replicas, programOf: () => tuned.program, env: tunedEnv({}) }, async (cell) => {
    const client = new CellClient({ urls: cell.urls, random: new Random(1), wanders: 0 });
    try {
      await use(cell, client);
    } finally {
      await client.close();
    }
  });
}

const put = (client: CellClient, key: string): Promise<CellOutcome> =>
  client.perform({ method: 'PUT', path: keyPath(key), body: key, repeatable: false }, 10_000);

async function isThere(client: CellClient, key: string): Promise<boolean> {
  const outcome = await client.perform({ method: 'GET', path: keyPath(key), repeatable: true }, 10_000);
  if (outcome.kind !== 'answer') throw new Error(outcome.why);
  return outcome.status === 200;
}

const roleOf = async (member: ReplicaChild): Promise<string | undefined> => (await member.status())?.role;

const otherMaster = (cell: CellProcess, master: ReplicaChild): Promise<ReplicaChild> =>
  until('another is master', async () => {
    for (const other of cell.others(master)) if ((await roleOf(other)) === 'master') return other;
    return null;
  });

describe('an end at a named point', () => {
  it('before a group of the log is written, after its flush: nobody was told, and it is gone, or there', async () => {
    await withHooks(1, async (cell, client) => {
      const [only] = cell.members as [ReplicaChild];
      expect(await put(client, 'told')).toMatchObject({ status: 200 });
      for (const moment of ['before', 'after'] as const) {
        const end = new Hooks(only).crash(moment, 'wal.write-flush');
        expect(await put(client, moment)).toMatchObject({ kind: 'unknown' });
        expect(await end).toEqual(killed);
        only.start();
        expect(await isThere(client, 'told')).toBe(true);
        expect(await isThere(client, moment)).toBe(moment === 'after');
      }
    });
  });

  it('the n-th time, between a message and its answer: the others go on, and it comes back', async () => {
    await withHooks(3, async (cell, client) => {
      const [follower] = cell.others(await cell.master()) as [ReplicaChild];
      const end = new Hooks(follower).crash('before', 'send.accepted', { nth: 3 });
      for (let n = 0; n < 5; n++) expect(await put(client, `k${n}`)).toMatchObject({ status: 200 });
      expect(await end).toEqual(killed);
      follower.start();
      await cell.agreement();
    });
  });
});

describe('a disk that hangs', () => {
  it('costs its member the place among those that are counted on, though it answers and applies', async () => {
    await withHooks(3, async (cell) => {
      const [hung, other] = cell.others(await cell.master()) as [ReplicaChild, ReplicaChild];
      const removing = (dryRun: boolean) =>
        operate(cell, (options) => removeMember(options, other.name, { dryRun, allowNoSpare: true }));
      expect(await removing(true)).toMatchObject({ changed: true });
      await new Hooks(hung).trap('before', 'wal.write-flush', { kind: 'hold', ms: untilHealed });
      // Without `other` both that are left would be needed, and one of them acknowledges nothing.
      for (const dryRun of [true, false]) {
        const refusal = await removing(dryRun).then(
          () => null,
          (error: unknown) => error,
        );
        expect(refusal).toMatchObject({ code: 'PAXOS_QUORUM_AT_RISK', exitCode: 5 });
      }
      await new Hooks(hung).heal();
      await until('its disk works again', async () =>
        removing(true).then(
          () => true,
          () => false,
        ),
      );
    });
  });
});

describe('an operation of the disk that fails', () => {
  const atWork: [moment: Moment, point: string, reason: 'io' | 'full', code: number][] = [
    ['before', 'wal.write-flush', 'io', 1],
    ['after', 'wal.write-flush', 'io', 1],
    ['before', 'wal.write-flush', 'full', 26],
  ];
  it('at work: ends the replica with the code for it, and only what was told must be there', async () => {
    await withHooks(1, async (cell, client) => {
      const [only] = cell.members as [ReplicaChild];
      for (const [at, [moment, point, reason, code]] of atWork.entries()) {
        expect(await put(client, `told ${at}`)).toMatchObject({ status: 200 });
        const end = new Hooks(only).end(moment, point, { kind: 'fail', reason });
        // Refused or unknown: never told as done.
        expect(await put(client, `failed ${at}`)).toMatchObject({ kind: expect.stringMatching(/none|unknown/) });
        expect(await end, `${moment} ${point} ${reason}`).toEqual({ code, signal: null });
        only.start();
        for (let told = 0; told <= at; told++) expect(await isThere(client, `told ${told}`)).toBe(true);
      }
    });
  });

  // A sample: `test/full/crash-points.test.ts` has all of them.
  const atStart: [moment: Moment, point: string, reason: 'io' | 'full', code: number][] = [
    ['after', 'promise.flush', 'io', 1],
    ['before', 'new-wal.create', 'full', 26],
    ['before', 'new-wal.flush', 'io', 1],
    ['after', 'manifest.publish', 'io', 1],
    ['after', 'root.flush-names', 'io', 1],
  ];
  it('at a start: ends it with the code for it, and the next start finds everything', async () => {
    await withHooks(1, async (cell, client) => {
      const [only] = cell.members as [ReplicaChild];
      expect(await put(client, 'told')).toMatchObject({ status: 200 });
      await only.kill();
      for (const [moment, point, reason, code] of atStart) {
        startWith(only, ordersOf({ moment, point, nth: 1, act: { kind: 'fail', reason } }));
        expect(await only.end(), `${moment} ${point} ${reason}`).toEqual({ code, signal: null });
      }
      only.start();
      expect(await isThere(client, 'told')).toBe(true);
    });
  });
});

describe('links of the master cut', () => {
  it('in either direction or both: another becomes master, and it serves nothing meanwhile', async () => {
    await withHooks(3, async (cell, client) => {
      for (const direction of ['to', 'from', 'both'] as const) {
        const master = await cell.master();
        expect(await put(client, 'k')).toMatchObject({ status: 200 });
        const hooks = new Hooks(master);
        await hooks.cut(cell.others(master), direction);
        const successor = await otherMaster(cell, master);
        const write = { method: 'PUT', path: keyPath('k'), body: direction, repeatable: true } as const;
        expect(await client.attempt(write, successor.url)).toMatchObject({ status: 200, url: successor.url });
        const read = await client.exchange({ method: 'GET', path: keyPath('k'), repeatable: true }, master.url);
        expect(read.kind === 'answer' ? read.status : read.kind).not.toBe(200);
        await hooks.heal();
        await cell.agreement();
      }
    });
  });
});

describe('mastership', () => {
  it('is handed over, and given up without a hand-over', async () => {
    await withHooks(3, async (cell) => {
      const first = await cell.master();
      await cell.agreement();
      expect(await handOver(first, null)).toBe(null);
      const second = await cell.master();
      expect(second).not.toBe(first);
      expect(first.log()).toContain('"cause":"released"');
      const { epoch } = (await second.status())!;
      await new Hooks(second).resign();
      await until('there is a new epoch', async () =>
        (await cell.statuses()).some((status) => status?.role === 'master' && status.epoch > epoch),
      );
      expect(second.log()).toContain('"cause":"lease-lapsed"');
    });
  });

  it('moves while a flush hangs or the event loop stands still, and comes back', async () => {
    const hang = (moment: Moment) => (hooks: Hooks) =>
      hooks.trap(moment, 'wal.write-flush', { kind: 'hold', ms: untilHealed });
    await withHooks(3, async (cell, client) => {
      const master = await cell.master();
      const hooks = new Hooks(master);
      for (const stuck of [hang('before'), hang('after'), () => hooks.stall(leaseMs * 4)]) {
        await stuck(hooks);
        const successor = await otherMaster(cell, master);
        const write = { method: 'PUT', path: keyPath('k'), body: 'meanwhile', repeatable: false } as const;
        expect(await client.attempt(write, successor.url)).toMatchObject({ status: 200, url: successor.url });
        await hooks.heal();
        await until('it is master again', async () => (await handOver(successor, master)) === null);
        expect(await roleOf(master)).toBe('master');
      }
      expect(await isThere(client, 'k')).toBe(true);
    });
  });
});
