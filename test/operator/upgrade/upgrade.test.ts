/** The driver of upgrades over a made-up cell: killed at every step, lied to by every kind of restart, driven by two. */
import { describe, expect, it } from 'vitest';
import { openUpgradeKeys } from '../../../src/core/database/system-entry.ts';
import {
  CheckFailedError,
  CheckIncompleteError,
  OutcomeUnknownError,
  RefusedError,
  UnreachableError,
} from '../../../src/errors/index.ts';
import { journalOf } from '../../../src/operator/upgrade/claim.ts';
import type { Driven, DriverEvents } from '../../../src/operator/upgrade/driver.ts';
import { priceOf, refuseUnfinished } from '../../../src/operator/upgrade/operate.ts';
import { dryRun, finalize, goBack, plan, putBackAlone, resume, run } from '../../../src/operator/upgrade/workflows.ts';
import type { UpgradeWorld } from '../../../src/operator/upgrade/world.ts';
import { FakeCell, type FakeMember, honest, Killed, type Restart } from './fake-cell.ts';

const events: DriverEvents = { step: () => undefined, waiting: () => undefined };
const options = { stepTimeoutMs: 3_000, minTolerance: 0, diskFreeBytesMin: 0, soakMs: 0 };
let nonces = 0;
const driver = (name = 'alice@ops1') => ({ driver: name, nonce: `t${++nonces}`, events, options });
const toNew = (more: object = {}) => ({
  ...driver(),
  to: '0.2.0',
  how: 'exec' as const,
  exec: 'restart {name}',
  rehearse: null,
  ...more,
});

/** Runs until it ends by itself or is killed; null then. */
async function killable(work: Promise<Driven>): Promise<Driven | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Killed) return null;
    throw error;
  }
}

const versions = (cell: FakeCell): string[] => cell.members.map(({ version }) => version);

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

