/** Drivers of an upgrade that are killed at every step, sleep, or go on a long time later. */
import { describe, expect, it } from 'vitest';
import { openUpgradeKeys } from '../../../src/core/database/system-entry.ts';
import { journalOf } from '../../../src/operator/upgrade/claim.ts';
import type { Attempt } from '../../../src/operator/upgrade/journal.ts';
import { finalize, goBack, resume, run } from '../../../src/operator/upgrade/workflows.ts';
import type { UpgradeWorld } from '../../../src/operator/upgrade/world.ts';
import { driver, killable, toNew, versions } from './driving.ts';
import { FakeCell, honest } from './fake-cell.ts';

describe('a driver killed at every step', () => {
  const uninterrupted = async (ending: 'finalize' | 'abort'): Promise<{ end: object; boundaries: number }> => {
    const cell = new FakeCell();
    const world = cell.world();
    await run(world, toNew());
    if (ending === 'finalize') await finalize(world, driver());
    else await goBack(world, driver(), 'abort');
    return { end: cell.end(), boundaries: world.boundaries() };
  };

  it('is resumed to the same end, and finalized, whichever step it was; months later the next upgrade works', async () => {
    const { end, boundaries } = await uninterrupted('finalize');
    expect(boundaries).toBeGreaterThan(40);
    for (let at = 1; at <= boundaries; at++) {
      const cell = new FakeCell();
      const dying = cell.world(at);
      const first = await killable(run(dying, toNew()).then(() => finalize(dying, driver())));
      if (first === null) await finish(cell, 'finalize');
      expect(cell.end(), `killed at boundary ${at}`).toEqual(end);
      cell.live(1_000_000);
      const next = await run(cell.world(), toNew({ to: '0.3.0' }));
      expect(next.code, `next upgrade after boundary ${at}`).toBe(0);
    }
  });

  it('is aborted to the same clean end, whichever step it was, and the next upgrade works', async () => {
    const { end } = await uninterrupted('abort');
    const whole = new FakeCell().world();
    const { boundaries } = await runBoundaries(whole);
    for (let at = 1; at <= boundaries; at++) {
      const cell = new FakeCell();
      await killable(run(cell.world(at), toNew()));
      await finish(cell, 'abort');
      expect(cell.end(), `killed at boundary ${at}`).toEqual(end);
      cell.live(1_000_000);
      expect((await run(cell.world(), toNew())).code, `next upgrade after boundary ${at}`).toBe(0);
    }
  });

  it('is aborted to the same clean end when the abort is killed at every step, too', async () => {
    const { end } = await uninterrupted('abort');
    const prepared = async (): Promise<FakeCell> => {
      const cell = new FakeCell();
      await run(cell.world(), toNew());
      return cell;
    };
    const counted = (await prepared()).world();
    await goBack(counted, driver(), 'abort').catch(() => undefined);
    for (let at = 1; at <= 200; at++) {
      const cell = await prepared();
      if ((await killable(goBack(cell.world(at), driver(), 'abort'))) !== null) break;
      await finish(cell, 'abort');
      expect(cell.end(), `killed at boundary ${at}`).toEqual(end);
      expect(at).toBeLessThan(200);
    }
  });

  async function runBoundaries(world: ReturnType<FakeCell['world']>): Promise<{ boundaries: number }> {
    await run(world, toNew());
    return { boundaries: world.boundaries() };
  }

  /** What an operator types next, whatever is open. */
  async function finish(cell: FakeCell, ending: 'finalize' | 'abort'): Promise<void> {
    const open = journalOf(cell.state()).current?.attempt;
    if (open === undefined) {
      if (ending === 'abort' || cell.members.every(({ version }) => version === '0.2.0')) return;
      await run(cell.world(), toNew());
    } else if (ending === 'abort') {
      await goBack(cell.world(), driver(), 'abort');
      return;
    } else {
      const driven = await resume(cell.world(), driver());
      if (driven.attempt.state === 'finalized') return;
    }
    await finalize(cell.world(), driver());
  }
});

