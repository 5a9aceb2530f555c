import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import type { Attempt, MemberState } from '../../src/operator/upgrade/journal.ts';
import { keys } from '../../src/operator/upgrade/journal.ts';
import type { UpgradeWorld } from '../../src/operator/upgrade/world.ts';
import { SimulatedAttempts } from '../../src/simulator/attempts.ts';
import type { Machine } from '../../src/simulator/machine.ts';
import { type Sleep, UpgradeMoments, WatchedDriver } from '../../src/simulator/operators/upgrade-moments.ts';
import { drawUpgrade } from '../../src/simulator/operators/upgrade-order.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';

// Drivers of upgrades that do what they cannot know to be right, beside those that may.

const attempt = (state: Attempt['state'], n1: MemberState, more: Partial<Attempt> = {}): Attempt =>
  ({ attempt: 'u-1', state, from: '0.1.0', to: '0.2.0', members: [{ name: 'n1', state: n1 }], ...more }) as Attempt;

/** A cell of one machine, at level `level`, and one driver of it. */
function driven({ level = 2, sleep = null }: { readonly level?: number; readonly sleep?: Sleep | null } = {}) {
  const scheduler = new Scheduler();
  const membersChange = { now: false };
  const machine = { name: 'n1', attempts: new SimulatedAttempts(), runs: { version: '0.1.0', sinceMs: 0 } };
  const moments = new UpgradeMoments(scheduler, [machine as unknown as Machine], () => membersChange.now);
  const violations: string[] = [];
  const plain = {
    see: async () => null,
    write: async () => true,
    restart: async () => '',
    every: () => () => undefined,
  };
  const { world, asleep } = new WatchedDriver({
    ...{ world: plain as unknown as UpgradeWorld, moments, scheduler, sleep, meddlings: [] },
    ...{ members: () => ['n1'], level: () => level, meddle: () => undefined, drop: () => undefined },
    fail: ({ message }) => void violations.push(message),
  });
  const write = (it: Attempt) =>
    world.write({ writes: [{ key: keys.attempt(it.attempt), value: JSON.stringify(it) }] });
  const restart = (it: Attempt, version: string) =>
    world.restart({ attempt: it, member: it.members[0], version } as Parameters<UpgradeWorld['restart']>[0]);
  const passes = async (ms: number): Promise<void> => void (await scheduler.run(scheduler.nowMs + ms));
  return { asleep, machine, membersChange, moments, passes, restart, violations, world, write };
}

describe('the turn of a member', () => {
  test.each([
    ['is not begun over what was left before the write before it', true],
    ['may be begun over what was left after it', false],
  ])('%s', async (_, before) => {
    const { machine, moments, passes, violations, write } = driven();
    if (before) moments.plant(machine as unknown as Machine);
    await passes(10);
    await write(attempt('running', 'waiting'));
    await passes(10);
    if (!before) moments.plant(machine as unknown as Machine);
    await write(attempt('running', 'restarting'));
    expect(violations).toEqual(before ? [expect.stringContaining('over what another attempt has left')] : []);
  });
});

describe('what is written of all members', () => {
  test.each([
    ['nothing is raised, and one has run another version since before the last look', '0.1.0', {}, 1],
    ['all run it', '0.2.0', {}, 0],
    ['the level was raised: nobody looks again', '0.1.0', { raiseFrom: 1, raiseTo: 2 }, 0],
  ])('is final: %s', async (_, version, raised, wrong) => {
    const { machine, passes, violations, world, write } = driven();
    await write(attempt('finalizing', 'upgraded', raised));
    machine.runs = { version, sinceMs: 0 };
    await passes(10);
    await world.see([]);
    await write(attempt('finalized', 'upgraded', raised));
    expect(violations).toHaveLength(wrong);
  });

  test.each([
    ['before it was raised', 2, 0],
    ['behind what was raised', 3, 1],
  ])('is rolling back: %s', async (_, level, wrong) => {
    const { violations, write } = driven({ level });
    await write(attempt('rolling-back', 'upgraded'));
    expect(violations).toHaveLength(wrong);
  });
});

describe('a driver that sleeps until somebody else has ended the upgrade', () => {
  test.each([
    ['restarts nobody forward', '0.2.0', 1],
    ['may put somebody back', '0.1.0', 0],
  ])('%s', async (_, version, wrong) => {
    const sleep: Sleep = { before: 'look', writes: 1, until: 'upgrade-is-over', forMs: null };
    const { asleep, moments, passes, restart, violations, world, write } = driven({ sleep });
    await write(attempt('running', 'restarting'));
    const looked = world.see([]);
    expect(await asleep).toBe('asleep');
    await passes(10);
    moments.wrote(attempt('aborted-clean', 'back'));
    await passes(10);
    await looked;
    await restart(attempt('running', 'restarting'), version);
    expect(violations).toHaveLength(wrong);
  });
});

describe('a driver that sleeps before it opens an upgrade', () => {
  test('wakes up when a change of the members is on its way', async () => {
    const sleep: Sleep = { before: 'write', writes: 0, until: 'members-change', forMs: null };
    const { asleep, membersChange, passes, write } = driven({ sleep });
    let written = false;
    const opens = write(attempt('running', 'waiting')).then(() => {
      written = true;
    });
    expect(await asleep).toBe('asleep');
    await passes(1_000);
    expect(written).toBe(false);
    membersChange.now = true;
    await passes(10);
    await opens;
    expect(written).toBe(true);
  });
});

describe('a driver that sleeps behind the announcement of a turn', () => {
  test('looks as before it, and wakes up when the upgrade is over', async () => {
    const sleep: Sleep = { before: 'look', writes: 0, turns: 1, until: 'upgrade-is-over', forMs: null };
    const { asleep, moments, passes, world, write } = driven({ sleep });
    let looked = 0;
    const look = async (): Promise<void> => {
      await world.see([]);
      looked++;
    };
    await write(attempt('running', 'waiting'));
    await look();
    expect(looked).toBe(1);
    await write(attempt('running', 'restarting'));
    const last = look();
    expect(await asleep).toBe('asleep');
    await passes(1_000);
    expect(looked).toBe(1);
    moments.wrote(attempt('aborted-clean', 'waiting'));
    await last;
    expect(looked).toBe(2);
  });
});

describe('a driver that sleeps before it takes over', () => {
  test('wakes up when another one has raised the level', async () => {
    const sleep: Sleep = { before: 'write', writes: 0, until: 'level-is-raised', forMs: null };
    const { asleep, moments, passes, write } = driven({ sleep });
    let written = false;
    const takes = write(attempt('aborting', 'waiting')).then(() => {
      written = true;
    });
    expect(await asleep).toBe('asleep');
    moments.stir();
    await passes(1_000);
    expect(written).toBe(false);
    moments.raised();
    await takes;
    expect(written).toBe(true);
  });
});

describe('what is typed where an upgrade is open', () => {
  const begins = (open: string | null): ReadonlySet<string> =>
    new Set(
      Array.from(
        { length: 50 },
        (_, i) => drawUpgrade({ members: ['n1'], open }, 500, new Random(i))[0]?.command ?? '',
      ),
    );

  test('goes on with it, mostly, and begins one where none is', () => {
    expect(begins(null)).toEqual(new Set(['run']));
    expect(begins('stopped')).toEqual(new Set(['run', 'resume']));
    expect(begins('upgraded')).toContain('abort');
  });
});
