/** What a change of the membership comes to, and what is refused: design §3, pitfalls P45, P49, O9, O10. */
import { describe, expect, it } from 'vitest';
import { type Configuration, type Member, memberId } from '../../../src/core/consensus/configuration.ts';
import type { ReplicaId } from '../../../src/core/consensus/identity.ts';
import { mayFollow } from '../../../src/core/consensus/quorum.ts';
import {
  type MemberCondition,
  type MemberRequest,
  planChange,
  type Situation,
} from '../../../src/runtime/membership/plan.ts';
import type { OpenUpgrade } from '../../../src/runtime/open-upgrade.ts';

const well: MemberCondition = { silent: null, voting: true, appliedUpTo: 1000, agrees: true };
const silent: MemberCondition = { silent: 'it does not answer', voting: false, appliedUpTo: 0, agrees: null };

const member = (name: string, role: Member['role'] = 'voter', incarnation = 1): Member => ({
  name,
  incarnation,
  role,
  url: `http://${name}:1`,
});

/** n1 is master. Whoever is not named in `unwell` is well; learners do not vote. */
function situation(
  members: readonly Member[],
  unwell: Readonly<Record<string, MemberCondition>> = {},
  more: Partial<Situation> = {},
): Situation {
  const configuration: Configuration = { members, alpha: 8, leaseMs: 500, driftPpm: 10_000 };
  const conditionOf = ({ name, role }: Member): MemberCondition =>
    unwell[name] ?? { ...well, voting: role === 'voter' };
  return {
    configuration,
    settled: true,
    master: 'n1#1' as ReplicaId,
    appliedUpTo: 1000,
    conditions: new Map(members.map((each) => [memberId(each), conditionOf(each)])),
    notReady: null,
    upgrade: null,
    allowNoSpare: false,
    ...more,
  };
}

const named = (...names: readonly string[]): Member[] => names.map((name) => member(name));
const three = named('n1', 'n2', 'n3');
const five = named('n1', 'n2', 'n3', 'n4', 'n5');
const add = (name: string, more: object = {}): MemberRequest => ({
  kind: 'add',
  name,
  url: `http://${name}:1`,
  replaces: null,
  vote: true,
  ...more,
});
const code = (request: MemberRequest, at: Situation): string => {
  const plan = planChange(request, at);
  return plan.kind === 'refused' ? plan.code : plan.kind;
};

