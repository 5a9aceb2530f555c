/** Promises, ballots and votes: pitfalls P01-P08, each with its schedule. Here the test plays the other replicas. */
import { describe, expect, test } from 'vitest';
import { ballotText, messageText } from '../../support/core-text.ts';
import { memberNamed, threeReplicaCell } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import {
  accept,
  acceptedOf,
  ballot,
  commit,
  entry,
  id,
  prepare,
  promiseTo,
  rejectOf,
  value,
  voteFor,
} from '../../support/messages.ts';

describe('P01: nothing is said before it is durable', () => {
  test('a promise leaves only when it is durable, and a crash before that takes nothing back', () => {
    const c = new LoneReplica();
    c.deliver('b', prepare({ ballot: '2.b' }));
    expect(c.sent('promise')).toEqual([]);
    c.restart();
    expect(ballotText(c.core.promised)).toBe('0');
    c.deliver('b', prepare({ ballot: '2.b' }));
    c.persist();
    expect(c.sent('promise')).toHaveLength(1);
    c.restart();
    expect(ballotText(c.core.promised)).toBe('2.b');
  });

  test('an acknowledgement leaves only when the accepted value is durable', () => {
    const c = new LoneReplica();
    c.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'v' }));
    expect(c.sent('accepted')).toEqual([]);
    c.persist();
    expect(c.sent('accepted')).toHaveLength(1);
  });

  test('a promise waits for the accepted values that it reports, not only for itself', () => {
    const c = new LoneReplica({ limits: { pageBytesMax: 1 } });
    c.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'v' }));
    // 1. The value is in a write of its own, not yet durable. 2. The same master boosts: its promise reports the value.
    const effects = c.deliver('a', prepare({ ballot: '2.a' }));
    const [promise] = effects.filter((effect) => effect.kind === 'send');
    const [write] = effects.filter((effect) => effect.kind === 'persist');
    expect(promise?.after).toBe(write?.request.write);
    c.persist(1);
    expect(c.sent('promise')).toEqual([]);
    c.persist();
    expect(c.sent('promise')[0]?.message.entries).toEqual([entry('1@1.a=v')]);
  });

  test('the own vote of a master counts only when it is durable', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'] });
    c.becomeMaster(['a', 'b']);
    c.submit('v');
    c.forget();
    const { chosenUpTo } = c.core;
    const own = accept({ ballot: ballotText(c.core.ballot), instance: chosenUpTo + 1, value: 'v' });
    c.deliver('a', acceptedOf(own));
    expect(c.core.chosenUpTo).toBe(chosenUpTo);
    c.deliver('b', acceptedOf(own));
    expect(c.core.chosenUpTo).toBe(chosenUpTo);
    c.persist();
    expect(c.core.chosenUpTo).toBe(chosenUpTo + 1);
  });
});

test('P01: the flush of an earlier value does not make the own vote for a later one count', () => {
  const c = new LoneReplica({ limits: { eagerWindowInstances: 4 } });
  c.becomeMaster(['a']);
  c.submit('x');
  c.submit('y');
  const [, later] = c.sent('accept').slice(-2);
  c.persist(1);
  c.deliver('a', acceptedOf((later as { message: ReturnType<typeof accept> }).message));
  c.persist(0);
  c.wake();
  expect(c.core.chosenUpTo).toBe(1);
  const first = c.sent('accept').slice(-4)[0]?.message as ReturnType<typeof accept>;
  c.deliver('a', acceptedOf(first));
  expect(c.core.chosenUpTo).toBe(2);
  c.persist();
  expect(c.core.chosenUpTo).toBe(3);
});

describe('P02: accepting raises the promise', () => {
  test('a late accept of a lower ballot does not replace what was accepted without a prepare of its own', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'] });
    c.deliver('a', prepare({ ballot: '3.a' }));
    // c never saw prepare(4.d) nor prepare(5.e); accept(5.e) makes v chosen with a and b.
    c.deliver('e', accept({ ballot: '5.e', instance: 1, value: 'v' }));
    c.persist();
    expect(ballotText(c.core.promised)).toBe('5.e');
    c.deliver('d', accept({ ballot: '4.d', instance: 1, value: 'w' }));
    c.persist();
    expect(c.lastSent('reject')).toMatchObject({ reason: 'promised', promised: ballot('5.e') });
    c.wait(600);
    c.deliver('d', prepare({ ballot: '6.d' }));
    c.persist();
    expect(c.lastSent('promise').entries).toEqual([entry('1@5.e=v')]);
  });

  test('the raised promise is durable with the accepted value', () => {
    const c = new LoneReplica();
    c.deliver('b', accept({ ballot: '5.b', instance: 1, value: 'v' }));
    c.persist();
    c.restart();
    expect(ballotText(c.core.promised)).toBe('5.b');
  });
});

