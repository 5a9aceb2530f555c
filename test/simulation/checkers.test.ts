import { describe, expect, test } from 'vitest';
import type { ItemIdentity } from '../../src/core/consensus/bad-item.ts';
import type { Ballot } from '../../src/core/consensus/ballot.ts';
import type { Configuration, Member } from '../../src/core/consensus/configuration.ts';
import { type Instance, replicaId } from '../../src/core/consensus/identity.ts';
import { noop, type Value } from '../../src/core/consensus/value.ts';
import { AgreementChecker } from '../../src/simulator/checkers/agreement.ts';
import { AppliedPrefixChecker } from '../../src/simulator/checkers/applied-prefix.ts';
import { BallotDisciplineChecker } from '../../src/simulator/checkers/ballot-discipline.ts';
import { DurabilityChecker } from '../../src/simulator/checkers/durability.ts';
import { EpochChecker } from '../../src/simulator/checkers/epoch.ts';
import { LeaseExclusionChecker } from '../../src/simulator/checkers/lease-exclusion.ts';

// A checker is worth what it rejects: each test is a broken run that must be found, beside a sound one that must not.

const member = (name: string, role: Member['role'] = 'voter'): Member => ({ name, incarnation: 1, role, url: '' });
const configuration = (...members: Member[]): Configuration => ({ members, alpha: 3, leaseMs: 500, driftPpm: 10_000 });
const abc = configuration(member('a'), member('b'), member('c'));
const ballot = (round: number, name: string): Ballot => ({ round, name, incarnation: 1 });
const id = (name: string) => replicaId(name, 1);

const accept = (replica: string, instance: number, at: Ballot, digest: string, value: Value = noop) => ({
  replica: id(replica),
  instance,
  ballot: at,
  value,
  digest,
});

describe('agreement', () => {
  test('counts a value as chosen at the accept that makes a majority in one ballot, and not before', () => {
    const checker = new AgreementChecker(abc);
    expect(checker.accepted(accept('a', 1, ballot(1, 'a'), 'v'))).toBeNull();
    expect(checker.accepted(accept('a', 1, ballot(1, 'a'), 'v'))).toBeNull();
    expect(checker.accepted(accept('b', 1, ballot(2, 'b'), 'v'))).toBeNull();
    expect(checker.chosenUpTo).toBe(0);
    expect(checker.accepted(accept('c', 1, ballot(1, 'a'), 'v'))?.digest).toBe('v');
    expect(checker.chosenUpTo).toBe(1);
  });

  test('rejects a second value chosen in a higher ballot', () => {
    const checker = new AgreementChecker(abc);
    checker.accepted(accept('a', 1, ballot(1, 'a'), 'v'));
    checker.accepted(accept('b', 1, ballot(1, 'a'), 'v'));
    checker.accepted(accept('b', 1, ballot(2, 'c'), 'w'));
    expect(() => checker.accepted(accept('c', 1, ballot(2, 'c'), 'w'))).toThrow('agreement: two values were chosen');
  });

  test('rejects two values in one ballot, chosen or not', () => {
    const checker = new AgreementChecker(abc);
    checker.accepted(accept('a', 1, ballot(1, 'a'), 'v'));
    expect(() => checker.accepted(accept('b', 1, ballot(1, 'a'), 'w'))).toThrow('two values were accepted');
  });

  test('counts neither strangers nor learners', () => {
    const checker = new AgreementChecker(configuration(member('a'), member('b'), member('c'), member('d', 'learner')));
    for (const replica of ['a', 'd', 'x', 'y']) checker.accepted(accept(replica, 1, ballot(1, 'a'), 'v'));
    expect(checker.choice(1)).toBeUndefined();
  });

  test('takes the quorum of the configuration in force at the instance, alpha after it was chosen', () => {
    const checker = new AgreementChecker(abc);
    const four = configuration(...['a', 'b', 'c', 'd'].map((name) => member(name)));
    const change: Value = { kind: 'configuration', configuration: four };
    for (const replica of ['a', 'b']) checker.accepted(accept(replica, 1, ballot(1, 'a'), 'change', change));
    for (const instance of [2, 3]) {
      for (const replica of ['a', 'b']) checker.accepted(accept(replica, instance, ballot(1, 'a'), 'v'));
      expect(checker.choice(instance)).toBeDefined();
    }
    for (const replica of ['a', 'b']) checker.accepted(accept(replica, 4, ballot(1, 'a'), 'v'));
    expect(checker.choice(4)).toBeUndefined();
    checker.accepted(accept('d', 4, ballot(1, 'a'), 'v'));
    expect(checker.choice(4)).toBeDefined();
  });
});

