/** A majority is lost by an operator's word alone; what speaks against it refuses every recovery (design §3). */
import { describe, expect, it } from 'vitest';
import type { RecoverReport } from '../../src/formats/recovery.ts';
import type { CollectedFile } from '../../src/operator/recovery/collected.ts';
import { decide } from '../../src/operator/recovery/decide.ts';
import { type LostMajority, refuseNotLost } from '../../src/operator/recovery/lost-majority.ts';
import { report } from '../support/recover-report.ts';

const copyOf = (of: RecoverReport, more: Partial<CollectedFile> = {}): CollectedFile => ({
  report: of,
  state: { sha256: 'ef'.repeat(32), bytes: 700 },
  file: 'copy.snapshot',
  directory: 'rescued',
  startable: false,
  ...more,
});

const status = (
  name: string,
  more: Partial<LostMajority['statuses'][number]> = {},
): LostMajority['statuses'][number] => ({
  name,
  role: 'replica',
  master: null,
  peers: [],
  ...more,
});

const facts = (more: Partial<LostMajority> = {}): LostMajority => ({
  lost: ['n2', 'n3'],
  cannotStart: [],
  collected: [],
  reports: [report('n1', 30)],
  statuses: [status('n1')],
  ...more,
});

const refusal = (more: Partial<LostMajority>): string => {
  try {
    refuseNotLost(facts(more));
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('a majority that is said to be lost', () => {
  it('is believed when nothing speaks against it', () => {
    expect(refusal({})).toBe('');
  });

  it('is not while those that are not named could be one', () => {
    expect(refusal({ lost: ['n3'] })).toMatch(/n1, n2 are a majority of 3 voters .* start n2/);
    expect(refusal({ lost: ['n3'], reports: [report('n1', 30), report('n2', 30)] })).toMatch(/they answer/);
  });

  it('is not when one of them answers, is connected, or a master is heard', () => {
    expect(refusal({ reports: [report('n1', 30), report('n2', 30)] })).toMatch(/n2 answers/);
    expect(refusal({ statuses: [status('n1', { peers: ['n3#1'] })] })).toMatch(/n1 is connected to n3/);
    const master = { name: 'n3', url: 'http://n3' };
    expect(refusal({ statuses: [status('n1', { master })] })).toMatch(/follows master n3/);
    // Opening its directory it answers with its status alone.
    expect(refusal({ statuses: [status('n1'), status('n2', { role: 'waiting' })] })).toMatch(/n2 answers/);
    // On an empty disk it waits for the others to rebuild it: nothing comes back with it.
    expect(refusal({ statuses: [status('n1'), status('n2', { role: 'rebuilding' })] })).toBe('');
  });

  it('is not while a directory was collected on which its replica could be started, unless that is denied', () => {
    const collected = [copyOf(report('n2', 30), { startable: true })];
    expect(refusal({ collected })).toMatch(/start n2/);
    expect(refusal({ collected, cannotStart: ['n2'] })).toBe('');
    expect(refusal({ collected: [copyOf(report('n2', 30))] })).toBe('');
  });

  it('is judged by the newest membership that anybody knows', () => {
    const { members } = report('n1', 30);
    const five = [...members, ...['n4', 'n5'].map((name) => ({ ...(members[0] as (typeof members)[0]), name }))];
    expect(refusal({ collected: [copyOf(report('n2', 40, { members: five }))] })).toMatch(
      /n1, n4, n5 are a majority of 5/,
    );
  });

  it('cannot be judged while nobody answers: all of them were killed in the middle of it', () => {
    expect(refusal({ reports: [], statuses: [] })).toBe('No member can say now what it holds.');
  });

  it('names members of this cell', () => {
    expect(refusal({ lost: ['n2', 'n9'] })).toMatch(/n9 is no member/);
  });
});

describe('what is left', () => {
  const to = { generation: 2, generationId: 'ab'.repeat(16) };
  const decided = (
    reports: readonly RecoverReport[],
    collected: readonly CollectedFile[],
    branch: string | null = null,
  ) => decide({ to, reports, collected, witnessed: [], branch });

  it('is the furthest copy, which a member that takes part is offered', () => {
    const { decision, price } = decided([report('n1', 30)], [copyOf(report('n2', 44))]);
    expect(decision).toMatchObject({ base: 'n1', baseApplied: 44, offered: { sha256: 'ef'.repeat(32) } });
    expect(decision.members.map(({ name }) => name)).toEqual(['n1']);
    // Nobody knows what happened to it after the copy.
    expect(price).toMatchObject({ revisionsAtLeast: 0, notAsked: ['n2', 'n3'] });
  });

  it('is what a member itself holds, where no copy is further', () => {
    expect(decided([report('n1', 44)], [copyOf(report('n2', 44))]).decision).toMatchObject({
      base: 'n1',
      offered: null,
    });
  });

  it('is in the price where a copy without its state is further: no gap is filled with nothing', () => {
    const further = copyOf(report('n2', 44), { state: null });
    const { decision, price } = decided([report('n1', 30)], [further]);
    expect(decision).toMatchObject({ base: 'n1', baseApplied: 30, offered: null, tail: [] });
    expect(price.revisionsAtLeast).toBe(14);
  });

  it('does not begin with a database that is set aside, unless it is named; what it has beyond is in the price', () => {
    const aside = report('n2', 44, { setAside: true });
    expect(decided([report('n1', 30), aside], []).decision).toMatchObject({ base: 'n1', baseApplied: 30 });
    expect(decided([report('n1', 30), aside], []).price.revisionsAtLeast).toBe(14);
    expect(decided([report('n1', 30), aside], [], 'n2').decision).toMatchObject({ base: 'n2', baseApplied: 44 });
    expect(() => decided([aside], [])).toThrow(/Nobody holds a state/);
  });
});
