/** Messages that no correct peer sends: pitfalls §5, bad inputs 23-26, at the level of the core. Nothing changes. */
import { describe, expect, test } from 'vitest';
import { roundMax } from '../../../src/core/consensus/ballot.ts';
import type { Message } from '../../../src/core/consensus/message.ts';
import { ballotText } from '../../support/core-text.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import {
  accept,
  acceptedOf,
  commit,
  entry,
  id,
  prepare,
  preVote,
  promiseTo,
  release,
  voteFor,
} from '../../support/messages.ts';

/** What must not change. */
const stateOf = ({ core }: LoneReplica): unknown => ({
  promised: ballotText(core.promised),
  state: core.state,
  chosenUpTo: core.chosenUpTo,
  appliedUpTo: core.appliedUpTo,
  epoch: core.epoch,
  participation: core.participation,
});

const everyKind = (ballot: string): readonly Message[] => [
  preVote({ ballot }),
  voteFor(preVote({ ballot })),
  prepare({ ballot }),
  promiseTo(prepare({ ballot })),
  {
    kind: 'reject',
    ballot: prepare({ ballot }).ballot,
    nonce: 1,
    reason: 'promised',
    promised: prepare({ ballot: '99.b' }).ballot,
    chosenUpTo: 0 as never,
  },
  accept({ ballot, value: 'x' }),
  acceptedOf(accept({ ballot })),
  commit({ ballot, chosen: 0 }),
  { kind: 'catch-up-reply', nonce: 0, entries: [entry('1@1.b=x')], chosenUpTo: 1 as never, firstRetained: 1 as never },
  { kind: 'release', release: release(ballot, 'c') },
];

describe('input 24: who speaks', () => {
  test.each(['x', 'a#2', 'c', 'c#2'])('%s has no say, in any message', (from) => {
    const c = new LoneReplica();
    c.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'v' }));
    c.persist();
    const before = stateOf(c);
    c.forget();
    const name = id(from).replace('#1', '');
    for (const message of everyKind(`5.${name}`)) c.deliver(from, message);
    c.persist();
    expect(stateOf(c)).toEqual(before);
    expect(c.of('persist')).toEqual([]);
    expect(c.core.ignoredMessages).toBe(10);
    for (const kind of ['promise', 'accepted', 'prepare'] as const) expect(c.sent(kind)).toEqual([]);
  });

  test('a prepare, accept or commit in somebody else’s ballot is nobody’s word', () => {
    const c = new LoneReplica();
    c.deliver('b', prepare({ ballot: '5.a' }));
    c.deliver('b', accept({ ballot: '5.a', value: 'x' }));
    c.deliver('b', prepare({ ballot: '5.b#2' }));
    expect(c.of('persist')).toEqual([]);
    expect(ballotText(c.core.promised)).toBe('0');
  });
});

describe('input 25: absurd numbers', () => {
  test.each([2 ** 53 - 1, roundMax + 1, 2 ** 40, Number.NaN, -1, Number.POSITIVE_INFINITY])(
    'a ballot of round %d raises no promise and exhausts nothing',
    (round) => {
      const c = new LoneReplica();
      const absurd = { round, name: 'b', incarnation: 1 };
      for (const message of everyKind('1.b')) {
        if (!('ballot' in message)) continue;
        c.deliver('b', { ...message, ballot: absurd, promised: absurd } as Message);
        if ('promised' in message) c.deliver('b', { ...message, promised: absurd } as Message);
      }
      expect(ballotText(c.core.promised)).toBe('0');
      expect(c.of('persist')).toEqual([]);
      expect(c.becomeCandidate(['a']).ballot.round).toBeLessThan(10);
    },
  );

  test.each([10 ** 15, Number.NaN, -5, Number.POSITIVE_INFINITY])('instance %d is out of reach', (instance) => {
    const c = new LoneReplica();
    for (const message of everyKind('1.b')) {
      for (const field of ['instance', 'chosenUpTo', 'from'] as const) {
        if (field in message) c.deliver('b', { ...message, [field]: instance } as Message);
      }
    }
    expect(c.of('persist')).toEqual([]);
    expect(c.core.behind).toBe(0);
    expect(c.core.checkInvariants()).toBeUndefined();
  });

  test.each([0, -1, Number.NaN, 10 ** 12])('an accept that asks for a lease of %d ms is not accepted', (leaseMs) => {
    const c = new LoneReplica();
    c.deliver('b', accept({ ballot: '1.b', value: 'x', leaseMs }));
    expect(c.of('persist')).toEqual([]);
    expect(c.deliver('a', preVote({ ballot: '2.a' }))).toMatchObject([{ message: { granted: true } }]);
  });
});

