/** What the master asks before it judges a change, and what it waits for afterwards: pitfalls P39, P49, O9, D10. */
import { describe, expect, it } from 'vitest';
import { memberId } from '../../../src/core/consensus/configuration.ts';
import { type Bench, before, five, bench as newBench, waiting, well } from '../../support/membership-bench.ts';

const remove = (bench: Bench, name: string) =>
  bench.service.change({ kind: 'remove', name }, { dryRun: false, allowNoSpare: false });

describe('who is counted on', () => {
  it('five that are well: one of them may go', async () => {
    const bench = newBench(five);
    expect(await remove(bench, 'n3')).toMatchObject({ kind: 'done' });
    expect(bench.proposed).toHaveLength(1);
  });

  it('those that were caught up when they were asked, however much the master applies until the last has answered', async () => {
    const bench = newBench(five);
    bench.onAsked = () => {
      bench.applied += 1_000;
    };
    expect(await remove(bench, 'n3')).toMatchObject({ kind: 'done' });
  });

  it('two that answer and whose disks make nothing durable count as none', async () => {
    const bench = newBench(five);
    for (const name of ['n4', 'n5']) bench.answers.set(name, { ...well, durable: false });
    expect(await remove(bench, 'n3')).toMatchObject({
      kind: 'refused',
      code: 'PAXOS_QUORUM_AT_RISK',
      facts: { well: ['n1', 'n2'] },
    });
    expect(bench.proposed).toHaveLength(0);
  });

  it('two that answer and have acknowledged nothing to the master for two leases count as none', async () => {
    const bench = newBench(five);
    bench.unheard = five.filter(({ name }) => name === 'n4' || name === 'n5').map(memberId);
    expect(await remove(bench, 'n3')).toMatchObject({ kind: 'refused', code: 'PAXOS_QUORUM_AT_RISK' });
    expect(bench.proposed).toHaveLength(0);
  });
});

describe('done', () => {
  it('is not said of a change that does not govern, or is not known to as many as decide; nor when it is asked for again', async () => {
    const bench = newBench(five);
    bench.governs = false;
    const first = await remove(bench, 'n5');
    expect(first).toMatchObject({
      kind: 'unknown',
      message: expect.stringContaining('from instance 1008 on was chosen'),
    });
    expect(await remove(bench, 'n5')).toMatchObject({ kind: 'unknown' });
    bench.governs = true;
    expect(await remove(bench, 'n5')).toMatchObject({ kind: 'done', report: { plan: { kind: 'nothing' } } });
    expect(bench.proposed).toHaveLength(1);
  });

  it('is said at once of a dry run, which changes nothing', async () => {
    const bench = newBench(five);
    expect(
      await bench.service.change({ kind: 'remove', name: 'n5' }, { dryRun: true, allowNoSpare: false }),
    ).toMatchObject({ kind: 'done' });
    expect(bench.proposed).toHaveLength(0);
  });
});

describe('another change', () => {
  it('that takes too long is named to whoever comes meanwhile', async () => {
    const bench = newBench(five);
    bench.governs = false;
    const first = remove(bench, 'n5');
    await bench.until(() => bench.proposed.length === 1);
    expect(await remove(bench, 'n4')).toMatchObject({
      code: 'PAXOS_MEMBERSHIP_CHANGING',
      message: expect.stringContaining('remove n5'),
      facts: { kind: 'remove', name: 'n5' },
      suggestions: ['paxosctl members list', 'paxosctl status'],
    });
    bench.governs = true;
    await first;
  });

  it('between two tries of one that was judged ends it: what was judged is the members of before', async () => {
    const bench = newBench(five);
    bench.outcomes.push('refused');
    bench.onProposed = () => void bench.proposed.push({ ...before(bench), members: five.slice(0, 4) });
    expect(await remove(bench, 'n5')).toMatchObject({ kind: 'refused', code: 'PAXOS_MEMBERSHIP_CHANGING' });
  });
});

describe('the replica that is to be added', () => {
  const add = (bench: Bench) =>
    bench.service.change(
      { kind: 'add', name: 'n6', url: 'http://n6:1', replaces: null, vote: false },
      { dryRun: false, allowNoSpare: false },
    );

  it('is refused when its program does not speak the level of the cell, with both', async () => {
    const bench = newBench(five);
    bench.identity = { ...waiting, levels: { min: 2, max: 3 } };
    expect(await add(bench)).toMatchObject({
      code: 'PAXOS_MEMBER_NOT_READY',
      message: expect.stringMatching(/speaks levels 2 to 3.*at level 1/),
    });
    expect(bench.proposed).toHaveLength(0);
  });

  it('is admitted with a warning when it runs another version than the master', async () => {
    const bench = newBench(five);
    bench.identity = { ...waiting, version: '0.0.9' };
    const added = await add(bench);
    expect(added).toMatchObject({ kind: 'done' });
    expect(JSON.stringify(added)).toContain('n6 runs version 0.0.9, and the master version 0.1.0');
  });
});

describe('an upgrade', () => {
  it('that is open, or is being opened, keeps the members as they are', async () => {
    const bench = newBench(five);
    bench.upgrade = {
      ...{ attempt: 'u-1', state: 'running', from: '1', to: '2', changedAt: '', startedBy: 'alice', driver: null },
    };
    expect(await remove(bench, 'n5')).toMatchObject({ kind: 'refused', code: 'PAXOS_UPGRADE_OPEN' });
    expect(bench.proposed).toHaveLength(0);
  });

  it('may not begin from the step in which a change is judged until it governs', async () => {
    const bench = newBench(five);
    const seen: boolean[] = [];
    bench.onProposed = () => void seen.push(bench.service.isChanging);
    bench.governs = false;
    expect(bench.service.isChanging).toBe(false);
    const removing = remove(bench, 'n5');
    await bench.until(() => bench.proposed.length === 1);
    expect(seen).toEqual([true]);
    // Chosen by now, and not in force yet.
    expect(bench.service.isChanging).toBe(true);
    bench.governs = true;
    await removing;
    expect(bench.service.isChanging).toBe(false);
  });
});
