/** An upgrade over restarts that lie, cannot be tried, or were done by somebody else. */
import { describe, expect, it } from 'vitest';
import { RefusedError } from '../../../src/errors/index.ts';
import { journalOf } from '../../../src/operator/upgrade/claim.ts';
import { goBack, putBackAlone, resume, run } from '../../../src/operator/upgrade/workflows.ts';
import type { UpgradeWorld } from '../../../src/operator/upgrade/world.ts';
import { driver, events, toNew, versions } from './driving.ts';
import { FakeCell, type FakeMember, honest, type Restart } from './fake-cell.ts';

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

/** Databases can be compared only at the second try: there is time to look again. */
function slowly(world: UpgradeWorld): UpgradeWorld['verify'] {
  let tries = 0;
  return async () => (++tries < 3 ? { verdict: 'incomplete', detail: 'not yet', agreeing: [] } : world.verify());
}
