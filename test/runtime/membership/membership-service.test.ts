/** What the master asks before it judges a change, and what it waits for afterwards: pitfalls P39, P49, O9, D10. */
import { describe, expect, it } from 'vitest';
import { memberId } from '../../../src/core/consensus/configuration.ts';
import { type Bench, five, bench as newBench, well } from '../../support/membership-bench.ts';

const remove = (bench: Bench, name: string) =>
  bench.service.change({ kind: 'remove', name }, { dryRun: false, allowNoSpare: false });

describe('who is counted on', () => {
  it('five that are well: one of them may go', async () => {
    const bench = newBench(five);
    expect(await remove(bench, 'n3')).toMatchObject({ kind: 'done' });
    expect(bench.proposed).toHaveLength(1);
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
