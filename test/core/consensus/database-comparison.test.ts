/**
 * What is at stake: a replica whose database is damaged goes on voting, leading and teaching (P30), or a sound one stops
 * because of a damaged one (I15). One replica, c, of a, b and c, or of five; the digests are letters.
 */
import { describe, expect, it } from 'vitest';
import type { DatabaseDigests } from '../../../src/core/consensus/database-comparison.ts';
import type { Instance } from '../../../src/core/consensus/identity.ts';
import type { Message } from '../../../src/core/consensus/message.ts';
import { memberNamed } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { ballot, entry, id } from '../../support/messages.ts';

type Parts = Partial<Omit<DatabaseDigests, 'instance'>>;

const digests = (instance: number, database: string, parts: Parts = {}): DatabaseDigests => ({
  instance: instance as Instance,
  full: true,
  logChain: 'log',
  database,
  version: '1.0.0',
  ...parts,
});

const said = (instance: number, database: string, parts: Parts & { answer?: boolean } = {}): Message => {
  const { answer = false, ...rest } = parts;
  return { kind: 'digests', digests: digests(instance, database, rest), answer };
};

const check = (c: LoneReplica, instance: number, database: string, parts: Parts = {}) =>
  c.step({ kind: 'database-checked', at: c.clocks, digests: digests(instance, database, parts) });
const replayed = (c: LoneReplica) => c.step({ kind: 'database-replayed', at: c.clocks });

/** A follower that has applied one instance. */
const follower = (options: ConstructorParameters<typeof LoneReplica>[0] = {}): LoneReplica =>
  new LoneReplica({ entries: [entry('1@1.a=x')], chosenUpTo: 1, ...options });

const movesOf = (c: LoneReplica): readonly string[] => c.of('transition').map(({ transition }) => transition.id);

describe('what a replica holds at an instance', () => {
  it('is told to all others, and again to those that do not answer, but not for ever', () => {
    const c = follower();
    check(c, 1, 'A');
    const to = () => c.sent('digests').map((sent) => sent.to);
    expect(to()).toEqual([id('a'), id('b')]);
    c.deliver('a', said(1, 'A'));
    c.forget();
    for (let i = 0; i < 200; i++) c.wait(100);
    expect(new Set(to())).toEqual(new Set([id('b')]));
    expect(to().length).toBeLessThan(20);
  });

  it('is answered to whoever asks, once it is known', () => {
    const c = follower();
    c.deliver('a', said(1, 'A', { answer: true }));
    expect(c.sent('digests')).toEqual([]);
    check(c, 1, 'A');
    c.forget();
    c.deliver('b', said(1, 'A', { answer: true }));
    expect(c.sent('digests')).toEqual([{ to: id('b'), message: said(1, 'A') }]);
  });

  it('is not taken from a stranger', () => {
    const c = follower();
    check(c, 1, 'B');
    for (const stranger of ['x', 'y', 'z']) c.deliver(stranger, said(1, 'A'));
    expect(c.core.participation).toBe('voting');
    expect(c.of('compared')).toEqual([]);
  });
});