describe('ballot discipline', () => {
  test('rejects a promise that a restart has lowered', () => {
    const checker = new BallotDisciplineChecker();
    checker.promised(id('a'), ballot(3, 'b'));
    checker.durable(id('a'), ballot(3, 'b'));
    expect(() => checker.recovered(id('a'), ballot(2, 'c'))).toThrow('came back with a lower promise');
  });

  test('lets a restart lose a promise that was never durable', () => {
    const checker = new BallotDisciplineChecker();
    checker.promised(id('a'), ballot(3, 'b'));
    checker.recovered(id('a'), ballot(1, 'c'));
    checker.promised(id('a'), ballot(2, 'c'));
  });

  test('rejects an accept below the promise, and a promise that goes down', () => {
    const checker = new BallotDisciplineChecker();
    checker.promised(id('a'), ballot(3, 'b'));
    expect(() => checker.accepted(id('a'), 1, ballot(2, 'c'), 'v')).toThrow('below its promise');
    expect(() => checker.promised(id('a'), ballot(3, 'a'))).toThrow('lowers its promise');
  });

  test('rejects an accept that does not raise the promise (P02)', () => {
    const checker = new BallotDisciplineChecker();
    checker.promised(id('a'), ballot(3, 'b'));
    checker.accepted(id('a'), 1, ballot(4, 'c'), 'v');
    expect(() => checker.raised(id('a'), ballot(4, 'c'))).toThrow('without raising its promise');
    checker.promised(id('a'), ballot(4, 'c'));
    checker.raised(id('a'), ballot(4, 'c'));
  });

  test('rejects a ballot that has two values at one instance (a ballot used again after a restart, P03)', () => {
    const checker = new BallotDisciplineChecker();
    checker.accepted(id('a'), 1, ballot(1, 'a'), 'v');
    expect(() => checker.accepted(id('c'), 1, ballot(1, 'a'), 'w')).toThrow('has two values');
  });
});

describe('applied prefix', () => {
  test('rejects a gap, a repetition and another value', () => {
    const checker = new AppliedPrefixChecker();
    checker.applied(id('a'), 1, 'v', 1);
    checker.applied(id('b'), 1, 'v', 1);
    expect(() => checker.applied(id('a'), 3, 'x', 1)).toThrow('applied instance 3 after 1');
    expect(() => checker.applied(id('a'), 1, 'v', 1)).toThrow('applied instance 1 after 1');
    expect(() => checker.applied(id('c'), 1, 'w', 1)).toThrow('different values');
  });

  test('rejects databases that differ at one instance, after a snapshot too', () => {
    const checker = new AppliedPrefixChecker();
    checker.checksum(id('a'), 7, 'aa');
    checker.standsAt(id('b'), 7, 'aa');
    checker.applied(id('b'), 8, 'v', 1);
    expect(() => checker.standsAt(id('c'), 7, 'bb')).toThrow('databases differ at instance 7');
  });
});

describe('lease exclusion', () => {
  const believer = (name: string, serving: Ballot | null) => ({
    name,
    serving: serving === null ? null : { ballot: serving },
  });

  test('rejects a value chosen by another while the old master would still serve', () => {
    const checker = new LeaseExclusionChecker();
    checker.chosen(ballot(1, 'a'));
    checker.check([believer('a', ballot(1, 'a')), believer('b', null)]);
    expect(checker.chosen(ballot(2, 'b'))).toBe(true);
    expect(() => checker.check([believer('a', ballot(1, 'a'))])).toThrow('lease-exclusion');
  });

  test('allows the master to boost its own ballot under an unbroken lease', () => {
    const checker = new LeaseExclusionChecker();
    checker.chosen(ballot(1, 'a'));
    checker.chosen(ballot(5, 'a'));
    checker.check([believer('a', ballot(1, 'a'))]);
  });
});

