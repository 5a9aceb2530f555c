import { describe, expect, test } from 'vitest';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import { type Governing, PartingChecker } from '../../src/simulator/checkers/partings.ts';

const of = (names: string, from: number): Governing => ({
  from,
  configuration: {
    members: [...names].map((name) => ({ name, incarnation: 1, role: 'voter', url: '' })),
    ...{ alpha: 3, leaseMs: 500, driftPpm: 10_000 },
  } as Configuration,
});

const id = (name: string) => replicaId(name, 1);
/** `d` is out from instance 20 on. */
const governing = [of('abcd', 1), of('abc', 20)];

describe('who tells a member that it is out (P47)', () => {
  test('has that on its disk', () => {
    const checker = new PartingChecker();
    checker.durable(id('a'), 19);
    checker.turnedAway(id('a'), id('d'), governing);
    checker.durable(id('b'), 18);
    expect(() => checker.turnedAway(id('b'), id('d'), governing)).toThrow('only its memory knows');
  });

  test('may say so of who was never a member', () => {
    new PartingChecker().turnedAway(id('a'), id('x'), governing);
  });
});

describe('a member that goes since the others know that it is out (P47)', () => {
  test.each([
    ['a majority has it on disk', ['a', 'b'], true],
    ['one of three has it on disk', ['a'], false],
    ['its own disk is none of theirs', ['a', 'd'], false],
  ])('%s', (_, knowing, right) => {
    const checker = new PartingChecker();
    for (const name of knowing) checker.durable(id(name), 19);
    const parts = (): void => checker.parted(id('d'), governing);
    if (right) parts();
    else expect(parts).toThrow('no majority has on its disk that it is out');
  });

  test('is missed by nobody when it had no vote', () => {
    new PartingChecker().parted(id('x'), governing);
  });
});
