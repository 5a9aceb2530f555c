import { describe, expect, test } from 'vitest';
import type { Configuration, Member } from '../../src/core/consensus/configuration.ts';
import type { Effect } from '../../src/core/consensus/effect.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import type { Input } from '../../src/core/consensus/input.ts';
import { paths } from '../../src/runtime/membership/documents.ts';
import { ChangesChecker, type Proposing } from '../../src/simulator/checkers/changes.ts';

// Masters that propose what they must not, beside those that may.

const member = (name: string, role: Member['role'] = 'voter'): Member => ({ name, incarnation: 1, role, url: '' });
const cell = (names: string, ...others: readonly Member[]): Configuration => ({
  members: [...[...names].map((name) => member(name)), ...others],
  ...{ alpha: 3, leaseMs: 500, driftPpm: 10_000 },
});
const condition = (name: string, more: object = {}): object => ({
  ...{ id: replicaId(name, 1), participation: 'voting', appliedUpTo: 1_000, durable: true, version: '0.1.0' },
  ...{ levels: { min: 1, max: 2 }, digests: [] },
  ...more,
});
const ballot = { round: 1, name: 'a', incarnation: 1 };
const clocks = (monotonicMs: number) => ({ monotonicMs, wallMs: 0, bootMs: monotonicMs });
const calm: Proposing = { level: 2, upgradeOpen: false };
const steppedMs = 10_100;

/** `a` has been master for long, has asked all of `before`, was told `answers`, and proposes `after`. */
function propose(
  { before, after }: { readonly before: Configuration; readonly after: Configuration },
  answers: readonly object[],
  {
    acknowledged = 'bcde',
    newcomer,
    proposing = calm,
  }: { acknowledged?: string; newcomer?: object; proposing?: Proposing } = {},
): void {
  const checker = new ChangesChecker();
  const configurations = [{ from: 1, configuration: before }] as never;
  const step = (atMs: number, more: object, effects: readonly unknown[] = []): void =>
    checker.stepped('a/1', { at: clocks(atMs), ...more } as unknown as Input, effects as readonly Effect[], {
      self: replicaId('a', 1),
      replica: { ballot, configurations },
      proposing: () => proposing,
    });
  step(0, { kind: 'woken' }, [{ kind: 'mastership', role: 'master' }]);
  for (const name of acknowledged) {
    step(9_900, { kind: 'message', from: replicaId(name, 1), message: { kind: 'accepted', ballot, instance: 1_000 } });
  }
  const asked = { atMs: 10_000, monotonicMs: 10_000, appliedUpTo: 1_010 };
  for (const answer of answers) checker.asks('a/1', paths.condition, asked)(answer);
  if (newcomer !== undefined) checker.asks('a/1', paths.identity, asked)(newcomer);
  const entry = { instance: 1_011, ballot, value: { kind: 'configuration', configuration: after } };
  step(steppedMs, { kind: 'woken' }, [{ kind: 'persist', request: { entries: [entry] } }]);
}

const told = (names: string): readonly object[] => [...names].map((name) => condition(name));

describe('a change of the members is proposed', () => {
  const smaller = { before: cell('abcd'), after: cell('abc') };

  test('only when as many voters as decide have answered, and acknowledge (P49, D10)', () => {
    propose(smaller, told('bc'));
    propose(smaller, told('b'));
    expect(() => propose(smaller, told('d'))).toThrow('after which 2 are needed, and 1 can be counted on');
    expect(() => propose(smaller, told('bc'), { acknowledged: 'd' })).toThrow('1 can be counted on');
    const hung = [condition('b', { durable: false }), condition('c', { participation: 'checking' })];
    expect(() => propose(smaller, hung)).toThrow('1 can be counted on');
  });

  test('with a vote only for who has caught up (P49)', () => {
    const promotion = { before: cell('abc', member('d', 'learner')), after: cell('abcd') };
    propose(promotion, told('bcd'));
    expect(() => propose(promotion, [...told('bc'), condition('d', { appliedUpTo: 900 })])).toThrow('a vote for d#1');
    expect(() => propose(promotion, told('bc'))).toThrow('a vote for d#1');
  });

  test('that gives up at once only who is not well (O9)', () => {
    const replacement = { before: cell('abc'), after: cell('ab', member('d', 'learner')) };
    propose(replacement, told('b'));
    propose(replacement, told('bc'), { acknowledged: 'b' });
    expect(() => propose(replacement, told('bc'))).toThrow('give up who is well');
  });

  test('that admits only who speaks the level of the cell (U4)', () => {
    const addition = { before: cell('abc'), after: cell('abc', member('d', 'learner')) };
    const newcomer = {
      name: 'd',
      token: 't',
      version: '0.0.0',
      levels: { min: 1, max: 1 },
      state: 'waiting',
      cell: null,
    };
    propose(addition, told('bc'), { newcomer: { ...newcomer, levels: { min: 1, max: 2 } } });
    expect(() => propose(addition, told('bc'), { newcomer })).toThrow('to admit d');
  });

  test('while an upgrade is open only for what heals the cell', () => {
    const proposing = { level: 2, upgradeOpen: true };
    const addition = { before: cell('abc'), after: cell('abc', member('d', 'learner')) };
    expect(() => propose(addition, told('bc'), { proposing })).toThrow('while an upgrade is open');
    expect(() => propose(smaller, told('bcd'), { proposing })).toThrow('while an upgrade is open');
    propose(smaller, told('bc'), { proposing });
    const rebuilt: Member = { ...member('c', 'rebuilding'), incarnation: 7 };
    propose({ before: cell('abc'), after: cell('ab', rebuilt) }, told('bc'), { proposing });
  });
});

test('a level is let come only when every other member has said that it speaks it (P51)', () => {
  const raise = (...answers: readonly object[]): void => {
    const checker = new ChangesChecker();
    const asked = { atMs: 10, monotonicMs: 10, appliedUpTo: 5 };
    for (const answer of answers) checker.asks('a/1', paths.condition, asked)(answer);
    checker.raises('a/1', replicaId('a', 1), { configuration: cell('abc'), levels: [2] });
  };
  raise(...told('bc'));
  expect(() => raise(...told('b'))).toThrow('c#1 did not say that it speaks it');
  expect(() => raise(...told('b'), condition('c', { levels: { min: 1, max: 1 } }))).toThrow('c#1 did not say');
});
