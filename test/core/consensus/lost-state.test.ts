/**
 * A replica whose whole state is gone, its snapshots all bad, in a generation that begins at a multiple of 2^40: nothing may take as long as
 * counting the instances that it misses.
 */
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../../src/core/consensus/identity.ts';
import { noop } from '../../../src/core/consensus/value.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { ballot } from '../../support/messages.ts';

const begun = 2 ** 40;
const entries = [1, 2, 3].map((after) => ({
  instance: (begun + after) as Instance,
  ballot: ballot('1.a'),
  value: noop,
}));
const replica = () => new LoneReplica({ entries, chosenUpTo: begun + 3, missingUpTo: begun });

describe('a replica that has lost its state, and has records far above it', () => {
  test('asks for what it misses, no more than fits into a request', () => {
    const c = replica();
    c.waitUntil(() => c.sent('catch-up').length > 0);
    expect(c.lastSent('catch-up')).toMatchObject({ from: 1, to: 4096 });
  });

  test('tells what it has, in order', () => {
    const c = replica();
    expect(c.core.acceptedFrom(1 as Instance).map(({ instance }) => instance - begun)).toEqual([1, 2, 3]);
    expect(c.core.acceptedFrom((begun + 3) as Instance)).toHaveLength(1);
    expect(c.core.missingUpTo).toBe(begun);
  });
});