describe('P03: no ballot is used twice', () => {
  test('ballots of one round differ by their owners: the one promised first to the higher is refused to the lower', () => {
    const c = new LoneReplica();
    c.deliver('b', prepare({ ballot: '5.b' }));
    c.persist();
    c.deliver('a', prepare({ ballot: '5.a' }));
    c.persist();
    expect(c.lastSent('reject')).toMatchObject({ reason: 'promised', promised: ballot('5.b') });
    expect(c.sent('promise')).toHaveLength(1);
  });

  test('a candidate that restarts goes above the ballot that it had prepared', () => {
    const c = new LoneReplica();
    const first = c.becomeCandidate(['a']);
    c.restart();
    const second = c.becomeCandidate(['a']);
    expect(second.ballot.round).toBeGreaterThan(first.ballot.round);
  });

  test('no prepare leaves before the own promise of its ballot is durable', () => {
    const c = new LoneReplica();
    c.waitUntil(() => c.core.state === 'asking');
    c.deliver('a', voteFor(c.lastSent('pre-vote')));
    expect(c.core.state).toBe('preparing');
    expect(c.sent('prepare')).toEqual([]);
    c.persist();
    expect(c.sent('prepare')).toHaveLength(2);
  });

  test('replayed promises of the process before do not count', () => {
    const c = new LoneReplica();
    const before = c.becomeCandidate(['a']);
    c.restart();
    c.becomeCandidate(['a']);
    c.deliver('a', promiseTo(before));
    c.deliver('b', promiseTo(before));
    expect(c.core.state).toBe('preparing');
  });

  test('a higher round seen in a refusal is gone above at the next attempt', () => {
    const c = new LoneReplica();
    const first = c.becomeCandidate(['a']);
    c.deliver('a', rejectOf(first, 'promised', '40.a'));
    c.deliver('b', rejectOf(first, 'promised', '40.a'));
    expect(c.core.state).toBe('following');
    expect(c.becomeCandidate(['a']).ballot.round).toBe(41);
  });
});

describe('P04: only answers to this very attempt count', () => {
  test('a delayed promise of an earlier ballot, or of the same ballot under another nonce, is no promise', () => {
    const c = new LoneReplica();
    const now = c.becomeCandidate(['a']);
    c.deliver('b', promiseTo({ ...now, ballot: ballot('9.c') }));
    c.deliver('b', promiseTo({ ...now, nonce: now.nonce - 1 }));
    c.deliver('b', promiseTo({ ...now, from: (now.from + 1) as never }));
    expect(c.core.state).toBe('preparing');
    c.deliver('b', promiseTo(now));
    expect(c.core.state).toBe('opening');
  });

  test('a pre-vote of another attempt is no vote', () => {
    const c = new LoneReplica();
    c.waitUntil(() => c.core.state === 'asking');
    const ask = c.lastSent('pre-vote');
    c.deliver('a', voteFor({ ...ask, nonce: ask.nonce - 1 }));
    expect(c.core.state).toBe('asking');
    c.deliver('a', voteFor(ask));
    expect(c.core.state).toBe('preparing');
  });
});

describe('P05: votes are a set of members of that instance', () => {
  test('one acknowledgement three times, and those of strangers, choose nothing', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'] });
    c.becomeMaster(['a', 'b']);
    c.submit('v');
    c.persist();
    const before = c.core.chosenUpTo;
    const own = accept({ ballot: ballotText(c.core.ballot), instance: before + 1, value: 'v' });
    for (const voter of ['a', 'a', 'a', 'x', 'y', 'a#2', 'c']) c.deliver(voter, acceptedOf(own));
    expect(c.core.chosenUpTo).toBe(before);
    expect(c.core.ignoredMessages).toBe(4);
    c.deliver('b', acceptedOf(own));
    expect(c.core.chosenUpTo).toBe(before + 1);
  });

  test('a learner’s pre-vote, promise and acknowledgement are none', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', memberNamed('d', 'learner')] });
    c.waitUntil(() => c.core.state === 'asking');
    const ask = c.lastSent('pre-vote');
    c.deliver('d', voteFor(ask));
    expect(c.core.state).toBe('asking');
    c.deliver('a', voteFor(ask));
    c.persist();
    c.deliver('d', promiseTo(c.lastSent('prepare')));
    expect(c.core.state).toBe('preparing');
    c.deliver('a', promiseTo(c.lastSent('prepare')));
    c.persist();
    c.deliver('d', acceptedOf(c.lastSent('accept')));
    expect(c.core.chosenUpTo).toBe(0);
    c.deliver('b', acceptedOf(c.lastSent('accept')));
    expect(c.core.chosenUpTo).toBe(1);
  });

  test('promises and pre-votes of strangers and dead incarnations win nothing', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'] });
    c.waitUntil(() => c.core.state === 'asking');
    const ask = c.lastSent('pre-vote');
    for (const voter of ['x', 'y', 'a#2', 'a', 'a']) c.deliver(voter, voteFor(ask));
    expect(c.core.state).toBe('asking');
    c.deliver('b', voteFor(ask));
    c.persist();
    const now = c.lastSent('prepare');
    for (const voter of ['x', 'y', 'a#2', 'a', 'a']) c.deliver(voter, promiseTo(now));
    expect(c.core.state).toBe('preparing');
  });
});