describe('a driver that slept', () => {
  /** Falls asleep in front of the first look at which `isTime`; somebody else aborts the upgrade meanwhile. */
  async function sleeps(isTime: (open: Attempt) => boolean): Promise<FakeCell> {
    const cell = new FakeCell();
    const world = cell.world();
    let slept = false;
    const sleepy: UpgradeWorld = {
      ...world,
      see: async (known) => {
        const open = journalOf(cell.state()).current?.attempt;
        if (!slept && open !== undefined && isTime(open)) {
          slept = true;
          await world.sleep(60_000);
          expect(await goBack(cell.world(), driver('bob@ops2'), 'abort')).toMatchObject({ code: 0 });
          cell.restarts = [];
        }
        return world.see(known);
      },
    };
    await expect(run(sleepy, toNew())).rejects.toMatchObject({ exitCode: 5 });
    expect(slept).toBe(true);
    return cell;
  }

  it('restarts nobody once the upgrade was ended elsewhere', async () => {
    // In front of its first COMMAND, which the journal announces.
    const cell = await sleeps((open) => open.members.some(({ state }) => state === 'restarting'));
    expect(cell.restarts).toEqual([]);
    expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
  });

  it('puts nothing on any member once the upgrade was ended elsewhere', async () => {
    const cell = await sleeps((open) => open.backup !== null && open.members.some(({ begun }) => !begun));
    expect(cell.members.map(({ attempts }) => attempts.size)).toEqual([0, 0, 0]);
  });
});

describe('an upgrade that goes on a long time later', () => {
  it('has its mark and its backup made anew, so that what going back costs is what was written since', async () => {
    const cell = new FakeCell();
    const stopped = async (): Promise<void> => {
      cell.restart = (it, member, version, request) => {
        if (member.name !== 'n3' || version === '0.1.0') honest(it, member, version, request);
      };
      await run(cell.world(), toNew());
      cell.restart = honest;
    };
    await stopped();
    const first = journalOf(cell.state()).current?.attempt;
    cell.live(5_000);
    const world = cell.world();
    const soon = await resume(world, driver());
    expect(soon.attempt.backup).toEqual(first?.backup);
    await goBack(world, driver(), 'abort');
    await stopped();
    const old = journalOf(cell.state()).current?.attempt;
    cell.live(5_000);
    await world.sleep(25 * 3_600_000);
    const late = await resume(world, driver());
    expect(late).toMatchObject({ code: 0 });
    expect(late.attempt.backup?.instance).toBeGreaterThanOrEqual((old?.backup?.instance ?? 0) + 5_000);
    expect(late.attempt.mark?.instance).toBeGreaterThanOrEqual((old?.mark?.instance ?? 0) + 5_000);
  });

  it('is refused over what another attempt has left meanwhile', async () => {
    const cell = new FakeCell();
    cell.restart = () => undefined;
    await run(cell.world(), toNew());
    cell.member('n3').attempts.set('u-march', ['snapshot']);
    await expect(resume(cell.world(), driver())).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringContaining('u-march'),
    });
  });
});

describe('a new generation of the cell', () => {
  it('ends the upgrade that was open: it is history, its driver is told, and the next one begins', async () => {
    const cell = new FakeCell();
    cell.restart = () => undefined;
    const { attempt } = await run(cell.world(), toNew());
    expect(journalOf(cell.state()).attempts[0]).not.toHaveProperty('endedBy');
    const writes = [...openUpgradeKeys].map((key) => ({ key, value: null }));
    expect(cell.write({ writes })).toBe(true);
    const { attempts, current } = journalOf(cell.state());
    expect(current).toBeNull();
    expect(attempts).toMatchObject([{ attempt: attempt.attempt, state: 'stopped', endedBy: 'new-generation' }]);
    await expect(goBack(cell.world(), driver(), 'abort')).rejects.toMatchObject({ exitCode: 5 });
    // What it has left on the members is named, as that of any other attempt.
    await expect(run(cell.world(), toNew())).rejects.toThrow(attempt.attempt);
    for (const member of cell.members) member.attempts.clear();
    cell.restart = honest;
    expect(await run(cell.world(), toNew())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
    expect(journalOf(cell.state()).attempts.map(({ endedBy }) => endedBy)).toEqual(['new-generation', undefined]);
  });
});
