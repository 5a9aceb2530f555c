/** The steps of a new generation as a program asks them: a cell is not left fenced because one member did not answer (design §3). */
import { afterEach, describe, expect, it } from 'vitest';
import { decide } from '../../src/operator/recovery/decide.ts';
import { Steps } from '../../src/operator/recovery/steps.ts';
import { FakeRecoveryMember } from '../support/fake-recovery-member.ts';

const to = { generation: 2, generationId: 'ab'.repeat(16) };

let members: FakeRecoveryMember[] = [];
afterEach(async () => {
  await Promise.all(members.map((it) => it.close()));
  members = [];
});

async function stepsOf(...list: FakeRecoveryMember[]): Promise<Steps> {
  members = await Promise.all(list.map((it) => it.listen()));
  return new Steps({
    to,
    members: members.map(({ name, url }) => ({ name, url })),
    cell: { id: 'cell-1', name: 'default' },
    timeoutMs: 2_000,
    source: '',
    again: 'paxosctl recover apply PLAN',
    anew: 'paxosctl recover plan --keep-present',
    onStep: () => undefined,
  });
}

describe('while nobody is ready', () => {
  it('a member that does not answer leaves no other fenced, and the command to run again is told', async () => {
    const [n1, n2, n3] = [new FakeRecoveryMember('n1'), new FakeRecoveryMember('n2'), new FakeRecoveryMember('n3')];
    const steps = await stepsOf(n1, n2, n3);
    const reports = await steps.reports();
    await n2.close();
    await expect(steps.fence(reports)).rejects.toMatchObject({
      code: 'PAXOS_UNREACHABLE',
      exitCode: 3,
      suggestions: expect.arrayContaining(['paxosctl recover apply PLAN']),
      message: expect.stringMatching(/the cell is as it was before/),
    });
    expect([n1.attempt, n3.attempt]).toEqual([null, null]);
    expect([n1.asked, n3.asked]).toEqual([
      ['fence', 'lift'],
      ['fence', 'lift'],
    ]);
  });

  it('a state that could not be made leaves nobody fenced', async () => {
    const [n1, n2] = [new FakeRecoveryMember('n1', 'build'), new FakeRecoveryMember('n2')];
    const steps = await stepsOf(n1, n2);
    const fenced = await steps.fence(await steps.reports());
    const decided = decide({ to, reports: fenced, witnessed: [], branch: null });
    expect(decided.decision.base).toBe('n1');
    await expect(steps.carryOut(decided, null)).rejects.toMatchObject({ code: 'PAXOS_REFUSED' });
    expect([n1.attempt, n2.attempt]).toEqual([null, null]);
  });

  it('nobody is let go when one is ready: the members go on by themselves', async () => {
    const [n1, n2] = [new FakeRecoveryMember('n1', 'build'), new FakeRecoveryMember('n2')];
    const steps = await stepsOf(n1, n2);
    const decided = decide({ to, reports: await steps.fence(await steps.reports()), witnessed: [], branch: null });
    const state = { instance: 2 ** 40, bytes: 1, sha256: '' };
    n2.attempt = { ...to, step: 'ready', decision: 'x', source: '', state, before: null };
    // And that is said, since nothing is as it was before.
    await expect(steps.carryOut(decided, null)).rejects.toMatchObject({
      code: 'PAXOS_REFUSED',
      message: expect.stringMatching(/n2 is ready for generation 2 already/),
      facts: { ready: ['n2'] },
      suggestions: expect.arrayContaining(['paxosctl recover apply PLAN', 'paxosctl recover plan --keep-present']),
    });
    expect(n1.attempt?.step).toBe('fenced');
  });

  it('every step names the cell, the member and its life that it is meant for', async () => {
    const [n1, n2] = [new FakeRecoveryMember('n1', 'build'), new FakeRecoveryMember('n2')];
    const meant: object[] = [];
    n1.onStep = ({ cell, member, incarnation }) => void meant.push({ cell, member, incarnation });
    const steps = await stepsOf(n1, n2);
    const decided = decide({ to, reports: await steps.fence(await steps.reports()), witnessed: [], branch: null });
    await expect(steps.carryOut(decided, null)).rejects.toThrow();
    expect(n1.asked).toEqual(['fence', 'build', 'lift']);
    expect(meant).toEqual(Array(3).fill({ cell: 'cell-1', member: 'n1', incarnation: 1 }));
  });
});