describe('the odd one out', () => {
  it('is set aside by a majority against it, and not before: who is silent counts for nothing', () => {
    const c = follower({ names: ['a', 'b', 'c', 'd', 'e'] });
    check(c, 1, 'B');
    c.deliver('a', said(1, 'A'));
    c.deliver('b', said(1, 'A'));
    expect(c.core.participation).toBe('voting');
    c.deliver('d', said(1, 'A'));
    expect(c.core.participation).toBe('quarantined');
    const [{ evidence }] = c.of('set-aside') as [ReturnType<typeof c.of<'set-aside'>>[number]];
    expect(evidence).toMatchObject({ instance: 1, database: 'B', right: 'A', by: 'majority' });
    expect(evidence.holders).toEqual([id('a'), id('b'), id('d')]);
  });

  it('is another: this one goes on', () => {
    const c = follower();
    check(c, 1, 'A');
    c.deliver('a', said(1, 'B'));
    c.deliver('b', said(1, 'A'));
    expect(c.core.participation).toBe('voting');
    expect(c.core.comparedDatabases?.judgement).toMatchObject({ kind: 'differ', odd: [id('a')] });
  });

  it('promises, votes and campaigns no more, but goes on learning', () => {
    const c = follower();
    check(c, 1, 'B');
    for (const other of ['a', 'b']) c.deliver(other, said(1, 'A'));
    c.forget();
    const next = { from: 2 as Instance, chosenUpTo: 1 as Instance };
    c.deliver('a', { kind: 'pre-vote', ballot: ballot('9.a'), nonce: 1, chosenUpTo: next.chosenUpTo });
    expect(c.sent('pre-vote-reply').map(({ message }) => message.granted)).toEqual([false]);
    c.deliver('a', { kind: 'prepare', ballot: ballot('9.a'), nonce: 1, from: next.from, release: null });
    const { value } = entry('2@9.a=y');
    const accept = { kind: 'accept', ballot: ballot('9.a'), instance: next.from, value, leaseMs: 500 } as const;
    c.deliver('a', { ...accept, chosenUpTo: next.chosenUpTo });
    c.persist();
    c.deliver('a', { ...accept, chosenUpTo: next.chosenUpTo });
    c.deliver('a', { kind: 'commit', ballot: ballot('9.a'), chosenUpTo: next.from });
    c.deliver('a', { ...accept, chosenUpTo: next.from });
    c.persist();
    expect([...c.sent('promise'), ...c.sent('accepted'), ...c.sent('reject')]).toEqual([]);
    expect(c.appliedTexts).toEqual(['y']);
    for (let i = 0; i < 100; i++) c.wait(100);
    expect(c.core.state).toBe('following');
    expect(c.sent('prepare')).toEqual([]);
  });

  it('that is master serves nothing from that step on, and lets another lead at once', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a', 'b']);
    expect(c.core.isServing(c.clocks)).toBe(true);
    check(c, 1, 'B');
    c.deliver('a', said(1, 'A'));
    expect(c.core.isServing(c.clocks)).toBe(true);
    c.forget();
    c.deliver('b', said(1, 'A'));
    expect(c.core.isServing(c.clocks)).toBe(false);
    expect(c.core.state).toBe('following');
    const [released] = c.sent('release');
    expect([id('a'), id('b')]).toContain(released?.to);
    expect(released?.message.release.successor).toBe(released?.to);
  });

  it('comes back when a full scan of what it built anew is that of a majority', () => {
    const c = follower();
    check(c, 1, 'B');
    for (const other of ['a', 'b']) c.deliver(other, said(1, 'A'));
    // What it held before says nothing of what it holds now, whoever repeats it.
    replayed(c);
    c.deliver('a', said(1, 'A'));
    expect(c.core.participation).toBe('quarantined');
    check(c, 2, 'A', { full: false });
    for (const other of ['a', 'b']) c.deliver(other, said(2, 'A', { full: false }));
    expect(c.core.participation).toBe('quarantined');
    check(c, 1, 'A');
    expect(c.core.participation).toBe('voting');
    expect(c.of('taken-back')).toEqual([{ kind: 'taken-back', instance: 1 }]);
  });

  it('is set aside again, to be built from elsewhere, when what it built anew is the same', () => {
    const c = follower();
    check(c, 1, 'B');
    for (const other of ['a', 'b']) c.deliver(other, said(1, 'A'));
    c.deliver('a', said(1, 'A'));
    expect(c.of('set-aside')).toHaveLength(1);
    replayed(c);
    check(c, 1, 'B');
    expect(c.of('set-aside')).toHaveLength(2);
    expect(c.core.participation).toBe('quarantined');
  });

  it('stays set aside over a restart, and asks for a check that it can compare', () => {
    const c = follower({ quarantined: true });
    expect(c.core.participation).toBe('quarantined');
    c.waitUntil(() => c.sent('check-wanted').length > 0);
    check(c, 5, 'A');
    c.deliver('a', said(5, 'A'));
    expect(c.core.participation).toBe('voting');
    c.forget();
    for (let i = 0; i < 50; i++) c.wait(100);
    expect(c.sent('check-wanted')).toEqual([]);
  });

  it('may be a learner, or one that is removed meanwhile', () => {
    const names = [memberNamed('a'), memberNamed('b'), memberNamed('c', 'learner')];
    const c = follower({ names });
    expect(c.core.participation).toBe('learner');
    check(c, 1, 'B');
    for (const other of ['a', 'b']) c.deliver(other, said(1, 'A'));
    expect(movesOf(c).at(-1)).toBe('participation.learner.database-differs.quarantined');
    replayed(c);
    check(c, 1, 'A');
    expect(movesOf(c).slice(-2)).toEqual([
      'participation.quarantined.database-rebuilt.waiting',
      'participation.waiting.admitted-as-learner[otherwise].learner',
    ]);
  });
});

describe('a master', () => {
  it('has a check logged for a member that waits for one; nobody else does', () => {
    const c = follower();
    c.deliver('a', { kind: 'check-wanted' });
    expect(c.of('check-wanted')).toEqual([]);
    const master = new LoneReplica();
    master.becomeMaster(['a', 'b']);
    master.deliver('a', { kind: 'check-wanted' });
    expect(master.of('check-wanted')).toHaveLength(1);
  });
});

describe('different logs', () => {
  it('are a fork: nobody is set aside, whatever the majority has', () => {
    const c = follower();
    check(c, 1, 'B', { logChain: 'other' });
    for (const other of ['a', 'b']) c.deliver(other, said(1, 'A'));
    expect(c.core.participation).toBe('voting');
    expect(c.of('set-aside')).toEqual([]);
    expect(c.of('fork-seen').at(-1)).toEqual({
      kind: 'fork-seen',
      instance: 1,
      branches: [
        { logChain: 'log', members: [id('a'), id('b')] },
        { logChain: 'other', members: [id('c')] },
      ],
    });
  });

  it('at different instances are none', () => {
    const c = follower();
    check(c, 2, 'B', { logChain: 'of 2' });
    for (const other of ['a', 'b']) c.deliver(other, said(1, 'A', { logChain: 'of 1' }));
    expect([...c.of('fork-seen'), ...c.of('set-aside'), ...c.of('compared')]).toEqual([]);
  });
});

describe('a frozen cell', () => {
  it.each([
    ['voting', {}, false],
    ['learner', { names: [memberNamed('a'), memberNamed('b'), memberNamed('c', 'learner')] }, false],
    [
      'rebuilding',
      { self: 'c#2', names: [memberNamed('a'), memberNamed('b'), memberNamed('c', 'rebuilding', 2)] },
      false,
    ],
    ['quarantined', {}, true],
  ] as const)('freezes a member that is %s', (state, options, quarantined) => {
    const c = follower({ ...options, quarantined });
    expect(c.core.participation).toBe(state);
    c.step({ kind: 'freeze', at: c.clocks });
    expect(movesOf(c).at(-1)).toBe(`participation.${state}.fork-seen.frozen`);
  });
});
