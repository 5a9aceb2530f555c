/**
 * Members that an operator names as lost, and that are not: the fenced ones are connected to them, or were a moment ago, or hear a
 * master there. Going on without them would lose what they go on acknowledging (design §1, §3; operators' mistakes O2, O9).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { applyPlan } from '../../src/operator/recovery/apply.ts';
import { makePlan } from '../../src/operator/recovery/plan.ts';
import { type Heard, signsOfLife } from '../../src/operator/recovery/signs-of-life.ts';
import { restoreCell } from '../../src/operator/restore/restore.ts';
import { FakeRecoveryMember } from '../support/fake-recovery-member.ts';
import { ownStateDirectory } from '../support/operator-in-process.ts';
import { backupOfReports, report } from '../support/recover-report.ts';

ownStateDirectory();
let n1 = new FakeRecoveryMember('n1');
afterEach(() => n1.close());

const timeoutMs = 2_000;
const heard = (more: Partial<Heard>): Heard => ({ name: 'n1', role: 'replica', master: null, peers: [], ...more });
const link = (brokenMs: number, met = true): NonNullable<Heard['links']>[number] => ({
  name: 'n2',
  incarnation: 1,
  url: 'http://n2',
  reached: brokenMs === 0,
  reaches: brokenMs === 0,
  brokenMs,
  met,
  trouble: null,
});

describe('a sign of life', () => {
  const signs = (status: Heard, reports = [report('n1', 30)]) =>
    signsOfLife(['n2', 'n3'], { statuses: [status], reports });

  it('is a connection now, or one that ended within two leases, and says who heard whom and when', () => {
    expect(signs(heard({}))).toEqual([]);
    expect(signs(heard({ peers: ['n3'] }))).toEqual([
      { member: 'n3', by: 'n1', heardMsAgo: 0, text: 'n1 is connected to n3' },
    ]);
    expect(signs(heard({ links: [link(700)], leaseMs: 500 }))).toMatchObject([
      { member: 'n2', by: 'n1', heardMsAgo: 700 },
    ]);
    expect(signs(heard({ links: [link(1_000)], leaseMs: 500 }))).toEqual([]);
    expect(signs(heard({ links: [link(10, false)] }))).toEqual([]);
  });

  it('is a master among them, and whoever of them answers', () => {
    expect(signs(heard({ master: { name: 'n2', url: 'http://n2' } }))).toMatchObject([{ member: 'n2', by: 'n1' }]);
    // What takes part may well be master: it is about to be fenced.
    expect(signs(heard({ master: { name: 'n1', url: 'http://n1' } }))).toEqual([]);
    expect(signs(heard({ name: 'n2', role: 'waiting' }))).toMatchObject([{ member: 'n2', by: 'n2' }]);
    expect(signs(heard({}), [report('n1', 30), report('n3', 30)])).toMatchObject([{ member: 'n3', by: 'n3' }]);
    // Nothing comes back with these.
    expect(signs(heard({ name: 'n2', role: 'rebuilding' }))).toEqual([]);
    expect(signs(heard({ name: 'n2', role: 'removed' }))).toEqual([]);
  });
});

/** n2 and n3 do not answer the operator; they would be left out, which was typed. */
const accepted = { confirm: 'default', acceptLoss: 1_000, acceptUnknownLoss: ['n2', 'n3'], dryRun: false };
/** Of a time at which nothing was written yet. */
const backup = {
  ...backupOfReports,
  instance: 0,
  epoch: 0,
  epochId: '',
  revision: 0,
  epochs: [],
  entries: 0,
  cellTimeMs: 0,
};
const unused = (): never => {
  throw new Error('it should not come so far');
};

async function lone(): Promise<FakeRecoveryMember> {
  n1 = await new FakeRecoveryMember('n1').listen();
  // Nothing is in it that would have to be saved first.
  const { applied, members } = n1.report();
  const urls = members.map((it) => ({ ...it, url: it.name === 'n1' ? n1.url : 'http://127.0.0.1:1' }));
  n1.more = { members: urls, applied: { ...applied, revision: 0 }, entryCount: 0 };
  return n1;
}

const restore = (member: FakeRecoveryMember, file = 'backup'): Promise<unknown> =>
  restoreCell(
    { endpoints: [member.url], timeout: timeoutMs },
    {
      ...accepted,
      backup: { ...backup, file },
      again: false,
      inPlaceOf: null,
      saveTo: null,
      verify: unused,
      extend: unused,
      onPrice: () => undefined,
      onStep: () => undefined,
    },
  );