describe('a restart that lies', () => {
  /** Only when it is to upgrade n2; what puts it back is honest. */
  const onceAtN2 =
    (lie: (cell: FakeCell, member: FakeMember) => void): Restart =>
    (cell, member, version, request) => {
      if (member.name === 'n2' && version === '0.2.0') lie(cell, member);
      else honest(cell, member, version, request);
    };

  const lies: Record<string, [(cell: FakeCell, member: FakeMember) => void, string]> = {
    'does nothing': [() => undefined, 'was not restarted'],
    'starts the old version': [(cell, member) => cell.boot(member, '0.1.0'), 'with version 0.1.0 instead of 0.2.0'],
    'starts on an old copy of the directory': [
      (cell, member) => {
        const { boot } = member;
        cell.boot(member, '0.2.0');
        member.boot = boot - 1;
      },
      'older copy of its directory',
    ],
    "starts on another member's directory": [
      (cell, member) => {
        cell.boot(member, '0.2.0');
        member.answersAs = 'n3';
      },
      'answers n3',
    ],
    'stops it and starts nothing': [
      (_, member) => {
        member.up = false;
      },
      'does not answer',
    ],
    'rebuilds it as another incarnation': [
      (cell, member) => {
        cell.boot(member, '0.2.0');
        member.incarnation = 7;
      },
      'incarnation 7',
    ],
  };

  it.each(Object.entries(lies))(
    '%s: that member is put back, the run stops with the reason',
    async (_, [lie, reason]) => {
      const cell = new FakeCell();
      cell.restart = onceAtN2(lie);
      const boot = cell.boot.bind(cell);
      cell.boot = (member, version) => {
        member.answersAs = member.name;
        if (version === '0.1.0') member.incarnation = 1;
        boot(member, version);
      };
      const driven = await run(cell.world(), toNew());
      expect(driven.code).toBe(5);
      expect(driven.reason).toContain(reason);
      expect(driven.attempt).toMatchObject({ state: 'stopped', stop: { member: 'n2' } });
      expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
      expect(cell.members.every(({ up }) => up)).toBe(true);
      cell.restart = honest;
      expect((await resume(cell.world(), driver())).code).toBe(0);
    },
  );

  it('is none while the process of before ends, whatever that says of itself meanwhile', async () => {
    const cell = new FakeCell();
    const see = cell.see.bind(cell);
    let looks = 0;
    const ending = new Map<string, () => void>();
    cell.restart = (it, member, version) => ending.set(member.name, () => it.boot(member, version));
    cell.see = () => {
      const seen = see();
      const members = seen.members.map(({ member, status, why }) => {
        const role = status !== null && ending.has(member.name) ? ({ role: 'halted', voting: false } as const) : {};
        return { member, status: status === null ? null : { ...status, ...role }, why };
      });
      if (ending.size > 0 && ++looks % 3 === 0) {
        for (const start of ending.values()) start();
        ending.clear();
      }
      return { ...seen, members };
    };
    expect(await run(cell.world(), toNew())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
    expect(looks).toBeGreaterThanOrEqual(9);
    expect(cell.restarts.length).toBe(3);
  });

  it('starts it twice: the second boot is noticed', async () => {
    const cell = new FakeCell();
    cell.restart = onceAtN2((it, member) => {
      it.boot(member, '0.2.0');
      let sights = 0;
      const see = it.see.bind(it);
      it.see = () => {
        if (++sights === 2) it.boot(member, '0.2.0');
        return see();
      };
      it.member('n2').applied = it.instance;
    });
    // The first look finds it lagging, so that there is a second one.
    const unheard = cell.world();
    const driven = await run({ ...unheard, verify: slowly(unheard) }, toNew());
    expect(driven).toMatchObject({ code: 5, reason: expect.stringContaining('started twice') });
  });

  it('leaves it down and cannot put it back either: 8, the cell serves, and the reason is told', async () => {
    const cell = new FakeCell();
    cell.restart = (_, member) => {
      member.up = false;
    };
    const driven = await run(cell.world(), toNew());
    expect(driven).toMatchObject({ code: 8, attempt: { state: 'stopped', stop: { judged: false } } });
    expect(driven.reason).toContain('could not be put back');
    // Mended, it goes on at once, and does not stop for what was doubted before.
    const mended = new FakeCell();
    mended.restart = cell.restart;
    await run(mended.world(), toNew());
    mended.restart = honest;
    mended.boot(mended.member('n2'), '0.1.0');
    expect(await resume(mended.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
    expect(versions(mended)).toEqual(['0.2.0', '0.2.0', '0.2.0']);
    expect(cell.quorum).toBe(true);
    expect(versions(cell).filter((version) => version === '0.1.0')).toHaveLength(3);
  });

  it('makes the databases differ: stopped before the next member', async () => {
    const cell = new FakeCell();
    cell.restart = (it, member, version, request) => {
      honest(it, member, version, request);
      it.disagree = version === '0.2.0';
    };
    const driven = await run(cell.world(), toNew());
    expect(driven).toMatchObject({ code: 5, reason: expect.stringContaining('differ at instance 7') });
    expect(cell.restarts.filter(({ version }) => version === '0.2.0')).toHaveLength(1);
  });

  it('ends while the cell cannot choose: the member is put back first and recorded when it can', async () => {
    const cell = new FakeCell();
    cell.restart = (it, member, version, request) => {
      if (version === '0.1.0') return honest(it, member, version, request);
      member.up = false;
      it.member('n3').up = false;
      it.restart = (inner, again, back, asked) => {
        honest(inner, again, back, asked);
        inner.member('n3').up = true;
      };
    };
    const driven = await run(cell.world(), toNew());
    expect(driven).toMatchObject({ code: 5, recorded: true });
    expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
    expect(journalOf(cell.state()).current?.attempt.state).toBe('stopped');
  });

  it('can be undone for one member without a quorum', async () => {
    const cell = new FakeCell();
    const { attempt } = await run(cell.world(), toNew());
    cell.member('n1').up = false;
    cell.member('n3').up = false;
    const put = await putBackAlone(cell.world(), { attempt, level: 1, name: 'n2', timeoutMs: 1_000, events });
    expect(put).toMatchObject({ member: 'n2', version: '0.1.0' });
  });
});

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

describe('every member runs the version', () => {
  it('that is the target: one that went back meanwhile has its turn again, when stopped and when all seemed done', async () => {
    const cell = new FakeCell();
    cell.restart = (it, member, version, request) => {
      if (member.name !== 'n3' || version === '0.1.0') honest(it, member, version, request);
    };
    expect(await run(cell.world(), toNew())).toMatchObject({ code: 5 });
    cell.restart = honest;
    cell.boot(cell.member('n2'), '0.1.0');
    expect(await resume(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
    expect(versions(cell)).toEqual(['0.2.0', '0.2.0', '0.2.0']);
    cell.boot(cell.member('n3'), '0.1.0');
    expect(await resume(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
    expect(versions(cell)).toEqual(['0.2.0', '0.2.0', '0.2.0']);
  });

  it('is not said while one of them does not answer', async () => {
    const cell = new FakeCell();
    await run(cell.world(), toNew());
    const silent = cell.members.find(({ name }) => name !== cell.master) as FakeMember;
    silent.up = false;
    expect(await resume(cell.world(), driver())).toMatchObject({
      code: 8,
      reason: expect.stringContaining(`${silent.name} does not say`),
    });
  });

  it('from before: one that runs the target although its turn never came goes back, too', async () => {
    const cell = new FakeCell();
    cell.restart = (it, member, version, request) => {
      if (member.name !== 'n2' || version === '0.1.0') honest(it, member, version, request);
    };
    expect(await run(cell.world(), toNew())).toMatchObject({ code: 5, attempt: { stop: { member: 'n2' } } });
    cell.restart = honest;
    cell.boot(cell.member('n3'), '0.2.0');
    expect(await goBack(cell.world(), driver(), 'abort')).toMatchObject({
      code: 0,
      attempt: { state: 'aborted-clean' },
    });
    expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
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

describe('a driver that slept', () => {
  it('restarts nobody once the upgrade was ended elsewhere', async () => {
    const cell = new FakeCell();
    const world = cell.world();
    let slept = false;
    const sleepy: UpgradeWorld = {
      ...world,
      see: async (known) => {
        const open = journalOf(cell.state()).current?.attempt;
        // In front of its first COMMAND, which the journal announces.
        if (!slept && open?.members.some(({ state }) => state === 'restarting')) {
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
    expect(cell.restarts).toEqual([]);
    expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
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

describe('a restart that cannot even be tried', () => {
  it('is told, and the member has its turn later', async () => {
    const cell = new FakeCell();
    const world = cell.world();
    const without: UpgradeWorld = {
      ...world,
      restart: () => Promise.reject(new RefusedError('No program of version 0.2.0 is known here.')),
    };
    expect(await run(without, toNew())).toMatchObject({
      code: 5,
      reason: expect.stringContaining('No program of version 0.2.0 is known here'),
      attempt: { state: 'stopped', stop: { member: 'n2', judged: true } },
    });
    expect(versions(cell)).toEqual(['0.1.0', '0.1.0', '0.1.0']);
    expect(await resume(cell.world(), driver())).toMatchObject({ code: 0, attempt: { state: 'upgraded' } });
  });

  it('by hand has ten minutes, whatever one step has otherwise', async () => {
    for (const [minutes, code] of [
      [9, 0],
      [11, 5],
    ] as const) {
      const cell = new FakeCell();
      const world = cell.world();
      let asked: number | null = null;
      cell.restart = (it, member, version, request) => {
        if (member.name !== 'n2' || version === '0.1.0') return honest(it, member, version, request);
        asked = world.nowMs();
      };
      const slow: UpgradeWorld = {
        ...world,
        sleep: async (ms) => {
          await world.sleep(ms);
          if (asked === null || world.nowMs() - asked < minutes * 60_000) return;
          asked = null;
          cell.boot(cell.member('n2'), '0.2.0');
        },
      };
      expect(await run(slow, toNew({ how: 'manual', exec: null })), `${minutes} minutes`).toMatchObject({ code });
    }
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

/** Databases can be compared only at the second try: there is time to look again. */
function slowly(world: UpgradeWorld): UpgradeWorld['verify'] {
  let tries = 0;
  return async () => (++tries < 3 ? { verdict: 'incomplete', detail: 'not yet', agreeing: [] } : world.verify());
}
