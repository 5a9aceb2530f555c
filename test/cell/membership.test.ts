/** Members come, go and are rebuilt on real processes, under load: contract §1 `members`, `node start --join`, `--rebuild`. */
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { UpgradeWriteBody } from '../../src/formats/upgrade-body.ts';
import { withCell as withClient } from '../../src/operator/connect.ts';
import { withMembers } from '../../src/operator/members/port.ts';
import { addMember, rebuildMember, removeMember, replaceMember } from '../../src/operator/members/workflows.ts';
import { withCell } from '../support/cell-process.ts';
import { CountingLoad } from '../support/counting-load.ts';
import { add, membersOf, operate, plain } from '../support/membership-operator.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

describe('under load, with nothing lost', () => {
  it('a cell grows from three to five, a dead member is replaced, and it shrinks again', {
    timeout: 60_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const load = new CountingLoad(cell.urls);
      load.start();
      const n4 = await add(cell, 'n4');
      await add(cell, 'n5');
      expect(await membersOf(cell)).toEqual(['n1 voter', 'n2 voter', 'n3 voter', 'n4 voter', 'n5 voter']);

      await n4.kill();
      const n6 = await cell.newcomer('n6');
      n6.start();
      const replaced = await operate(cell, (options) =>
        replaceMember(options, { old: 'n4', name: 'n6', url: n6.url, ...plain }),
      );
      expect(replaced.steps.map(({ action, name }) => `${action} ${name}`)).toEqual([
        'add n6',
        'promote n6',
        'remove n4',
      ]);
      expect(await membersOf(cell)).toEqual(['n1 voter', 'n2 voter', 'n3 voter', 'n5 voter', 'n6 voter']);

      const master = await cell.master();
      master.expectEnd(true);
      const removed = await operate(cell, async (options) => {
        const first = await removeMember(options, master.name, plain);
        return [first, await removeMember(options, 'n5', plain)];
      });
      expect(removed.map(({ before, after }) => [before.voters, after.voters])).toEqual([
        [5, 4],
        [4, 3],
      ]);
      expect(await membersOf(cell)).toHaveLength(3);
      // Removed, the master of before says so while it is there, and ends.
      expect(await master.end(10_000)).toEqual({ code: 23, signal: null });
      expect(load.acknowledged).toBeGreaterThan(100);
      expect(await load.stopAndCheck(cell.others(master).map(({ url }) => url))).toEqual([]);
    });
  });

  it('a wiped member is rebuilt by --rebuild as a new incarnation, without anybody', { timeout: 40_000 }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const load = new CountingLoad(cell.urls);
      load.start();
      const master = await cell.master();
      const [victim] = cell.others(master) as [ReplicaChild];
      await until('something was written', () => load.acknowledged > 50);
      await victim.kill();
      rmSync(victim.directory, { recursive: true, force: true });
      victim.start({ rebuild: true });
      await until('the next incarnation votes', async () => {
        const status = await victim.status();
        return status?.voting === true && status.incarnation > 1;
      });
      expect(await load.stopAndCheck()).toEqual([]);
      await cell.agreement();
      expect(await membersOf(cell)).toEqual(['n1 voter', 'n2 voter', 'n3 voter']);
      // In a unit file it changes nothing for a sound directory.
      const before = (await victim.status())!.incarnation;
      await victim.terminate();
      victim.start({ rebuild: true });
      await cell.agreement();
      expect((await victim.status())!.incarnation).toBe(before);
    });
  });
});

describe('a lost or damaged disk', () => {
  it('is refused with 20, until an operator says that it is to be rebuilt', { timeout: 40_000 }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const master = await cell.master();
      const [victim] = cell.others(master) as [ReplicaChild];
      await victim.kill();
      rmSync(victim.directory, { recursive: true, force: true });
      expect(await victim.startAndEnd()).toEqual({ code: 20, signal: null });
      const rebuilding = operate(cell, (options) => rebuildMember(options, victim.name, plain));
      await until('its next incarnation is admitted', async () =>
        (await membersOf(cell)).includes(`${victim.name} rebuilding`),
      );
      victim.start();
      expect((await rebuilding).member).toMatchObject({ name: victim.name, role: 'voter' });
      // Asked again, a member that is well is left alone.
      const again = await operate(cell, (options) => rebuildMember(options, victim.name, plain));
      expect(again.changed).toBe(false);
    });
  });
});