describe('epochs', () => {
  test('are served by one process each', () => {
    const checker = new EpochChecker();
    checker.serves('a/1', 1);
    expect(() => checker.serves('a/2', 1)).toThrow('epoch 1 is served by a/2 and was by a/1');
  });

  test('are never served again after mastership was broken (lost and regained, P41)', () => {
    const checker = new EpochChecker();
    checker.serves('a/1', 1);
    checker.serves('a/1', 1);
    checker.broken('a/1');
    expect(() => checker.serves('a/1', 1)).toThrow('again after its mastership was broken');
  });

  test('rise', () => {
    const checker = new EpochChecker();
    checker.serves('a/1', 2);
    expect(() => checker.serves('b/1', 1)).toThrow('begins to serve in epoch 1 after 2');
  });
});

describe('durability', () => {
  test('rejects a restart that lost what a flush had covered', () => {
    const checker = new DurabilityChecker();
    checker.flushed(id('a'), 1, ballot(1, 'a'), 'v');
    checker.flushed(id('a'), 2, ballot(1, 'a'), 'w');
    checker.recovered(id('a'), 0, [
      { instance: 1, ballot: ballot(1, 'a'), digest: 'v' },
      { instance: 2, ballot: ballot(2, 'b'), digest: 'x' },
    ]);
    expect(() => checker.recovered(id('a'), 0, [{ instance: 1, ballot: ballot(1, 'a'), digest: 'v' }])).toThrow(
      'without instance 2',
    );
    expect(() => checker.recovered(id('a'), 1, [{ instance: 2, ballot: ballot(1, 'a'), digest: 'rotten' }])).toThrow(
      'another value',
    );
  });

  test('lets a value that is known as chosen stand in a lower ballot, from then on', () => {
    const checker = new DurabilityChecker();
    checker.flushed(id('a'), 1, ballot(3, 'a'), '1.2.3.4');
    const first = [{ instance: 1, ballot: ballot(2, 'b'), digest: '1.2.3.4' }];
    expect(() => checker.recovered(id('a'), 0, first)).toThrow('without instance 1');
    checker.recovered(id('a'), 0, first, (instance) => instance === 1);
    checker.recovered(id('a'), 0, first);
    const before = [{ instance: 1, ballot: ballot(1, 'b'), digest: '1.2.3.4' }];
    expect(() => checker.recovered(id('a'), 0, before)).toThrow('without instance 1');
  });

  test('lets a bad record of a lower ballot stand for a later one only where it names what is known as chosen', () => {
    const checker = new DurabilityChecker();
    checker.flushed(id('a'), 1, ballot(3, 'a'), '1.2.3.4');
    const first = 1 as Instance;
    const identity: ItemIdentity = { ballot: ballot(2, 'b'), digest: [1, 2, 3, 4] };
    const loss = { bad: [{ instance: first, upTo: first, identity }], missingUpTo: 0 };
    const isChosen = (instance: number, digest: string): boolean => instance === 1 && digest === '1.2.3.4';
    expect(() => checker.recovered(id('a'), 0, [], () => false, loss)).toThrow('without instance 1');
    checker.recovered(id('a'), 0, [], isChosen, loss);
    // A second start reads what the first one has written, and may not know any more how far values were chosen.
    checker.recovered(id('a'), 0, [], () => false, loss);
    const lower = [{ instance: first, upTo: first, identity: { ...identity, ballot: ballot(1, 'b') } }];
    expect(() => checker.recovered(id('a'), 0, [], () => false, { ...loss, bad: lower })).toThrow('without instance 1');
  });

  test('lets a snapshot stand for the log below it', () => {
    const checker = new DurabilityChecker();
    checker.flushed(id('a'), 1, ballot(1, 'a'), 'v');
    checker.recovered(id('a'), 1, []);
    checker.cut(id('a'), 2);
    checker.recovered(id('a'), 0, []);
  });

  test('rejects an acknowledgement that no majority stands behind', () => {
    expect(() => new DurabilityChecker().acknowledged('a', 3, false)).toThrow('no majority holds instance 3');
  });
});
