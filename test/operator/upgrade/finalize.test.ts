/** The end of an upgrade: finalizing, its price, and what is looked at before. */
import { describe, expect, it } from 'vitest';
import { RefusedError } from '../../../src/errors/index.ts';
import { journalOf } from '../../../src/operator/upgrade/claim.ts';
import { priceOf, refuseUnfinished } from '../../../src/operator/upgrade/operate.ts';
import { dryRun, finalize, goBack, resume, run } from '../../../src/operator/upgrade/workflows.ts';
import type { UpgradeWorld } from '../../../src/operator/upgrade/world.ts';
import { driver, killable, options, toNew, versions } from './driving.ts';
import { FakeCell, honest } from './fake-cell.ts';

describe('the end of an upgrade', () => {
  it.each([
    ['right after it', async (_cell: FakeCell, renewed: () => Promise<void>) => renewed()],
    [
      'while somebody drives the next one already',
      async (cell: FakeCell, renewed: () => Promise<void>) => {
        const world = cell.world();
        const backup: UpgradeWorld['backup'] = async (attempt) => {
          await renewed();
          return world.backup(attempt);
        };
        expect(await run({ ...world, backup }, toNew({ to: '0.3.0' }))).toMatchObject({ code: 0 });
      },
    ],
  ])('is no claim lost when a renewal comes to the cell %s', async (_, crosses) => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const world = cell.world();
    let renew = (): void => undefined;
    let crossed = 0;
    const crossing: UpgradeWorld = {
      ...world,
      every: (_, callback) => {
        renew = callback;
        return () => undefined;
      },
      write: async (body) => {
        const done = await world.write(body);
        // On its way already when the claim is given back.
        if (done && body.writes?.some(({ key, value }) => key === 'upgrade/claim' && value === null)) {
          crossed++;
          await crosses(cell, async () => {
            renew();
            await new Promise((resolve) => setImmediate(resolve));
          });
        }
        return done;
      },
    };
    expect(await finalize(crossing, driver())).toMatchObject({ code: 0, attempt: { state: 'finalized' } });
    expect(crossed).toBeGreaterThan(0);
  });
});

describe('the price of finalizing', () => {
  it('has the writes since the backup, its age, and the machine that has it', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const journal = journalOf(cell.state());
    const at = Date.parse(journal.current?.attempt.backup?.at ?? '') + 90 * 60_000;
    expect(priceOf(journal, 1_234, at)).toMatchObject({
      writesSince: 1_234,
      text: expect.stringMatching(/up to 1234 so far.* on ops1, .* 1\.5 h ago/),
    });
    expect(priceOf(journal, null, at).writesSince).toBeNull();
  });

  it('says that the version from before refuses to start only where a level is raised', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const journal = journalOf(cell.state());
    expect(priceOf(journal, 7, 0, 2).text).toMatch(/at level 2, version 0\.1\.0 refuses to start/);
    expect(priceOf(journal, 7, 0, null).text).toMatch(/may be at a new level/);
    const free = priceOf(journal, 7, 0, 1);
    expect(free.text).toMatch(/stays at level 1, and version 0\.1\.0 still starts .*Backup: \/backups\//);
    expect(free.text).not.toContain('refuses');
  });
});

