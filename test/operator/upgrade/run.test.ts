/** Upgrades from their plan to the last member, over a made-up cell. */
import { describe, expect, it } from 'vitest';
import {
  CheckFailedError,
  CheckIncompleteError,
  OutcomeUnknownError,
  RefusedError,
  UnreachableError,
} from '../../../src/errors/index.ts';
import { journalOf } from '../../../src/operator/upgrade/claim.ts';
import type { Driven } from '../../../src/operator/upgrade/driver.ts';
import { refuseUnfinished } from '../../../src/operator/upgrade/operate.ts';
import { dryRun, finalize, goBack, plan, putBackAlone, resume, run } from '../../../src/operator/upgrade/workflows.ts';
import type { UpgradeWorld } from '../../../src/operator/upgrade/world.ts';
import { driver, events, killable, options, toNew, versions } from './driving.ts';
import { FakeCell, honest } from './fake-cell.ts';

describe('upgrade run', () => {
  it('upgrades the followers first and the master last, after a hand-over', async () => {
    const cell = new FakeCell();
    const driven = await run(cell.world(), toNew());
    expect(driven).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
    expect(cell.restarts).toEqual(['n2', 'n3', 'n1'].map((member) => ({ member, version: '0.2.0' })));
    expect(versions(cell)).toEqual(['0.2.0', '0.2.0', '0.2.0']);
    expect(cell.level).toBe(1);
  });

  it('is refused while another upgrade is open, with what to do', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    await expect(run(cell.world(), toNew({ to: '0.3.0' }))).rejects.toMatchObject({
      exitCode: 5,
      suggestions: expect.arrayContaining(['paxosctl upgrade finalize']),
    });
  });

  it('refuses a second driver with the name of the first', async () => {
    const cell = new FakeCell();
    const first = killable(run(cell.world(9), toNew()));
    expect(await first).toBeNull();
    await expect(run(cell.world(), { ...toNew(), driver: 'bob@ops2' })).rejects.toMatchObject({
      exitCode: 5,
      facts: { driver: 'alice@ops1' },
    });
  });

  it('takes no journal write from a driver whose claim was taken over', async () => {
    const cell = new FakeCell();
    let second: Promise<Driven> | null = null;
    // In the middle of its first restart the first driver is silent for so long that another one takes over.
    cell.restart = (it, member, version) => {
      honest(it, member, version, {} as never);
      if (second !== null) return;
      cell.restart = honest;
      second = resume(cell.world(), driver('bob@ops2'));
    };
    const world = cell.world();
    const slow: UpgradeWorld = {
      ...world,
      restart: async (request) => {
        const end = await world.restart(request);
        await second;
        return end;
      },
    };
    await expect(run(slow, toNew())).rejects.toMatchObject({ exitCode: 5 });
    expect(await second).toMatchObject({ code: 0 });
    expect(versions(cell)).toEqual(['0.2.0', '0.2.0', '0.2.0']);
  });

  it('begins nothing while residue of another attempt lies on a member, and names it', async () => {
    const cell = new FakeCell();
    cell.member('n2').attempts.set('u-old', ['snapshot-from-march']);
    await expect(run(cell.world(), toNew())).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringContaining('u-old'),
    });
    expect(cell.restarts).toEqual([]);
  });

  it.each(['n2', 'n3', 'n1'])(
    'stops before the next turn when the restart of %s has left something of another attempt',
    async (liar) => {
      const cell = new FakeCell();
      cell.restart = (it, member, version, request) => {
        honest(it, member, version, request);
        // On another member than its own: what a copied directory brings along.
        if (member.name === liar) cell.member('n2').attempts.set('u-march', ['snapshot-from-march']);
      };
      const driven = await run(cell.world(), toNew());
      expect(driven).toMatchObject({ code: 5, attempt: { state: 'stopped', stop: { judged: true } } });
      expect(driven.reason).toContain('n2 attempts/u-march: 1 files');
      expect(cell.restarts.at(-1)).toEqual({ member: liar, version: '0.2.0' });
      expect(() => refuseUnfinished(driven)).toThrow(
        expect.objectContaining({ suggestions: expect.arrayContaining(['paxosctl upgrade scan --clear ATTEMPT']) }),
      );
      await expect(resume(cell.world(), driver())).rejects.toMatchObject({ exitCode: 5 });
      cell.member('n2').attempts.delete('u-march');
      expect(await resume(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
      expect(versions(cell)).toEqual(['0.2.0', '0.2.0', '0.2.0']);
    },
  );

  it('waits for a member that does not say just now what attempts have left there, and stops with 8', async () => {
    const cell = new FakeCell();
    const world = cell.world();
    let deaf = 3;
    const scan: UpgradeWorld['scan'] = async (member) => {
      const open = cell.state().entries.some(({ key }) => key === 'upgrade/current');
      if (open && member.url === 'http://n3' && deaf-- > 0) throw new UnreachableError('n3 is busy');
      return world.scan(member);
    };
    expect(await run({ ...world, scan }, toNew())).toMatchObject({ code: 0 });
    expect(deaf).toBeLessThan(0);
    await goBack(cell.world(), driver(), 'abort');
    deaf = Number.POSITIVE_INFINITY;
    const driven = await run({ ...world, scan }, toNew());
    expect(driven).toMatchObject({ code: 8, attempt: { state: 'stopped', stop: { judged: false } } });
    expect(driven.reason).toContain('n3 did not say what attempts have left there');
    expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
  });

  it('takes no moment at which nobody answers for a look that found nothing left', async () => {
    for (let blinkAt = 1; ; blinkAt++) {
      const cell = new FakeCell();
      const world = cell.world();
      let looks = 0;
      const blinking: UpgradeWorld = {
        ...world,
        // The members are then those that the driver knows of by itself.
        see: async (known) => {
          const seen = await world.see(known);
          if (!cell.state().entries.some(({ key }) => key === 'upgrade/current') || ++looks !== blinkAt) return seen;
          const members = known.map((it) => ({ member: { ...it, role: 'voter' as const }, status: null, why: 'slow' }));
          return { ...seen, members, master: null };
        },
        scan: async (member) => {
          if (looks === blinkAt) throw new UnreachableError('slow');
          return world.scan(member);
        },
      };
      cell.restart = (it, member, version, request) => {
        honest(it, member, version, request);
        if (member.name === 'n1') cell.member('n2').attempts.set('u-march', ['snapshot-from-march']);
      };
      const driven = await run(blinking, toNew());
      expect(driven.reason, `nobody answered at look ${blinkAt}`).toContain('n2 attempts/u-march: 1 files');
      if (looks < blinkAt) return;
    }
  });

  it('begins nothing when the target does not speak the level of the cell', async () => {
    const cell = new FakeCell();
    await expect(run(cell.world(), toNew({ levels: { min: 2, max: 3 } }))).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringContaining('levels 2 to 3'),
    });
    expect(cell.restarts).toEqual([]);
  });

  it('says 8 and begins nothing when a member cannot be asked', async () => {
    const cell = new FakeCell();
    cell.member('n3').up = false;
    await expect(run(cell.world(), toNew())).rejects.toMatchObject({ exitCode: 8 });
    expect(cell.restarts).toEqual([]);
  });
});

