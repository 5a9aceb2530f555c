/**
 * A replica that starts on a disk which may be an old one: whom it compares with before it votes, and what it does meanwhile.
 * Source: design §4 (fence); pitfalls P20, P22.
 */
import { describe, expect, it } from 'vitest';
import type { ComparisonRule } from '../../../src/core/consensus/comparison.ts';
import type { Member } from '../../../src/core/consensus/configuration.ts';
import type { Instance } from '../../../src/core/consensus/identity.ts';
import { memberNamed } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { accept, ballot, commit, entry, id, prepare, preVote } from '../../support/messages.ts';

const five = ['a', 'b', 'c', 'd', 'e'];
const leaseMs = 100;

/** c has voted in an earlier life. */
function restarted(
  compare: ComparisonRule = 'majority',
  names: readonly (string | Member)[] = ['a', 'b', 'c'],
): LoneReplica {
  const replica = new LoneReplica({ names, leaseMs, promised: '1.a', compare });
  replica.wake();
  return replica;
}

const compared = (replica: LoneReplica, member: string): void =>
  void replica.step({ kind: 'compared', at: replica.clocks, member: id(member) });

const movesOf = (replica: LoneReplica): readonly string[] =>
  replica.of('transition').map(({ transition }) => transition.id);

/** Everything that rests on its vote. */
const votes = (replica: LoneReplica): readonly string[] =>
  replica.of('send').flatMap(({ message }) => {
    if (message.kind === 'pre-vote-reply') return message.granted ? ['granted'] : [];
    return ['promise', 'accepted', 'prepare', 'pre-vote'].includes(message.kind) ? [message.kind] : [];
  });

function askedForEverything(replica: LoneReplica): void {
  replica.deliver('b', prepare({ ballot: '9.b' }));
  replica.deliver('b', accept({ ballot: '9.b', value: 'x', leaseMs }));
  replica.deliver('b', preVote({ ballot: '10.b' }));
  replica.persist();
}