describe('a spare that has lived', () => {
  it('gets no second life under its number when its disk is lost, also from a master that was started since', {
    timeout: 40_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const spare = await cell.newcomer('n4');
      spare.start();
      await operate(cell, (options) => addMember(options, { name: 'n4', url: spare.url, promote: false, ...plain }));
      await until('it lives', async () => (await spare.status())?.role === 'learner');
      await spare.kill();
      await cell.killAll();
      for (const member of cell.members.filter((it) => it !== spare)) member.start();
      await cell.master();
      rmSync(spare.directory, { recursive: true, force: true });
      expect(await spare.startAndEnd(), spare.log()).toEqual({ code: 20, signal: null });
      spare.start({ rebuild: true });
      await until('the next incarnation lives', async () => {
        const status = await spare.status();
        return status?.role === 'learner' && status.incarnation > 1;
      });
    });
  });
});

describe('a member that was removed', () => {
  it('ends with 23 however late it comes back, and disturbs nobody', { timeout: 40_000 }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const master = await cell.master();
      const [gone, other] = cell.others(master) as [ReplicaChild, ReplicaChild];
      await gone.kill();
      await operate(cell, (options) => removeMember(options, gone.name, plain));
      const { epoch } = (await cell.master().then((member) => member.status()))!;
      gone.start();
      await until('it knows', async () => (await gone.status())?.role === 'removed');
      expect(await gone.end(10_000)).toEqual({ code: 23, signal: null });
      // It remembers: no peer is asked any more.
      expect(await gone.startAndEnd()).toEqual({ code: 23, signal: null });
      // A unit file with --rebuild does not bring back whom an operator has removed.
      expect(await gone.startAndEnd({ rebuild: true })).toEqual({ code: 23, signal: null });
      expect((await other.status())!.epoch).toBe(epoch);
    });
  });
});

describe('a change that would harm the cell', () => {
  it('is refused with its reason, and a dry run says the same', { timeout: 40_000 }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const master = await cell.master();
      const [down, other] = cell.others(master) as [ReplicaChild, ReplicaChild];
      for (const dryRun of [true, false]) {
        await expect(
          operate(cell, (options) => removeMember(options, other.name, { ...plain, dryRun })),
        ).rejects.toMatchObject({ code: 'PAXOS_NO_SPARE', exitCode: 5, outcome: 'none' });
      }
      const judged = await operate(cell, (options) =>
        removeMember(options, other.name, { dryRun: true, allowNoSpare: true }),
      );
      expect(judged).toMatchObject({
        changed: true,
        before: { voters: 3, quorum: 2, tolerates: 1 },
        after: { voters: 2, quorum: 2, tolerates: 0 },
      });
      expect(judged.warnings.join()).toContain('even number');
      // An upgrade is open: its members stay the same ones.
      const journal = {
        ...{ attempt: 'u-1', state: 'running', cell: 'c', from: '0.1.0', to: '9.9.9', how: 'manual', exec: null },
        ...{
          rehearse: null,
          startedBy: 'alice',
          startedAt: '',
          changedAt: '',
          generation: 1,
          mark: null,
          backup: null,
        },
        ...{ members: [], steps: [], stop: null, upgradedAt: null, raiseTo: null },
      };
      const writes = [
        { key: 'upgrade/current', value: 'u-1' },
        { key: 'upgrade/attempt/u-1', value: JSON.stringify(journal) },
      ];
      const write = (body: UpgradeWriteBody) =>
        withClient({ endpoints: cell.urls, timeout: 15_000 }, (client) => client.writeUpgrade(body));
      expect(await write({ writes })).toMatchObject({ succeeded: true });
      for (const dryRun of [true, false]) {
        await expect(
          operate(cell, (options) => removeMember(options, other.name, { dryRun, allowNoSpare: true })),
        ).rejects.toMatchObject({ code: 'PAXOS_UPGRADE_OPEN', exitCode: 5, facts: { attempt: 'u-1' } });
      }
      expect(await write({ writes: [{ key: 'upgrade/current', value: null }] })).toMatchObject({ succeeded: true });
      await down.kill();
      // Two of two would be needed, and one of them is down: no flag overrides that.
      await expect(
        operate(cell, (options) => removeMember(options, other.name, { dryRun: false, allowNoSpare: true })),
      ).rejects.toMatchObject({ code: 'PAXOS_QUORUM_AT_RISK', exitCode: 5 });
      const nobody = { name: 'n9', url: 'http://127.0.0.1:9', promote: true, ...plain };
      await expect(
        withMembers({ endpoints: cell.urls, timeout: 5_000 }, (port) =>
          addMember({ port, timeoutMs: 1_000, onProgress: () => undefined }, nobody),
        ),
      ).rejects.toMatchObject({ code: 'PAXOS_MEMBER_NOT_READY', exitCode: 5 });
      await expect(
        operate(cell, (options) => addMember(options, { ...nobody, url: other.url, dryRun: true })),
      ).rejects.toMatchObject({ code: 'PAXOS_MEMBER_EXISTS' });
      expect(await membersOf(cell)).toEqual(['n1 voter', 'n2 voter', 'n3 voter']);
      expect(existsSync(path.join(cell.folder, 'n9'))).toBe(false);
    });
  });
});