describe('what is refused', () => {
  it.each<[string, MemberRequest, Situation, string]>([
    [
      'a voter less than a quorum needs',
      { kind: 'remove', name: 'n2' },
      situation(three, { n3: silent }),
      'PAXOS_QUORUM_AT_RISK',
    ],
    ['the last spare', { kind: 'remove', name: 'n2' }, situation(three), 'PAXOS_NO_SPARE'],
    ['the last voter', { kind: 'remove', name: 'n1' }, situation(named('n1')), 'PAXOS_QUORUM_AT_RISK'],
    [
      'the last voter, rebuilt from nobody',
      { kind: 'rebuild', name: 'n1', incarnation: 1 },
      situation(named('n1')),
      'PAXOS_QUORUM_AT_RISK',
    ],
    [
      'a member that is behind counts as none',
      { kind: 'remove', name: 'n5' },
      situation(five, { n3: { ...well, appliedUpTo: 10 }, n4: silent }),
      'PAXOS_QUORUM_AT_RISK',
    ],
    [
      'a vote for one that is behind',
      { kind: 'promote', name: 'n4' },
      situation([...three, member('n4', 'learner', 9)], { n4: { ...well, voting: false, appliedUpTo: 10 } }),
      'PAXOS_MEMBER_BEHIND',
    ],
    [
      'a vote for one that is silent',
      { kind: 'promote', name: 'n4' },
      situation([...three, member('n4', 'learner', 9)], { n4: silent }),
      'PAXOS_MEMBER_BEHIND',
    ],
    [
      'a vote for one that was not compared',
      { kind: 'promote', name: 'n4' },
      situation([...three, member('n4', 'learner', 9)], { n4: { ...well, voting: false, agrees: null } }),
      'PAXOS_MEMBER_BEHIND',
    ],
    [
      'a vote for another database',
      { kind: 'promote', name: 'n4' },
      situation([...three, member('n4', 'learner', 9)], { n4: { ...well, voting: false, agrees: false } }),
      'PAXOS_MEMBER_DIFFERS',
    ],
    [
      'a vote that would leave no quorum',
      { kind: 'promote', name: 'n4' },
      situation([...three, member('n4', 'learner', 9)], { n2: silent, n3: silent }),
      'PAXOS_QUORUM_AT_RISK',
    ],
    ['a name that is taken', add('n2', { url: 'http://elsewhere:1' }), situation(three), 'PAXOS_MEMBER_EXISTS'],
    ['an address that is taken', add('n4', { url: 'http://n2:1/' }), situation(three), 'PAXOS_MEMBER_EXISTS'],
    ['one that is not ready', add('n4'), situation(three, {}, { notReady: 'it has data' }), 'PAXOS_MEMBER_NOT_READY'],
    ['in the place of one who is well', add('n6', { replaces: 'n3' }), situation(five), 'PAXOS_MEMBER_ALIVE'],
    ['in the place of the master', add('n6', { replaces: 'n1' }), situation(five), 'PAXOS_MEMBER_ALIVE'],
    ['in the place of nobody', add('n4', { replaces: 'n9' }), situation(three), 'PAXOS_MEMBER_UNKNOWN'],
    ['a vote for a stranger', { kind: 'promote', name: 'n9' }, situation(three), 'PAXOS_MEMBER_UNKNOWN'],
    [
      'anything in the middle of another change',
      { kind: 'remove', name: 'n5' },
      situation(five, {}, { settled: false }),
      'PAXOS_MEMBERSHIP_CHANGING',
    ],
  ])('%s', (_what, request, at, expected) => {
    expect(code(request, at)).toBe(expected);
  });

  it.each<[string, MemberRequest, Situation, readonly string[]]>([
    [
      'the last spare: the dead voter goes, not another',
      { kind: 'remove', name: 'n4' },
      situation(five, { n5: silent }),
      [
        'paxosctl members replace n5 NAME --url URL',
        'paxosctl members remove n5',
        'paxosctl members remove n4 --allow-no-spare',
      ],
    ],
    [
      'the last spare, where nobody is dead: a further member',
      { kind: 'remove', name: 'n2' },
      situation(three),
      ['paxosctl members add NAME --url URL', 'paxosctl members remove n2 --allow-no-spare'],
    ],
    [
      'a new address of a known name: that member is replaced, never removed first',
      add('n2', { url: 'http://new:1' }),
      situation(three),
      ['paxosctl members replace n2 NEW --url http://new:1', 'paxosctl members list'],
    ],
  ])('names commands that do no harm: %s', (_what, request, at, expected) => {
    expect(planChange(request, at)).toMatchObject({ kind: 'refused', suggestions: expected });
  });

  it('the last spare alone is the operator’s to give up', () => {
    const allowed = { allowNoSpare: true };
    expect(code({ kind: 'remove', name: 'n2' }, situation(three, {}, allowed))).toBe('change');
    expect(code({ kind: 'remove', name: 'n2' }, situation(three, { n3: silent }, allowed))).toBe(
      'PAXOS_QUORUM_AT_RISK',
    );
  });
});

