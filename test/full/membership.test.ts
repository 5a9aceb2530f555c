/** As test/cell/membership.test.ts: what takes longer, or is rarer. */
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { rebuildMember, replaceMember } from '../../src/operator/members/workflows.ts';
import { withCell } from '../support/cell-process.ts';
import { membersOf, operate, operateAt, plain } from '../support/membership-operator.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

describe('a member that is rebuilt', () => {
  it('goes on in a process that hung meanwhile, as the next incarnation', {
    timeout: 40_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const master = await cell.master();
      const [victim] = cell.others(master) as [ReplicaChild];
      victim.pause();
      const rebuilding = operate(cell, (options) => rebuildMember(options, victim.name, plain));
      await until('its next incarnation is admitted', async () =>
        (await membersOf(cell)).includes(`${victim.name} rebuilding`),
      );
      victim.resume();
      expect((await rebuilding).member).toMatchObject({ role: 'voter' });
      const status = await until('it votes', async () => {
        const seen = await victim.status();
        return seen?.voting === true ? seen : null;
      });
      expect(status.incarnation).toBeGreaterThan(1);
    });
  });

  it('has its old directory set aside whole before the next incarnation begins', { timeout: 40_000 }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const master = await cell.master();
      const [victim] = cell.others(master) as [ReplicaChild];
      await victim.terminate();
      const before = readdirSync(victim.directory).filter((name) => name !== 'scratch');
      for (const name of ['promise-a', 'promise-b']) rmSync(path.join(victim.directory, name));
      expect(await victim.startAndEnd()).toEqual({ code: 25, signal: null });
      victim.start({ rebuild: true });
      await until('the next incarnation votes', async () => (await victim.status())?.voting === true);
      const aside = path.join(victim.directory, 'quarantine');
      const [label] = readdirSync(aside) as [string];
      const kept = readdirSync(path.join(aside, label));
      expect(kept.sort()).toEqual(before.filter((name) => !name.startsWith('promise-')).sort());
    });
  });

  it('waits while the others are no quorum, and says for whom', { timeout: 40_000 }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const master = await cell.master();
      const [victim, other] = cell.others(master) as [ReplicaChild, ReplicaChild];
      await victim.kill();
      await other.kill();
      rmSync(victim.directory, { recursive: true, force: true });
      victim.start({ rebuild: true });
      await until('it says for whom it waits', async () => {
        const status = await victim.status();
        return (
          status?.role === 'rebuilding' &&
          status.warnings.some((why) => why.includes(`${other.name} cannot be reached`))
        );
      });
      other.start();
      await until('the next incarnation votes', async () => (await victim.status())?.voting === true);
    });
  });

  it('or was only down finds the cell again when all others were replaced while it was down', {
    timeout: 60_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const [n1, n2, n3] = cell.members as [ReplicaChild, ReplicaChild, ReplicaChild];
      await n3.terminate();
      for (const [old, name] of [
        [n1, 'n4'],
        [n2, 'n5'],
      ] as const) {
        const newcomer = await cell.newcomer(name);
        newcomer.start();
        old.expectEnd(true);
        await operateAt([...cell.urls, newcomer.url], (options) =>
          replaceMember(options, { old: old.name, name, url: newcomer.url, dryRun: false, allowNoSpare: true }),
        );
        await old.end(15_000);
      }
      n3.start();
      await until('n3 is caught up', async () => {
        const status = await n3.status();
        const names = status?.members.map(({ name }) => name).join(' ');
        return names === 'n3 n4 n5' && status?.master !== null;
      });
    });
  });
});
