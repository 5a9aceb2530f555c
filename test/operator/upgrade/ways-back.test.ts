/** Members that are put back, alone or all. */
import { describe, expect, it } from 'vitest';
import { journalOf } from '../../../src/operator/upgrade/claim.ts';
import type { Driven } from '../../../src/operator/upgrade/driver.ts';
import { goBack, putBackAlone, run } from '../../../src/operator/upgrade/workflows.ts';
import { driver, events, killable, toNew, versions } from './driving.ts';
import { FakeCell, type FakeMember, honest } from './fake-cell.ts';

describe('one member put back alone', () => {
  const alone = (cell: FakeCell, attempt: Driven['attempt'], name: string, level = 1) =>
    putBackAlone(cell.world(), { attempt, level, name, timeoutMs: 1_000, events });

  it('stays where it is once finalizing began, or the cell was raised since that journal', async () => {
    const cell = new FakeCell();
    const { attempt } = await run(cell.world(), toNew());
    cell.restarts = [];
    await expect(alone(cell, { ...attempt, state: 'finalizing' }, 'n2')).rejects.toMatchObject({
      exitCode: 5,
      suggestions: expect.arrayContaining(['paxosctl upgrade finalize']),
    });
    cell.level = 2;
    await expect(alone(cell, attempt, 'n2')).rejects.toMatchObject({ exitCode: 5 });
    expect(cell.restarts).toEqual([]);
  });

  it('is not back because somebody at its address runs the version', async () => {
    const cell = new FakeCell();
    const { attempt } = await run(cell.world(), toNew());
    cell.restart = (it, member, version, request) => {
      honest(it, member, version, request);
      member.answersAs = 'n3';
    };
    await expect(alone(cell, attempt, 'n2')).rejects.toMatchObject({
      exitCode: 8,
      message: expect.stringContaining('n3 answers there'),
    });
    cell.member('n2').answersAs = 'n2';
    cell.member('n2').incarnation = 7;
    await expect(alone(cell, attempt, 'n2')).rejects.toMatchObject({
      exitCode: 8,
      message: expect.stringContaining('incarnation 7'),
    });
    cell.member('n2').incarnation = 1;
    expect(await alone(cell, attempt, 'n2')).toMatchObject({ member: 'n2', version: '0.1.0' });
  });
});

describe('the way back', () => {
  it('asks for a quorum alone: five members, one of them dead for other reasons', async () => {
    const cell = new FakeCell(['n1', 'n2', 'n3', 'n4', 'n5']);
    await run(cell.world(), toNew());
    const dead = cell.members.find(({ name }) => name !== cell.master) as FakeMember;
    dead.up = false;
    cell.restart = (it, member, version, request) => {
      if (member !== dead) honest(it, member, version, request);
    };
    const driven = await goBack(cell.world(), driver(), 'rollback');
    expect(driven).toMatchObject({ code: 8, reason: expect.stringContaining('could not be put back') });
    const others = cell.members.filter((it) => it !== dead);
    expect(others.map(({ version }) => version)).toEqual(others.map(() => '0.1.0'));
    // And it is tried again for that one alone, once it can come back.
    cell.restarts = [];
    cell.restart = honest;
    expect(await goBack(cell.world(), driver(), 'rollback')).toMatchObject({
      code: 0,
      attempt: { state: 'rolled-back' },
    });
    expect(new Set(cell.restarts.map(({ member }) => member))).toEqual(new Set([dead.name]));
  });

  it('takes nobody away whom the quorum needs', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const dead = cell.members.find(({ name }) => name !== cell.master) as FakeMember;
    dead.up = false;
    cell.restart = (it, member, version, request) => {
      if (member !== dead) honest(it, member, version, request);
    };
    expect(await goBack(cell.world(), driver(), 'rollback')).toMatchObject({ code: 8 });
    expect(new Set(cell.restarts.slice(3).map(({ member }) => member))).toEqual(new Set([dead.name]));
  });
});

describe('a member that strays from the version from before', () => {
  async function rolledBack(): Promise<FakeCell> {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    expect(await goBack(cell.world(), driver(), 'rollback')).toMatchObject({
      code: 0,
      attempt: { state: 'rolled-back' },
    });
    return cell;
  }
  const strays: Record<string, (cell: FakeCell) => void> = {
    'one that was started with the target again': (cell) => cell.boot(cell.member('n2'), '0.2.0'),
    'one that became a member meanwhile': (cell) => cell.add('n4', '0.2.0'),
  };

  it.each(Object.entries(strays))('%s is put back once more, after rolled-back too', async (_, stray) => {
    for (const [goal, state] of [
      ['rollback', 'rolled-back'],
      ['abort', 'aborted-clean'],
    ] as const) {
      const cell = await rolledBack();
      stray(cell);
      expect(await goBack(cell.world(), driver(), goal), goal).toMatchObject({ code: 0, attempt: { state } });
      expect(new Set(versions(cell)), goal).toEqual(new Set(['0.1.0']));
    }
  });

  it.each(Object.entries(strays))(
    '%s is put back in the middle of an abort, and everything cleaned',
    async (_, stray) => {
      const cell = await rolledBack();
      const begun = (): boolean => journalOf(cell.state()).current?.attempt.members[0]?.cleared != null;
      for (let at = 1; !begun(); at++) await killable(goBack(cell.world(at), driver(), 'abort'));
      expect(journalOf(cell.state()).current?.attempt.state).toBe('aborting');
      stray(cell);
      expect(await goBack(cell.world(), driver(), 'abort')).toMatchObject({
        code: 0,
        attempt: { state: 'aborted-clean' },
      });
      expect(new Set(versions(cell))).toEqual(new Set(['0.1.0']));
      expect(cell.end()).toMatchObject({ open: false });
      expect(await run(cell.world(), toNew())).toMatchObject({ code: 0 });
    },
  );

  it('is not called back while it does not say which version it runs', async () => {
    const cell = await rolledBack();
    cell.member('n2').up = false;
    for (const goal of ['rollback', 'abort'] as const)
      expect(await goBack(cell.world(), driver(), goal)).toMatchObject({
        code: 8,
        reason: expect.stringContaining('n2 does not say'),
        attempt: { state: 'rolled-back' },
      });
  });
});
