/** One master that stays: boosts, pre-votes and hand-overs; pitfall P42. */
import { describe, expect, test } from 'vitest';
import { ballotText } from '../../support/core-text.ts';
import { fiveReplicaCell, type LogCell, threeReplicaCell } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { acceptedOf, id, prepare, promiseTo, rejectOf } from '../../support/messages.ts';

describe('P42: a replica that comes back with a higher ballot', () => {
  test('does not displace the master, which goes above it and keeps its epoch', () => {
    const cell = fiveReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    const { epoch, ballot } = a.core;
    const d = cell.member('d');
    d.crash();
    d.promise = { ...d.promise, ballot: prepare({ ballot: '50.d' }).ballot };
    d.start();
    cell.run(3000);
    expect(cell.serving?.id).toBe(a.id);
    expect(a.core.epoch).toBe(epoch);
    expect(a.core.ballot.round).toBeGreaterThan(50);
    expect(ballot.round).toBeLessThan(50);
    expect(ballotText(d.core.promised)).toBe(ballotText(a.core.ballot));
    expect(cell.checker.masterChanges).toBe(1);
  });

  test('cut off for a minute, it raises no ballot, and its return changes no master', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.isolate('c');
    cell.run(60_000);
    expect(cell.member('c').core.promised.round).toBe(a.core.ballot.round - 2);
    cell.mend();
    cell.run(5000);
    expect(cell.serving?.id).toBe(a.id);
    expect(cell.checker.masterChanges).toBe(1);
  });

  test('asks ever more rarely while it is cut off from the master only', () => {
    const cell = threeReplicaCell();
    cell.elect('a');
    cell.cut(['a'], ['c']);
    cell.run(2000);
    cell.sent.clear();
    cell.run(10_000);
    expect(cell.sent.get('pre-vote')).toBeLessThan(2 * 10_000 * (8 / 500));
    expect(cell.checker.masterChanges).toBe(1);
  });

  test.each(['a', 'b', 'c'])('one-way cuts to and from %s elect no second master beside one that lives', (name) => {
    for (const other of ['a', 'b', 'c']) {
      if (other === name) continue;
      const cell = threeReplicaCell();
      cell.elect('a');
      cell.cutOneWay(name, other);
      cell.run(20_000);
      cell.runUntilServing();
      expect(cell.checker.masterChanges).toBeLessThanOrEqual(2);
    }
  });
});

describe('a boost', () => {
  const boosting = (): LogCell => {
    const cell = threeReplicaCell({ limits: { boostEveryMs: 200 } });
    cell.elect('a');
    return cell;
  };

  test('keeps the epoch under an unbroken lease, and raises the ballot of everybody', () => {
    const cell = boosting();
    const a = cell.member('a');
    const { epoch } = a.core;
    const before = a.core.ballot.round;
    cell.run(5000);
    expect(a.core.epoch).toBe(epoch);
    expect(a.core.ballot.round).toBeGreaterThanOrEqual(before + 10);
    expect(cell.checker.masterChanges).toBe(1);
  });

  test('under constant writes loses no request, answers none twice and costs no mastership', () => {
    const cell = boosting();
    const a = cell.member('a');
    for (const member of cell.members) member.flushMs = () => 3;
    const requests: number[] = [];
    for (let i = 0; i < 2000; i++) {
      requests.push(...a.submit(`x${i}`));
      cell.run(1);
    }
    cell.run(100);
    expect(requests.filter((request) => a.outcome(request as never)?.kind !== 'applied')).toEqual([]);
    expect(cell.checker.masterChanges).toBe(1);
    expect(cell.member('b').core.behind).toBe(0);
  });

  test('makes nobody fetch what was chosen at the old ballot', () => {
    const cell = boosting();
    const a = cell.member('a');
    for (const member of cell.members) member.flushMs = () => 3;
    cell.sent.clear();
    for (let i = 0; i < 1000; i++) {
      a.submit(`x${i}`);
      cell.run(1);
    }
    expect(cell.sent.get('catch-up') ?? 0).toBe(0);
    // Nor does it put anybody ahead of the prepare that is on its way.
    expect(cell.sent.get('reject') ?? 0).toBe(0);
  });

  test('proposes what is in flight again, at the new ballot, with its requests', () => {
    const c = new LoneReplica({ limits: { boostEveryMs: 50 } });
    c.becomeMaster(['a']);
    const [request] = c.submit('x');
    c.persist();
    const old = c.core.ballot;
    c.waitUntil(() => c.core.state === 'boosting');
    c.persist();
    c.deliver('a', promiseTo(c.lastSent('prepare')));
    expect(c.core.ballot.round).toBe(old.round + 1);
    expect(c.lastSent('accept')).toMatchObject({ ballot: c.core.ballot, value: { kind: 'submitted' } });
    c.settle(['a']);
    expect(c.of('apply').at(-1)).toMatchObject({ requests: [request], epoch: 1, current: true });
    expect(c.of('settle')).toEqual([]);
  });

  test('refused for a higher promise goes above it at once, within the lease', () => {
    const c = new LoneReplica({ limits: { boostEveryMs: 50 } });
    c.becomeMaster(['a']);
    c.waitUntil(() => c.core.state === 'boosting');
    c.persist();
    const first = c.lastSent('prepare');
    c.deliver('b', rejectOf(first, 'promised', '77.b'));
    c.persist();
    const second = c.lastSent('prepare');
    expect(second.ballot.round).toBe(78);
    c.deliver('a', promiseTo(second));
    c.settle(['a']);
    expect(c.core.state).toBe('serving');
    expect(c.core.epoch).toBe(1);
  });

  test('that finds no majority ends with the lease, not with a ballot led without promises', () => {
    const c = new LoneReplica({ limits: { boostEveryMs: 50 } });
    c.becomeMaster(['a']);
    c.waitUntil(() => c.core.state === 'boosting');
    c.forget();
    c.waitUntil(() => c.core.state === 'following');
    expect(c.sent('accept')).toEqual([]);
    expect(c.of('mastership').at(-1)).toMatchObject({ role: 'replica', cause: 'lease-lapsed' });
  });
});