describe('input 26: instances outside the window', () => {
  test('an accept far above what is chosen here is not kept: this replica catches up first', () => {
    const c = new LoneReplica({ limits: { acceptAheadInstancesMax: 100 } });
    c.deliver('b', accept({ ballot: '1.b', instance: 101, value: 'x', chosen: 90 }));
    c.persist();
    expect(c.sent('accepted')).toEqual([]);
    expect(c.lastSent('catch-up')).toMatchObject({ from: 1, to: 90 });
    c.deliver('b', accept({ ballot: '1.b', instance: 100, value: 'x' }));
    c.persist();
    expect(c.sent('accepted')).toHaveLength(1);
  });

  test('an accept below the cut is answered with how far this replica is, and votes for nothing', () => {
    const entries = Array.from({ length: 9 }, (_, i) => entry(`${i + 1}@1.a=x${i}`));
    const c = new LoneReplica({
      entries,
      chosenUpTo: 9,
      promised: '1.a',
      limits: { retainBehindSnapshotInstances: 0 },
    });
    c.wake();
    c.step({ kind: 'snapshot-taken', at: c.clocks, instance: 9 as never });
    c.deliver('b', accept({ ballot: '4.b', instance: 3, value: 'other' }));
    c.persist();
    expect(c.sent('accepted')).toEqual([]);
    expect(c.lastSent('reject')).toMatchObject({ reason: 'behind', chosenUpTo: 9 });
  });

  test('a catch-up request for more than there is gets what there is, in bounded bytes', () => {
    const entries = Array.from({ length: 50 }, (_, i) => entry(`${i + 1}@1.a=${'x'.repeat(1000)}`));
    const c = new LoneReplica({ entries, chosenUpTo: 50, promised: '1.a', limits: { pageBytesMax: 10_000 } });
    c.wake();
    c.deliver('b', { kind: 'catch-up', nonce: 3, from: 1 as never, to: (2 ** 40) as never });
    const reply = c.lastSent('catch-up-reply');
    expect(reply.entries.length).toBeLessThanOrEqual(10);
    expect(reply.entries.length).toBeGreaterThan(0);
    expect(reply).toMatchObject({ chosenUpTo: 50, firstRetained: 1, nonce: 3 });
  });

  test('a catch-up reply that was not asked for, or answers an earlier question, teaches nothing', () => {
    const c = new LoneReplica();
    c.deliver('b', commit({ ballot: '9.b', chosen: 2 }));
    const asked = c.lastSent('catch-up');
    const reply = {
      kind: 'catch-up-reply' as const,
      entries: [entry('1@9.b=x')],
      chosenUpTo: 2 as never,
      firstRetained: 1 as never,
    };
    c.deliver('a', { ...reply, nonce: asked.nonce });
    c.deliver('b', { ...reply, nonce: asked.nonce - 1 });
    expect(c.core.chosenUpTo).toBe(0);
    c.deliver('b', { ...reply, nonce: asked.nonce, entries: [entry('7@9.b=x')] });
    expect(c.core.chosenUpTo).toBe(0);
  });

  test('another value in the same ballot, which only a broken sender can send, is neither kept nor acknowledged', () => {
    const c = new LoneReplica();
    c.deliver('b', accept({ ballot: '1.b', value: 'x' }));
    c.persist();
    c.forget();
    c.deliver('b', accept({ ballot: '1.b', value: 'y' }));
    c.persist();
    expect(c.sent('accepted')).toEqual([]);
    expect(c.of('persist')).toEqual([]);
  });
});