describe('upgrade finalize', () => {
  it('raises the level and leaves nothing; the old version does not start any more', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    expect(await finalize(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'finalized' } });
    expect(cell.level).toBe(2);
    cell.boot(cell.member('n2'), '0.1.0');
    expect(cell.member('n2').up).toBe(false);
  });

  it('raises what was decided while every member ran the target, and nothing while one of them does not', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const finalizing = (): boolean => {
      const { current } = journalOf(cell.state());
      return current?.attempt.state === 'finalizing';
    };
    // The driver dies when finalizing is announced and nothing is raised yet.
    for (let at = 1; !finalizing(); at++) await killable(finalize(cell.world(at), driver()));
    expect(journalOf(cell.state()).current?.attempt.raiseTo).toBe(2);
    expect(cell.level).toBe(1);
    cell.boot(cell.member('n3'), '0.1.0');
    expect(await finalize(cell.world(), driver())).toMatchObject({
      code: 8,
      reason: 'n3 runs version 0.1.0 instead of 0.2.0',
      attempt: { state: 'finalizing' },
    });
    expect(cell.level).toBe(1);
    cell.boot(cell.member('n3'), '0.2.0');
    expect(await finalize(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'finalized' } });
    expect(cell.level).toBe(2);
    expect(cell.state().entries.filter(({ key }) => key === 'upgrade/raise')).toEqual([]);
  });

  /** The driver dies when finalizing is announced and nothing is raised yet. */
  async function announced(): Promise<FakeCell> {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const finalizing = (): boolean => journalOf(cell.state()).current?.attempt.state === 'finalizing';
    for (let at = 1; !finalizing(); at++) await killable(finalize(cell.world(at), driver()));
    expect(cell.level).toBe(1);
    return cell;
  }

  it.each(['rollback', 'abort'] as const)('that raised nothing yet is called off by %s', async (goal) => {
    const cell = await announced();
    // And this one cannot run the target.
    cell.boot(cell.member('n3'), '0.1.0');
    cell.restart = (it, member, version, request) => {
      if (member.name !== 'n3' || version === '0.1.0') honest(it, member, version, request);
    };
    const held = await finalize(cell.world(), driver());
    expect(() => refuseUnfinished(held)).toThrow(
      expect.objectContaining({ suggestions: expect.arrayContaining(['paxosctl upgrade rollback']) }),
    );
    expect(await dryRun(cell.world(), driver(), goal)).toMatchObject({ code: 0, attempt: { state: 'rolling-back' } });
    const state = goal === 'abort' ? 'aborted-clean' : 'rolled-back';
    expect(await goBack(cell.world(), driver(), goal)).toMatchObject({ code: 0, attempt: { state, raiseTo: null } });
    expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
    expect(cell.level).toBe(1);
    expect(cell.state().entries.filter(({ key }) => key === 'upgrade/raise')).toEqual([]);
    // Forward again, when that member is mended.
    cell.restart = honest;
    if (goal === 'abort') await run(cell.world(), toNew());
    else await resume(cell.world(), driver());
    expect(await finalize(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'finalized' } });
    expect(cell.level).toBe(2);
  });

  it('killed at every step is aborted while nothing was raised, and finished after it', async () => {
    const upgraded = async (): Promise<FakeCell> => {
      const cell = new FakeCell();
      await run(cell.world(), toNew());
      return cell;
    };
    const seenLevels = new Set<number>();
    for (let at = 1; ; at++) {
      const cell = await upgraded();
      if ((await killable(finalize(cell.world(at), driver()))) !== null) break;
      const { level } = cell;
      seenLevels.add(level);
      const aborted = await goBack(cell.world(), driver(), 'abort').catch((error: RefusedError) => error);
      if (level === 1) {
        expect(aborted, `killed at boundary ${at}`).toMatchObject({ code: 0, attempt: { state: 'aborted-clean' } });
        expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
      } else {
        expect(aborted, `killed at boundary ${at}`).toMatchObject({ exitCode: 5 });
        if (journalOf(cell.state()).current !== null) await finalize(cell.world(), driver());
        expect(versions(cell)).toEqual(['0.2.0', '0.2.0', '0.2.0']);
      }
      expect(cell.end(), `killed at boundary ${at}`).toMatchObject({ open: false, level });
      expect(at).toBeLessThan(200);
    }
    expect(seenLevels).toEqual(new Set([1, 2]));
  });

  it('that has raised the level is not called off, and a raise in between is not passed', async () => {
    const raise = (cell: FakeCell): void => {
      const { levelInstance, raiseInstance } = journalOf(cell.state());
      const guard = [
        { key: 'level', instance: levelInstance },
        { key: 'upgrade/raise', instance: raiseInstance },
      ];
      expect(cell.write({ guard, writes: [{ key: 'level', value: '2' }] })).toBe(true);
    };
    const late = await announced();
    raise(late);
    await expect(goBack(late.world(), driver(), 'rollback')).rejects.toMatchObject({
      exitCode: 5,
      suggestions: ['paxosctl upgrade finalize'],
    });
    const racing = await announced();
    racing.restarts = [];
    const world = racing.world();
    let raised = false;
    const slow: UpgradeWorld = {
      ...world,
      write: (body) => {
        if (!raised) raise(racing);
        raised = true;
        return world.write(body);
      },
    };
    await expect(goBack(slow, driver(), 'rollback')).rejects.toMatchObject({ exitCode: 5 });
    expect(racing.restarts).toEqual([]);
    expect(await finalize(racing.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'finalized' } });
  });

  it('of a target without a new level raises nothing, and looks at every member up to its end', async () => {
    const cell = new FakeCell();
    cell.levelsOf = () => ({ min: 1, max: 1 });
    await run(cell.world(), toNew());
    expect(await dryRun(cell.world(), driver(), 'finalize')).toMatchObject({
      first: 'finalize nothing is raised, level 1 stays',
    });
    const cleared = (): boolean => journalOf(cell.state()).current?.attempt.members[0]?.cleared != null;
    for (let at = 1; !cleared(); at++) await killable(finalize(cell.world(at), driver()));
    cell.boot(cell.member('n3'), '0.1.0');
    expect(await finalize(cell.world(), driver())).toMatchObject({
      code: 8,
      reason: 'n3 runs version 0.1.0 instead of 0.2.0',
      attempt: { state: 'finalizing' },
    });
    // Nothing was raised: both ways are open.
    expect(await goBack(cell.world(), driver(), 'rollback')).toMatchObject({ code: 0 });
    await resume(cell.world(), driver());
    expect(await finalize(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'finalized' } });
    expect(cell.end()).toMatchObject({ open: false, level: 1 });
    cell.boot(cell.member('n2'), '0.1.0');
    expect(cell.member('n2').up).toBe(true);
  });

  it('asks again while a member does not say yet which levels it speaks, and not for ever', async () => {
    for (const [refusals, code] of [
      [3, 0],
      [Number.POSITIVE_INFINITY, 8],
    ] as const) {
      const cell = new FakeCell();
      await run(cell.world(), toNew());
      const world = cell.world();
      let left: number = refusals;
      const busy: UpgradeWorld = {
        ...world,
        write: async (body) => {
          if (body.writes?.some(({ key }) => key === 'upgrade/raise') && left-- > 0)
            throw new RefusedError('n3 does not say which levels it speaks.', { code: 'PAXOS_LEVEL_REFUSED' });
          return world.write(body);
        },
      };
      expect(await finalize(busy, driver()), `${refusals}`).toMatchObject({ code });
      expect(cell.level).toBe(code === 0 ? 2 : 1);
    }
  });

  it('waits for the soak time', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const asked = { ...driver(), options: { ...options, soakMs: 2 * 3_600_000 } };
    expect(await finalize(cell.world(), asked)).toMatchObject({ code: 5, reason: expect.stringContaining('3600 s') });
    expect(cell.level).toBe(1);
  });

  it('and rollback are refused when there is nothing to go on with', async () => {
    const cell = new FakeCell();
    await expect(finalize(cell.world(), driver())).rejects.toMatchObject({ exitCode: 5 });
    await expect(goBack(cell.world(), driver(), 'rollback')).rejects.toMatchObject({ exitCode: 5 });
    await expect(resume(cell.world(), driver())).rejects.toMatchObject({ exitCode: 5 });
  });
});