describe('a hand-over', () => {
  test('moves the mastership in a few milliseconds, to the one that was asked for', () => {
    const cell = fiveReplicaCell();
    const a = cell.elect('a');
    cell.write('x');
    cell.runUntilEqual();
    a.feed({ kind: 'hand-over', to: id('d') });
    const ms = cell.runUntil('d serves', () => cell.member('d').isServing);
    expect(ms).toBeLessThan(30);
    expect(cell.member('d').core.epoch).toBe(2);
    expect(cell.checker.masterChanges).toBe(2);
  });

  test('takes the most caught-up voter when nobody is named', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.cut(['a'], ['b']);
    cell.write('x');
    cell.run(200);
    expect(a.core.handOverCandidate(null, a.clocks())).toBe(id('c'));
    a.feed({ kind: 'hand-over', to: null });
    cell.runUntil('c serves', () => cell.member('c').isServing, 100);
  });

  test('loses no request: those in flight are answered, those that wait are told that nothing happened', () => {
    const cell = threeReplicaCell({ limits: { eagerWindowInstances: 1 } });
    const a = cell.elect('a');
    cell.runUntilEqual();
    const requests = a.submit('0');
    const more: number[] = [];
    a.feed({ kind: 'hand-over', to: id('b') });
    for (let i = 0; i < 10; i++) {
      more.push(...a.submit(`x${i}`));
      cell.run(1);
    }
    cell.runUntil('b serves', () => cell.member('b').isServing);
    expect(a.outcome(requests[0] as never)).toMatchObject({ kind: 'applied', current: true });
    for (const request of more) expect(a.outcome(request as never)).toEqual({ kind: 'settled', reason: 'not-master' });
    expect(cell.checker.appliedItems).toEqual(new Set(['0']));
  });

  test('keeps serving reads until the lease is given up, and proposes what waited when it comes to nothing', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    // The successor's acknowledgements are lost, so that it never seems to have applied the last word.
    const stop = cell.drop(({ from, message }) => from === id('b') && message.kind === 'accepted');
    a.feed({ kind: 'hand-over', to: id('b') });
    const [request] = a.submit('x');
    cell.run(100);
    expect(a.core.state).toBe('handing-over');
    expect(a.isServing).toBe(true);
    cell.runUntil('it is given up', () => a.core.state === 'serving');
    stop();
    expect(cell.runUntilOutcome(a, request as never)).toMatchObject({ kind: 'applied' });
    expect(cell.checker.masterChanges).toBe(1);
  });

  test('asked for during a boost happens after it', () => {
    const cell = threeReplicaCell({ limits: { boostEveryMs: 100 } });
    const a = cell.elect('a');
    cell.runUntil('a boosts', () => a.core.state === 'boosting');
    a.feed({ kind: 'hand-over', to: id('b') });
    cell.runUntil('b serves', () => cell.member('b').isServing, 100);
  });

  test('whose release is lost leaves the cell without a master for about a lease, not longer', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.drop(({ message }) => message.kind === 'release');
    a.feed({ kind: 'hand-over', to: id('b') });
    cell.runUntil('a gave it up', () => !a.isServing);
    const ms = cell.runUntil('another serves', () => cell.serving !== null);
    expect(ms).toBeLessThan(900);
    expect(cell.serving?.id).not.toBe(a.id);
  });

  test('to a member that cannot take over changes nothing', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.member('b').crash();
    cell.run(600);
    a.feed({ kind: 'hand-over', to: id('b') });
    expect(a.core.state).toBe('serving');
    expect(a.core.handOverCandidate(id('b'), a.clocks())).toBeNull();
  });

  test('back and forth a hundred times, under writes, has one master at a time and loses nothing', () => {
    const cell = threeReplicaCell();
    cell.elect('a');
    const names = ['b', 'c', 'a'];
    for (let i = 0; i < 100; i++) {
      const master = cell.runUntilServing();
      master.submit(`x${i}`);
      cell.handOverTo(names[i % 3] as string);
    }
    expect(cell.checker.masterChanges).toBe(101);
    expect(cell.checker.appliedItems.size).toBe(100);
  });
});

test('an idle master proposes a few no-ops a lease, and nobody else anything', () => {
  const cell = threeReplicaCell();
  cell.elect('a');
  cell.run(1000);
  const before = cell.member('a').core.chosenUpTo;
  cell.sent.clear();
  cell.run(10_000);
  const perLease = (cell.member('a').core.chosenUpTo - before) / 20;
  expect(perLease).toBeGreaterThan(3);
  expect(perLease).toBeLessThan(6);
  expect([...cell.sent.keys()].sort()).toEqual(['accept', 'accepted', 'commit']);
});

test('acknowledgements in another order than proposals fill no window for good', () => {
  // 1. Instances i and i+1 are out. 2. i+1 is acknowledged first, by all. 3. Then i. Both must be done with.
  const c = new LoneReplica({ limits: { acceptWindowInstances: 4, eagerWindowInstances: 4 } });
  c.becomeMaster(['a']);
  for (let i = 0; i < 40; i++) {
    c.submit(`x${i}`);
    c.submit(`y${i}`);
    c.persist();
    const sent = c.sent('accept').filter(({ to }) => to === id('a'));
    for (const { message } of sent.slice(-2).reverse()) c.deliver('a', acceptedOf(message));
  }
  expect(c.appliedTexts).toHaveLength(80);
});