describe('P06: acknowledgements of different ballots are not added', () => {
  test('one of the old ballot and one of the new one choose nothing', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'], limits: { boostEveryMs: 50 } });
    c.becomeMaster(['a', 'b']);
    c.submit('v');
    c.persist();
    const instance = c.core.chosenUpTo + 1;
    const old = accept({ ballot: ballotText(c.core.ballot), instance, value: 'v' });
    c.deliver('a', acceptedOf(old));
    // A boost takes the value to a higher ballot; b's acknowledgement of the old one is late.
    c.waitUntil(() => c.core.state === 'boosting');
    c.persist();
    for (const voter of ['a', 'b']) c.deliver(voter, promiseTo(c.lastSent('prepare')));
    c.persist();
    c.deliver('b', acceptedOf(old));
    expect(c.core.chosenUpTo).toBe(instance - 1);
    const boosted = accept({ ballot: ballotText(c.core.ballot), instance, value: 'v' });
    c.deliver('d', acceptedOf(boosted));
    expect(c.core.chosenUpTo).toBe(instance - 1);
    c.deliver('e', acceptedOf(boosted));
    expect(c.core.chosenUpTo).toBe(instance);
  });

  test('of the values that promises report, the one of the highest ballot is proposed, not the most frequent one', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'] });
    const now = c.becomeCandidate(['a', 'b']);
    c.deliver('a', promiseTo(now, ['1@1.a=v']));
    c.deliver('b', promiseTo(now, ['1@2.b=w']));
    expect(c.sent('accept')[0]?.message).toMatchObject({ instance: 1, value: value('w') });
  });
});

describe('P07: a log that was cut answers no prepare for what is gone', () => {
  test('a replica that has more chosen says so instead of promising with an empty list', () => {
    const cell = threeReplicaCell({ limits: { retainBehindSnapshotInstances: 0 } });
    cell.elect('a');
    cell.isolate('b');
    for (let i = 0; i < 20; i++) cell.write(`x${i}`);
    cell.runUntil('c has it all', () => cell.member('c').core.appliedUpTo === cell.member('a').core.appliedUpTo);
    cell.member('c').takeSnapshot();
    const { chosenUpTo } = cell.member('c').core;
    expect(cell.member('c').core.firstRetained).toBe(chosenUpTo + 1);
    cell.run(600);
    cell.member('a').crash();
    cell.run(600);
    // b comes back alone with c, and asks for everything from its first unknown instance on.
    const refused: string[] = [];
    cell.watch = (_member, input) => {
      if (input.kind === 'message' && input.message.kind === 'reject') refused.push(messageText(input.message));
    };
    cell.mend();
    const b = cell.member('b');
    b.feed({ kind: 'message', from: id('a'), message: prepare({ ballot: '90.a' }) });
    cell.run(1);
    cell.deliver({ from: id('b'), to: id('c'), message: prepare({ ballot: '99.b', nonce: 7, from: 1 }) });
    cell.run(5);
    expect(refused.join()).toMatch(/reason=behind .*chosen=\d+/);
    cell.write('after');
    cell.runUntil('b has it all', () => b.core.appliedUpTo >= chosenUpTo);
    expect(cell.checker.appliedItems.size).toBe(21);
  });
});

describe('P08: a commit names the ballot', () => {
  test('what was accepted in another ballot is fetched, not applied', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'v' }));
    b.wait(600);
    b.deliver('c', commit({ ballot: '2.c', chosen: 1 }));
    expect(b.of('apply')).toEqual([]);
    const asked = b.lastSent('catch-up');
    expect(asked).toMatchObject({ from: 1, to: 1 });
    b.deliver('c', {
      kind: 'catch-up-reply',
      nonce: asked.nonce,
      entries: [entry('1@2.c=w')],
      chosenUpTo: 1 as never,
      firstRetained: 1 as never,
    });
    expect(b.of('apply')).toMatchObject([{ instance: 1, value: value('w') }]);
  });

  test('what was accepted in exactly that ballot is applied at once', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'v' }));
    b.deliver('a', commit({ ballot: '1.a', chosen: 1 }));
    expect(b.of('apply')).toMatchObject([{ instance: 1, value: value('v') }]);
  });

  test('a commit in a ballot that is not its sender’s changes nothing', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'v' }));
    b.deliver('c', commit({ ballot: '1.a', chosen: 1 }));
    expect(b.of('apply')).toEqual([]);
  });
});