describe('a member that has started', () => {
  it('neither promises nor accepts nor campaigns before it has compared disks', () => {
    const c = restarted();
    expect(c.core.participation).toBe('checking');
    askedForEverything(c);
    c.wait(20 * leaseMs);
    askedForEverything(c);
    expect(votes(c)).toEqual([]);
    expect(c.of('persist')).toEqual([]);
    expect(c.core.promised).toEqual(ballot('1.a'));
  });

  it('asks all that it knows, again and again: the voters may be gone, and only a learner know that', () => {
    const c = restarted('majority', ['a', 'b', 'c', memberNamed('l', 'learner')]);
    const asked = (): readonly string[] => c.sent('catch-up').map(({ to }) => to);
    c.wait(2 * leaseMs - 1);
    expect(asked()).toEqual([]);
    c.wait(1);
    expect(asked()).toEqual(['a', 'b', 'l'].map(id));
    c.forget();
    c.wait(leaseMs / 2);
    expect(asked()).toEqual(['a', 'b', 'l'].map(id));
    const { nonce } = c.lastSent('catch-up');
    const nothing = { kind: 'catch-up-reply', nonce, entries: [], chosenUpTo: 0, firstRetained: 1 } as const;
    c.deliver('a', nothing as never);
    c.deliver('l', { ...nothing, entries: [entry('1@9.b=x')], chosenUpTo: 1 } as never);
    c.persist();
    expect(c.of('apply')).toMatchObject([{ instance: 1 }]);
  });

  it('learns and helps meanwhile', () => {
    const c = restarted();
    c.deliver('b', commit({ ballot: '9.b', chosen: 2 }));
    const { nonce } = c.lastSent('catch-up');
    const entries = [entry('1@9.b=x'), entry('2@9.b=y')];
    c.deliver('b', {
      kind: 'catch-up-reply',
      nonce,
      entries,
      chosenUpTo: 2 as Instance,
      firstRetained: 1 as Instance,
    });
    expect(c.core.appliedUpTo).toBe(2);
    c.deliver('a', { kind: 'catch-up', nonce: 5, from: 1 as Instance, to: 2 as Instance });
    expect(c.lastSent('catch-up-reply').entries).toHaveLength(2);
    expect(c.core.participation).toBe('checking');
    expect(votes(c)).toEqual([]);
  });

  it('votes at once when all others have compared', () => {
    const c = restarted();
    compared(c, 'a');
    expect(c.core.participation).toBe('checking');
    compared(c, 'b');
    expect(c.core.participation).toBe('voting');
    expect(movesOf(c).slice(1)).toEqual([
      'participation.checking.compared.waiting',
      'participation.waiting.admitted-as-voter.voting',
    ]);
  });

  it('gives those who do not answer one lease, and asks to be woken for it', () => {
    const c = restarted();
    compared(c, 'a');
    expect(c.of('wake').at(-1)?.at).toBe(1000 + leaseMs);
    c.wait(leaseMs - 1);
    expect(c.core.participation).toBe('checking');
    c.wait(1);
    expect(c.core.participation).toBe('voting');
  });

  it('waits for a majority, however long that takes', () => {
    const c = restarted('majority', five);
    compared(c, 'a');
    c.wait(1000 * leaseMs);
    expect(c.core.participation).toBe('checking');
    compared(c, 'a');
    compared(c, 'x');
    expect(c.core.participation).toBe('checking');
    compared(c, 'e');
    expect(c.core.participation).toBe('voting');
  });

  it('whose directory was copied waits for all others, learners too', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', memberNamed('l', 'learner')], leaseMs, compare: 'all' });
    c.wake();
    for (const other of ['a', 'b']) compared(c, other);
    c.wait(1000 * leaseMs);
    expect(c.core.participation).toBe('checking');
    expect(c.core.waitsFor).toEqual([id('l')]);
    compared(c, 'l');
    expect(c.core.participation).toBe('voting');
  });

  it('whose log has lost its end waits for all other voters, however long that takes, and for nobody else', () => {
    const c = restarted('voters', [...five, memberNamed('l', 'learner')]);
    for (const other of ['a', 'b', 'd', 'l']) compared(c, other);
    c.wait(1000 * leaseMs);
    askedForEverything(c);
    expect(c.core.participation).toBe('checking');
    expect(votes(c)).toEqual([]);
    expect(c.core.waitsFor).toEqual([id('e')]);
    compared(c, 'e');
    expect(c.core.participation).toBe('voting');
  });

  it('alone in its cell asks nobody', () => {
    expect(restarted('majority', ['c']).core.participation).toBe('voting');
  });

  it('compares also as a learner: it may be a voter by the time it has caught up', () => {
    const c = new LoneReplica({ names: ['a', 'b', memberNamed('c', 'learner')], leaseMs, compare: 'majority' });
    c.wake();
    expect(c.core.participation).toBe('checking');
    for (const other of ['a', 'b']) compared(c, other);
    expect(c.core.participation).toBe('learner');
  });

  it('is removed while it compares when no configuration has it any more', () => {
    const [a, b] = [memberNamed('a'), memberNamed('b')];
    const c = new LoneReplica({ names: [a, b, memberNamed('c')], leaseMs, alpha: 1, compare: 'majority' });
    c.wake();
    const { members: _members, ...values } = c.configuration;
    c.deliver('b', commit({ ballot: '9.b', chosen: 2 }));
    const value = { kind: 'configuration', configuration: { ...values, members: [a, b] } } as const;
    const entries = [{ instance: 1 as Instance, ballot: ballot('9.b'), value }, entry('2@9.b=x')];
    const { nonce } = c.lastSent('catch-up');
    const [chosenUpTo, firstRetained] = [2 as Instance, 1 as Instance];
    c.deliver('b', { kind: 'catch-up-reply', nonce, entries, chosenUpTo, firstRetained });
    expect(movesOf(c).at(-1)).toBe('participation.checking.left.removed');
  });
});

describe('a disk that is older than what it acknowledged', () => {
  const cases: [state: string, make: () => LoneReplica][] = [
    ['checking', () => restarted()],
    ['voting', () => new LoneReplica()],
    ['learner', () => new LoneReplica({ names: ['a', 'b', memberNamed('c', 'learner')] })],
    ['rebuilding', () => new LoneReplica({ self: 'c#2', names: ['a', 'b', memberNamed('c', 'rebuilding', 2)] })],
    ['waiting', () => new LoneReplica({ names: ['a', 'b'] })],
  ];
  it.each(cases)('found while %s ends the replica: no vote, no word, no write', (state, make) => {
    const c = make();
    expect(c.core.participation).toBe(state);
    c.step({ kind: 'rolled-back', at: c.clocks });
    expect(c.core.participation).toBe('halted');
    c.effects = [];
    askedForEverything(c);
    for (const other of ['a', 'b']) compared(c, other);
    c.wait(100 * leaseMs);
    expect(c.effects).toEqual([]);
  });

  it('found at the master ends its service at once', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    expect(c.core.isServing(c.clocks)).toBe(true);
    c.step({ kind: 'rolled-back', at: c.clocks });
    expect(c.core.isServing(c.clocks)).toBe(false);
  });
});
