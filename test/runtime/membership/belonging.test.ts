/** How one that was removed ends, and who is told that it was: design §3 "Membership", contract §2, pitfall P47. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { OperatorError } from '../../../src/errors/index.ts';
import { Belonging, type Belongings } from '../../../src/runtime/membership/belonging.ts';
import { id } from '../../support/messages.ts';

const members = (...names: readonly string[]) =>
  names.map((name) => ({ name, incarnation: 1, role: 'voter', url: '' }));
const governing = (...names: readonly string[]) => [{ from: 1, configuration: { members: members(...names) } }];

let nowMs = 0;
let timers: { readonly at: number; readonly run: () => void }[] = [];
/** In memory the change that removes n2 is chosen already. */
const ofThree = () => ({
  participation: 'voting',
  configurations: governing('n1', 'n3'),
  durableConfigurations: governing('n1', 'n2', 'n3'),
  durablyAppliedUpTo: 10,
});
let core = ofThree();
let turnedAway: string[] = [];
let ends: OperatorError[] = [];
let tombstones = 0;
let belonging: Belonging;

const pass = (ms: number): void => {
  nowMs += ms;
  for (const timer of timers.filter(({ at }) => at <= nowMs)) {
    timers = timers.filter((other) => other !== timer);
    timer.run();
  }
};
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  [nowMs, timers, turnedAway, ends, tombstones] = [0, [], [], [], 0];
  core = ofThree();
  belonging = new Belonging({
    clocks: {
      now: () => ({ monotonicMs: nowMs }),
      schedule: (at: number, run: () => void) => {
        const timer = { at, run };
        timers.push(timer);
        return {
          cancel: () => {
            timers = timers.filter((other) => other !== timer);
          },
        };
      },
    },
    logger: { warn: () => undefined },
    directory: '/data/n3',
    onRemoved: (error: OperatorError) => ends.push(error),
  } as unknown as ConstructorParameters<typeof Belonging>[0]);
  belonging.begin({
    manifest: { cell: { id: 'cell-1' }, member: { name: 'n3', incarnation: 1 } },
    log: { core, self: id('n3'), turnedAway: (from: string) => turnedAway.push(from), updatePeers: () => undefined },
    questions: {},
    keepRemoved: async () => void tombstones++,
  } as unknown as Belongings);
});

describe('a member that was removed', () => {
  it('ends for good once the others have that on their disks', async () => {
    core.participation = 'removed';
    belonging.onLeft();
    pass(5_000);
    expect([ends.length, belonging.removed]).toEqual([0, false]);
    belonging.onParted();
    await settled();
    expect(ends).toMatchObject([{ code: 'PAXOS_MEMBER_REMOVED', exitCode: 23, facts: { known: true } }]);
    expect(tombstones).toBe(1);
    pass(60_000);
    expect(ends).toHaveLength(1);
  });

  it('ends in time for its exit within ten seconds where they never say so, and its directory can be started again', async () => {
    core.participation = 'removed';
    belonging.onLeft();
    pass(6_000);
    await settled();
    expect(ends).toMatchObject([{ code: 'PAXOS_MEMBER_REMOVED', exitCode: 23, facts: { known: false } }]);
    expect(ends[0]?.message).toMatch(/keep its directory until they serve/);
    expect(ends[0]?.suggestions.join()).not.toContain('mv ');
    expect(tombstones).toBe(0);
  });

  it('is counted what it is told where its log knows it, and ends at the first word where it does not', async () => {
    core.participation = 'removed';
    belonging.onRefused(id('n1'), 'PAXOS_MEMBER_REMOVED');
    expect([turnedAway, ends.length]).toEqual([[id('n1')], 0]);
    core.participation = 'voting';
    belonging.onRefused(id('n1'), 'PAXOS_MEMBER_REMOVED');
    await settled();
    expect([ends.length, tombstones]).toEqual([1, 1]);
  });

  it('takes nothing from one that it does not let in itself', async () => {
    belonging.onRefused(id('n9'), 'PAXOS_MEMBER_REMOVED');
    await settled();
    expect(ends).toHaveLength(0);
  });
});

describe('who is told that it is out', () => {
  it('is who is in no configuration that the disk knows, and was in one', () => {
    expect(belonging.judge(id('n2'))).toEqual({ ok: true });
    core.durableConfigurations = governing('n1', 'n3');
    expect(belonging.judge(id('n2'))).toMatchObject({ ok: false, code: 'PAXOS_MEMBER_REMOVED' });
    expect(belonging.judge(id('n4#11'))).toMatchObject({ ok: false, code: 'PAXOS_MEMBER_UNKNOWN' });
    expect([belonging.refusalOf(id('n4#11')), belonging.refusalOf(id('n1'))]).toEqual([null, null]);
    expect(belonging.refusalOf(id('n2'))).toMatchObject({ code: 'PAXOS_MEMBER_REMOVED' });
    core.durablyAppliedUpTo = 11;
    expect(belonging.judge(id('n4#11'))).toMatchObject({ ok: false, code: 'PAXOS_MEMBER_REMOVED' });
  });
});