describe('in the middle of an upgrade', () => {
  const upgrade: OpenUpgrade = {
    ...{ attempt: 'u-1', state: 'running', from: '0.1.0', to: '0.2.0', changedAt: 'now', startedBy: 'alice@ops1' },
    driver: 'alice@ops1, process 7',
  };
  const rebuilding = [...named('n1', 'n2'), member('n3', 'rebuilding', 9)];
  const spare = [...five, member('n6', 'learner', 9)];

  it.each<[string, MemberRequest, Situation]>([
    ['nobody is added', add('n6'), situation(five, {}, { upgrade })],
    ['not even without a vote', add('n6', { vote: false }), situation(five, {}, { upgrade })],
    [
      'nobody takes the place of a dead one',
      add('n6', { replaces: 'n5' }),
      situation(five, { n5: silent }, { upgrade }),
    ],
    ['nobody is removed', { kind: 'remove', name: 'n5' }, situation(five, {}, { upgrade })],
    ['no spare gets a vote', { kind: 'promote', name: 'n6' }, situation(spare, {}, { upgrade })],
    [
      'nor is one removed who is well, though nobody drives now',
      { kind: 'remove', name: 'n5' },
      situation(five, {}, { upgrade: { ...upgrade, driver: null } }),
    ],
    [
      'nor a dead one while somebody drives',
      { kind: 'remove', name: 'n5' },
      situation(five, { n5: silent }, { upgrade }),
    ],
  ])('%s', (_what, request, at) => {
    const plan = planChange(request, at);
    expect(plan).toMatchObject({ code: 'PAXOS_UPGRADE_OPEN', facts: { attempt: 'u-1', startedBy: 'alice@ops1' } });
    expect(plan).toMatchObject({ message: expect.stringContaining('u-1') });
  });

  it('a lost disk is rebuilt, up to its vote, and what is so already is no change', () => {
    const lost = situation(three, { n3: silent }, { upgrade });
    expect(code({ kind: 'rebuild', name: 'n3', incarnation: null }, lost)).toBe('change');
    const back = situation(rebuilding, { n3: { ...well, voting: false } }, { upgrade });
    expect(code({ kind: 'promote', name: 'n3' }, back)).toBe('change');
    expect(code({ kind: 'remove', name: 'n9' }, situation(five, {}, { upgrade }))).toBe('nothing');
    expect(code(add('n5'), situation(five, {}, { upgrade }))).toBe('nothing');
  });

  it('one whose machine is lost goes when nobody drives, or the upgrade could never end', () => {
    const at = situation(five, { n5: silent }, { upgrade: { ...upgrade, driver: null } });
    expect(code({ kind: 'remove', name: 'n5' }, at)).toBe('change');
  });
});

describe('what is there already is nothing to do', () => {
  it.each<[string, MemberRequest, Situation]>([
    ['added twice', add('n3', { url: 'http://n3:1/' }), situation(three)],
    ['promoted twice', { kind: 'promote', name: 'n3' }, situation(three)],
    ['removed twice', { kind: 'remove', name: 'n9' }, situation(three)],
    [
      'rebuilt, and on its way',
      { kind: 'rebuild', name: 'n4', incarnation: null },
      situation([...three, member('n4', 'rebuilding', 9)], { n4: silent }),
    ],
    ['rebuilt, and well', { kind: 'rebuild', name: 'n3', incarnation: null }, situation(three)],
    [
      'rebuilt, an incarnation ago',
      { kind: 'rebuild', name: 'n3', incarnation: 1 },
      situation([...named('n1', 'n2'), member('n3', 'voter', 9)]),
    ],
  ])('%s', (_what, request, at) => {
    expect(code(request, { ...at, settled: false })).toBe('nothing');
  });
});

describe('what is done', () => {
  it('a dead voter goes and the next life comes without a vote, in one change that the core takes', () => {
    const at = situation(three, { n3: silent });
    for (const request of [
      { kind: 'rebuild', name: 'n3', incarnation: null } as const,
      add('n4', { replaces: 'n3' }),
    ]) {
      const plan = planChange(request, at);
      if (plan.kind !== 'change') throw new Error(JSON.stringify(plan));
      expect(mayFollow(at.configuration, plan.configuration)).toBe(true);
      expect(plan.configuration.members.filter(({ role }) => role === 'voter').map(({ name }) => name)).toEqual([
        'n1',
        'n2',
      ]);
      expect(plan.configuration.members[2]).toMatchObject({ incarnation: 0 });
    }
  });

  it('a spare that lost its disk stays a spare', () => {
    const plan = planChange(
      { kind: 'rebuild', name: 'n4', incarnation: null },
      situation([...three, member('n4', 'learner', 9)], { n4: silent }),
    );
    expect(plan).toMatchObject({
      kind: 'change',
      configuration: { members: [{}, {}, {}, { name: 'n4', role: 'learner', incarnation: 0 }] },
    });
  });

  it('says what a vote comes to before anything is admitted, and warns of even numbers', () => {
    expect(planChange(add('n4'), situation(three))).toMatchObject({
      before: { voters: 3, quorum: 2, tolerates: 1 },
      after: { voters: 4, quorum: 3, tolerates: 1 },
      warnings: [expect.stringContaining('even number')],
    });
    expect(planChange(add('n4', { vote: false }), situation(three))).toMatchObject({
      after: { voters: 3 },
      warnings: [],
    });
    // A vote for one of three that answer would make two of four: refused before it is admitted.
    expect(code(add('n4'), situation(three, { n2: silent, n3: silent }))).toBe('PAXOS_QUORUM_AT_RISK');
  });
});