describe('a member that could not be asked', () => {
  it('before the turn of another one: 8, and nobody is restarted after it', async () => {
    const cell = new FakeCell(['n1', 'n2', 'n3', 'n4', 'n5']);
    const world = cell.world();
    const failing: UpgradeWorld = {
      ...world,
      see: (known) => {
        const open = journalOf(cell.state()).current?.attempt;
        if (open?.members.some(({ state }) => state === 'upgraded')) cell.member('n5').up = false;
        return world.see(known);
      },
    };
    const driven = await run(failing, toNew());
    expect(driven).toMatchObject({ code: 8, attempt: { state: 'stopped', stop: { judged: false } } });
    expect(driven.reason).toContain('n5 does not answer');
    expect(new Set(cell.restarts.map(({ member }) => member))).toEqual(new Set(['n2']));
    cell.boot(cell.member('n5'), '0.1.0');
    expect(await resume(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
  });

  it('for its folder of the attempt: 8, and nobody is restarted', async () => {
    const cell = new FakeCell();
    const world = cell.world();
    const deaf: UpgradeWorld = {
      ...world,
      begin: (member, manifest) =>
        member.name === 'n3' ? Promise.reject(new RefusedError('n3 does not answer')) : world.begin(member, manifest),
    };
    expect(await run(deaf, toNew())).toMatchObject({ code: 8, attempt: { stop: { member: 'n3', judged: false } } });
    expect(cell.restarts).toEqual([]);
    expect(await resume(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
  });

  it.each([
    ['a backup that finds no room', 'backup', new Error('ENOSPC'), 5],
    ['a backup of which what was read back differs', 'backup', new CheckFailedError('another digest'), 5],
    ['a backup while nobody answers', 'backup', new UnreachableError('nobody answers'), 8],
    ['a rehearsal that the target refuses', 'rehearse', new Error('version 0.2.0 refuses: checksum'), 5],
    ['a rehearsal that shows nothing of this member', 'rehearse', new CheckIncompleteError('nothing was compared'), 8],
    ['a hand-over that is refused', 'transfer', new RefusedError('nobody has caught up'), 5],
    ['a hand-over of which nobody knows', 'transfer', new OutcomeUnknownError('the connection ended'), 8],
  ] as const)('%s stops the run, and says which of both it is', async (_, what, error, code) => {
    const cell = new FakeCell();
    const fails = async (): Promise<never> => {
      throw error;
    };
    const driven = await run({ ...cell.world(), [what]: fails }, toNew({ rehearse: 'rehearse {name}' }));
    expect(driven).toMatchObject({ code, attempt: { state: 'stopped', stop: { judged: code === 5 } } });
    expect(driven.reason).toContain(error.message);
    expect(cell.member('n1').version).toBe('0.1.0');
    const resumed = await resume(cell.world(), driver());
    expect(resumed).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
  });

  it('is not the same as one that is found wrong: 5', async () => {
    const cell = new FakeCell();
    cell.restart = (it, member, version, request) => {
      honest(it, member, version, request);
      if (member.name === 'n2') it.member('n3').answersAs = 'n2';
    };
    expect(await run(cell.world(), toNew())).toMatchObject({
      code: 5,
      reason: expect.stringContaining('n2 answers there'),
      attempt: { stop: { judged: true } },
    });
  });
});

describe('members that change while an upgrade is open', () => {
  it('one that was let in again at another address is cleaned there', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const n3 = cell.member('n3');
    cell.members.splice(cell.members.indexOf(n3), 1, { ...n3, url: 'http://n3-new' });
    expect(await finalize(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'finalized' } });
    expect(cell.end()).toMatchObject({ open: false });
    expect(cell.member('n3').attempts.size).toBe(0);
  });

  /** Stopped in front of its second member, with n2 upgraded. */
  async function half(): Promise<FakeCell> {
    const cell = new FakeCell(['n1', 'n2', 'n3', 'n4', 'n5']);
    cell.restart = (it, member, version, request) => {
      if (member.name !== 'n3' || version === '0.1.0') honest(it, member, version, request);
    };
    expect(await run(cell.world(), toNew())).toMatchObject({ code: 5, attempt: { stop: { member: 'n3' } } });
    cell.restart = honest;
    return cell;
  }

  const ends = {
    resume: async (cell: FakeCell): Promise<readonly [Driven, string]> => {
      expect(await resume(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
      return [await finalize(cell.world(), driver()), '0.2.0'];
    },
    abort: async (cell: FakeCell): Promise<readonly [Driven, string]> => [
      await goBack(cell.world(), driver(), 'abort'),
      '0.1.0',
    ],
  };

  it.each(Object.entries(ends))('%s: nobody waits for one that was removed, upgraded or not', async (_, end) => {
    for (const name of ['n2', 'n3', 'n4']) {
      const cell = await half();
      cell.remove(name);
      const [driven, version] = await end(cell);
      expect(driven, name).toMatchObject({ code: 0 });
      expect(versions(cell)).toEqual([version, version, version, version]);
      expect(cell.end()).toMatchObject({ open: false });
    }
  });

  it('nobody waits for one that was removed while it was being put back', async () => {
    const cell = new FakeCell();
    cell.restart = (_, member) => {
      member.up = false;
    };
    expect(await run(cell.world(), toNew())).toMatchObject({ code: 8 });
    cell.remove('n2');
    cell.restart = honest;
    expect(await goBack(cell.world(), driver(), 'abort')).toMatchObject({ code: 0 });
  });

  it.each(Object.entries(ends))('%s: one that was rebuilt is judged as what the cell counts on', async (_, end) => {
    for (const name of ['n2', 'n3', 'n4']) {
      const cell = await half();
      cell.rebuild(name);
      const [driven, version] = await end(cell);
      expect(driven, name).toMatchObject({ code: 0 });
      expect(versions(cell)).toEqual(['n1', 'n2', 'n3', 'n4', 'n5'].map(() => version));
    }
  });

  it.each(Object.entries(ends))('%s: one that was added takes part', async (_, end) => {
    for (const runs of ['0.1.0', '0.2.0']) {
      const cell = await half();
      cell.add('n6', runs);
      const [driven, version] = await end(cell);
      expect(driven, runs).toMatchObject({ code: 0 });
      expect(new Set(versions(cell))).toEqual(new Set([version]));
    }
  });
});

describe('a dry run', () => {
  const request = (more: object = {}) => ({ ...driver(), options: { ...options, ...more } });

  it('is refused where the command is, and changes nothing where it is not', async () => {
    const cell = new FakeCell();
    await expect(dryRun(cell.world(), request(), 'finalize')).rejects.toMatchObject({ exitCode: 5 });
    await run(cell.world(), toNew());
    const before = [cell.end(), cell.restarts.length, JSON.stringify(cell.state().entries)];
    const soaking = { code: 5, first: null, reason: expect.stringContaining('are asked for') };
    expect(await dryRun(cell.world(), request({ soakMs: 2 * 3_600_000 }), 'finalize')).toMatchObject(soaking);
    expect(await dryRun(cell.world(), request(), 'finalize')).toMatchObject({
      code: 0,
      first: 'finalize no way back from here, to level 2',
    });
    expect(await dryRun(cell.world(), request(), 'abort')).toMatchObject({
      code: 0,
      first: expect.stringContaining('rollback'),
    });
    expect(await dryRun(cell.world(), request(), 'resume')).toMatchObject({ code: 0, first: null });
    cell.disagree = true;
    expect(await dryRun(cell.world(), request(), 'finalize')).toMatchObject({ code: 5, first: null });
    cell.disagree = false;
    cell.member('n3').up = false;
    expect(await dryRun(cell.world(), request(), 'finalize')).toMatchObject({ code: 8, first: null });
    cell.member('n3').up = true;
    expect([cell.end(), cell.restarts.length, JSON.stringify(cell.state().entries)]).toEqual(before);
  });

  it('of a member put back alone restarts nobody', async () => {
    const cell = new FakeCell();
    const { attempt } = await run(cell.world(), toNew());
    cell.restarts = [];
    const alone = { attempt, level: 1, name: 'n2', timeoutMs: 1_000, events, dryRun: true };
    expect(await putBackAlone(cell.world(), alone)).toMatchObject({ version: '0.1.0', wouldChange: true });
    expect(cell.restarts).toEqual([]);
  });
});

describe('a target that does not speak the level of the cell', () => {
  it('is refused before anything where its own program can be asked', async () => {
    const cell = new FakeCell();
    cell.levelsOf = (version) => (version === '0.1.0' ? { min: 1, max: 1 } : { min: 2, max: 3 });
    const asked = { to: '0.2.0', options, rehearse: 'rehearse {name}' };
    const { findings } = await plan(cell.world(), { ...asked, thorough: true });
    expect(findings.map(({ problem }) => problem)).toEqual(
      Array(3).fill('version 0.2.0 speaks levels 2 to 3, the cell is at level 1'),
    );
    expect((await plan(cell.world(), { ...asked, rehearse: null })).findings).toEqual([]);
    await expect(run(cell.world(), toNew({ rehearse: 'rehearse {name}' }))).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringContaining('levels 2 to 3'),
    });
    expect(cell.restarts).toEqual([]);
    expect(cell.state().entries).toEqual([]);
  });
});
