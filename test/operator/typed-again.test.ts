/**
 * `cell restore` and `recover apply` typed again while members that are ready begin the generation: they open their directories anew, one after the other,
 * and report nothing meanwhile (design §3 "Generations").
 */
import { afterEach, describe, expect, it } from 'vitest';
import { applyPlan } from '../../src/operator/recovery/apply.ts';
import { makePlan } from '../../src/operator/recovery/plan.ts';
import { decideRestore } from '../../src/operator/restore/price.ts';
import { type RestoreOptions, restoreCell } from '../../src/operator/restore/restore.ts';
import { FakeRecoveryMember } from '../support/fake-recovery-member.ts';
import { ownStateDirectory } from '../support/operator-in-process.ts';
import { backupOfReports as backup } from '../support/recover-report.ts';

ownStateDirectory();
const to = { generation: 2, generationId: 'ab'.repeat(16) };
const begun = { ...to, begun: { epoch: backup.epoch, instance: backup.instance } };
let members: readonly FakeRecoveryMember[] = [];
afterEach(() => Promise.all(members.map((it) => it.close())));

/** All are ready with what was decided when all had answered. */
async function readyCell(): Promise<readonly FakeRecoveryMember[]> {
  members = await Promise.all(['n1', 'n2', 'n3'].map((name) => new FakeRecoveryMember(name).listen()));
  const urls = members[0]?.report().members.map((it, at) => ({ ...it, url: members[at]?.url ?? '' })) ?? [];
  for (const it of members) it.more = { members: urls };
  const reports = members.map((it) => it.report());
  const { digest } = decideRestore({ to, backup, reports, witnessed: [] });
  const state = { instance: 2 ** 40, bytes: 1, sha256: '' };
  for (const it of members) {
    it.attempt = { ...to, step: 'ready', decision: digest, source: backup.digest, state, before: null };
  }
  return members;
}

/** The same command, with the steps that it shows. */
async function typed(timeout: number, more: Partial<RestoreOptions> = {}) {
  const steps: string[] = [];
  const result = restoreCell(
    { endpoints: members.map(({ url }) => url), timeout },
    {
      backup,
      confirm: 'default',
      acceptLoss: 100,
      acceptUnknownLoss: [],
      dryRun: true,
      again: false,
      inPlaceOf: null,
      saveTo: null,
      verify: () => Promise.reject(new Error('it should not come so far')),
      extend: () => Promise.reject(new Error('it should not come so far')),
      onPrice: () => undefined,
      onStep: (what) => steps.push(what),
      ...more,
    },
  );
  return { steps, result: await result.catch((error: unknown) => error) };
}

describe('a restore that is typed again while members begin its generation', () => {
  it('waits for one that opens its directory, and goes on with what was decided', async () => {
    const [, n2] = await readyCell();
    (n2 as FakeRecoveryMember).opensFor = 2;
    const { steps, result } = await typed(5_000);
    expect(result).toMatchObject({ generation: 2, members: ['n1', 'n2', 'n3'], foundDone: false });
    expect(steps).toEqual(['waiting for n2, which may be about to begin the new generation']);
  });

  it('waits where none of them can say yet what it holds, and finds it done', async () => {
    for (const it of await readyCell()) {
      it.opensFor = 2;
      it.status = { role: 'waiting' };
      it.more = { ...it.more, ...begun };
      it.attempt = null;
    }
    const { steps, result } = await typed(5_000);
    expect(result).toMatchObject({ generation: 2, foundDone: true });
    expect(steps).toEqual(['waiting for n1, n2, n3, which may be about to begin the new generation']);
  });

  it('is refused when one does not come back, which it names with the same command', async () => {
    const [, n2] = await readyCell();
    (n2 as FakeRecoveryMember).opensFor = Number.POSITIVE_INFINITY;
    const { result } = await typed(300);
    expect(result).toMatchObject({
      exitCode: 5,
      message: 'n1 is ready for generation 2 with another state: n2 does not say what it was made with.',
      facts: { away: ['n2'] },
      suggestions: [
        'paxosctl status',
        'paxosctl cell restore old.snapshot --confirm default',
        'paxosctl cell restore FILE --again',
      ],
    });
  });

  it('does not wait where another attempt is to take its place', async () => {
    const [, n2] = await readyCell();
    await (n2 as FakeRecoveryMember).close();
    const { steps, result } = await typed(5_000, { again: true, acceptUnknownLoss: ['n1', 'n2', 'n3'] });
    expect(result).toMatchObject({ generation: 3, members: ['n1', 'n3'] });
    expect(steps).toEqual([]);
  });
});

describe('a plan that is applied again while members begin its generation', () => {
  it('waits for one that opens its directory', async () => {
    const [n1, n2] = (await readyCell()) as [FakeRecoveryMember, FakeRecoveryMember];
    const frozen = { cause: 'x', generation: 1, seenBy: 'n1#1', seenAt: '', text: '', facts: {} };
    for (const it of members) {
      it.attempt = null;
      it.status = { frozen };
    }
    const plan = await makePlan({ endpoints: members.map(({ url }) => url), timeout: 5_000 }, { branch: null });
    const state = { instance: 2 ** 40, bytes: 1, sha256: '' };
    n1.attempt = { ...plan.to, step: 'ready', decision: 'as planned', source: '', state, before: null };
    n2.opensFor = 2;
    const steps: string[] = [];
    const result = await applyPlan(plan, {
      confirm: 'default',
      acceptLoss: 0,
      acceptUnknownLoss: [],
      dryRun: true,
      timeoutMs: 5_000,
      onStep: (what) => steps.push(what),
    });
    expect(result).toMatchObject({ generation: 2, members: ['n1', 'n2', 'n3'] });
    expect(steps).toEqual(['waiting for n2, which may be about to begin the new generation']);
  });
});