const notLost = {
  code: 'PAXOS_REFUSED',
  exitCode: 5,
  message: expect.stringMatching(/^n2 is not lost: n1 is connected to n2/),
  facts: { alive: [{ member: 'n2', by: 'n1', heardMsAgo: 0 }] },
};

describe('cell restore without members that are called lost', () => {
  it('is refused before anything is done while one that takes part is connected to them', async () => {
    const member = await lone();
    member.status = { peers: ['n2'] };
    await expect(restore(member)).rejects.toMatchObject(notLost);
    expect(member.asked).toEqual([]);
  });

  it('is refused after the fence too, and the fence is lifted: they came back meanwhile', async () => {
    const member = await lone();
    member.onStep = ({ op }) => {
      if (op === 'fence') member.status = { peers: ['n2'] };
    };
    await expect(restore(member)).rejects.toMatchObject({
      ...notLost,
      message: expect.stringMatching(/The fence is lifted: the cell is as it was before/),
    });
    expect([member.asked, member.attempt]).toEqual([['fence', 'lift'], null]);
  });
});

describe('a file that takes long to be brought to the first member', () => {
  it('is looked behind once more: they came back meanwhile, nobody is made ready, and the fence is lifted', async () => {
    const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'paxosctl-lost-')), 'backup');
    writeFileSync(file, Buffer.alloc(backup.bytes));
    const member = await lone();
    member.onStep = ({ op }) => {
      if (op === 'offer') member.status = { peers: ['n2'] };
    };
    try {
      await expect(restore(member, file)).rejects.toMatchObject({
        ...notLost,
        message: expect.stringMatching(/The fence is lifted: the cell is as it was before/),
      });
    } finally {
      rmSync(path.dirname(file), { recursive: true });
    }
    expect([member.asked, member.attempt]).toEqual([['fence', 'offer', 'lift'], null]);
  });
});

describe('going on from the present state without them', () => {
  const frozen = { cause: 'x', generation: 1, seenBy: 'n1#1', seenAt: '', text: '', facts: {} };
  const plan = (member: FakeRecoveryMember) =>
    makePlan({ endpoints: [member.url], timeout: timeoutMs }, { branch: null });
  const apply = async (member: FakeRecoveryMember): Promise<unknown> =>
    applyPlan(await plan(member), { ...accepted, timeoutMs, onStep: () => undefined });

  it('is not planned while one that takes part is connected to them', async () => {
    const member = await lone();
    member.status = { peers: ['n2'], frozen };
    await expect(plan(member)).rejects.toMatchObject(notLost);
  });

  it('is not begun either, and given up when they come back before anybody is ready', async () => {
    const member = await lone();
    member.status = { frozen };
    const planned = await plan(member);
    member.status = { frozen, peers: ['n2'] };
    await expect(applyPlan(planned, { ...accepted, timeoutMs, onStep: () => undefined })).rejects.toMatchObject(
      notLost,
    );
    expect(member.asked).toEqual([]);
    member.status = { frozen };
    member.onStep = ({ op }) => {
      if (op === 'fence') member.status = { frozen, peers: ['n2'] };
    };
    await expect(apply(member)).rejects.toMatchObject(notLost);
    expect([member.asked, member.attempt]).toEqual([['fence', 'lift'], null]);
  });
});

describe('a member that is ready for the generation', () => {
  it('goes on by itself: its attempt is not refused any more, and nobody is let go', async () => {
    const member = await lone();
    member.status = { peers: ['n2'] };
    const state = { instance: 2 ** 40, bytes: 1, sha256: '' };
    const attempt = { generation: 2, generationId: 'ab'.repeat(16), step: 'ready' as const, decision: 'other' };
    member.attempt = { ...attempt, source: backup.digest, state, before: null };
    await expect(restore(member)).rejects.toMatchObject({
      message: expect.stringMatching(/n1 is ready for generation 2 with another state/),
    });
    // Of another file, it is another recovery.
    member.attempt = { ...attempt, source: '22'.repeat(32), state, before: null };
    await expect(restore(member)).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringMatching(/n1 is ready for generation 2 by another recovery/),
      suggestions: expect.arrayContaining(['paxosctl cell restore FILE --again']),
    });
    expect(member.asked).toEqual([]);
  });
});
