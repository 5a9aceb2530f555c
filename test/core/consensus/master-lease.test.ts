/** The master lease: pitfalls P31-P40 and P43, each with its schedule. True time is the cell's; clocks are the members'. */
import { describe, expect, test } from 'vitest';
import { holderLease } from '../../../src/core/consensus/master-lease.ts';
import { ballotText } from '../../support/core-text.ts';
import { configurationOf, fiveReplicaCell, type LogCell, threeReplicaCell } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import {
  accept,
  acceptedOf,
  entry,
  id,
  prepare,
  preVote,
  promiseTo,
  rejectOf,
  release,
} from '../../support/messages.ts';

const leaseMs = 500;
const held = holderLease(configurationOf(['a', 'b', 'c'], { leaseMs }));

test('the holder’s lease is shorter than the grantors’, by the drift of both clocks and a margin', () => {
  const drift = 0.01;
  expect((held.lengthMs * (1 + drift)) / (1 - drift)).toBeLessThan(leaseMs);
});

describe('P31: the lease counts from before the accept was first sent', () => {
  test('an acknowledgement that comes late gives only what is left', () => {
    const c = new LoneReplica();
    const now = c.becomeCandidate(['a']);
    c.deliver('a', promiseTo(now));
    c.persist();
    const opening = c.lastSent('accept');
    c.pass(300);
    c.deliver('a', acceptedOf(opening));
    expect(c.core.leaseRemainingMs(c.clocks)).toBeCloseTo(held.lengthMs - 300, 6);
  });

  test('sending again does not move the beginning', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    c.submit('x');
    c.persist();
    const own = c.lastSent('accept');
    c.forget();
    c.wait(105);
    expect(c.sent('accept').map(({ message }) => message.instance)).toContain(own.instance);
    c.wait(95);
    c.deliver('a', acceptedOf(own));
    expect(c.core.leaseRemainingMs(c.clocks)).toBeCloseTo(held.lengthMs - 200, 6);
  });

  test('one-way delays of most of a lease never let two serve', () => {
    // The checker looks at all members after every event; clocks drift as far apart as is promised.
    const cell = threeReplicaCell({ leaseMs });
    cell.member('a').rate = 0.9901;
    cell.member('b').rate = 1.0099;
    cell.elect('a');
    for (const ms of [50, 120, 200, 300, 400, 450]) {
      const stop = cell.delay(({ to }) => to === id('a'), ms);
      cell.run(4000);
      stop();
      cell.run(1000);
    }
    expect(cell.checker.masterChanges).toBeGreaterThan(1);
  });

  test('a grantor listens to nobody else as long as the holder may believe in its lease', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '1.a', leaseMs }));
    b.wait(held.lengthMs * (1.01 / 0.99));
    expect(b.deliver('c', preVote({ ballot: '2.c' }))).toMatchObject([{ message: { granted: false } }]);
    b.deliver('c', prepare({ ballot: '2.c' }));
    b.persist();
    expect(b.lastSent('reject')).toMatchObject({ reason: 'lease' });
    expect(ballotText(b.core.promised)).toBe('1.a');
  });
});

describe('P32: check and read are one step', () => {
  test('the check looks at the clock of now, not at anything that a timer set', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    expect(c.core.isServing(c.clocks)).toBe(true);
    // No input, no timer: the process stood still.
    c.pass(held.lengthMs - 1);
    expect(c.core.isServing(c.clocks)).toBe(true);
    c.pass(2);
    expect(c.core.isServing(c.clocks)).toBe(false);
  });

  test('a master paused for five leases serves nothing when it wakes, whatever waits in its queues', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    a.pause(5 * leaseMs);
    cell.runUntil('another serves', () => cell.serving !== null && cell.serving !== a);
    cell.write('k');
    // The moment it wakes, before anything was fed to it: the acknowledgements that wait must not revive its lease.
    cell.runUntil('a goes on', () => !a.paused);
    expect(a.isServing).toBe(false);
    cell.run(100);
    expect(a.isServing).toBe(false);
  });

  test('acknowledgements that waited during a pause revive no lease that has lapsed', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    c.submit('x');
    c.persist();
    const own = c.lastSent('accept');
    c.pass(held.lengthMs + 1);
    c.deliver('a', acceptedOf(own));
    expect(c.core.state).toBe('following');
    expect(c.core.isServing(c.clocks)).toBe(false);
  });
});

describe('P33: clocks that stop', () => {
  test('a suspend stops the monotonic clock; the wall clock ends the lease', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    c.wallMs += 10 * leaseMs;
    expect(c.core.isServing(c.clocks)).toBe(false);
  });

  test('a suspend that the wall clock does not show is seen by the boot-time clock', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    c.bootMs += 10 * leaseMs;
    expect(c.core.isServing(c.clocks)).toBe(false);
  });

  test.each([5, 20, 30, 44])('a suspend of %i ms, within the margin, is counted in full', (ms) => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    c.bootMs += ms;
    c.pass(held.lengthMs - ms + 0.01);
    expect(c.core.isServing(c.clocks)).toBe(false);
  });

  test('clocks that disagree by more than the margin drop the lease, and the next step ends the mastership', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    c.wallMs -= held.marginMs + 1;
    expect(c.core.isServing(c.clocks)).toBe(false);
    c.wake();
    expect(c.core.state).toBe('following');
  });

  test('a boot-time clock that was read late is no suspend', () => {
    // Read once a turn: in a turn of 100 ms the accept is stamped with a boot-time reading 100 ms old.
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    c.nowMs += 100;
    c.wallMs += 100;
    c.submit('x');
    const own = c.lastSent('accept');
    c.bootMs += 101;
    c.nowMs += 1;
    c.wallMs += 1;
    c.persist();
    c.deliver('a', acceptedOf(own));
    c.wake();
    expect(c.core.isServing(c.clocks)).toBe(true);
  });

  test('a coarse boot-time clock, in steps of 10 ms, costs no lease', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    for (let i = 0; i < 200; i++) {
      c.nowMs += 7;
      c.wallMs += 7;
      c.bootMs = Math.floor(c.nowMs / 10) * 10;
      c.wake();
      c.settle(['a']);
      expect(c.core.isServing(c.clocks)).toBe(true);
    }
  });

  test('after ten leases of suspend of the master’s machine another serves, and never both', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    a.pause(10 * leaseMs);
    a.suspendedMs += 10 * leaseMs;
    const second = cell.runUntil('another serves', () => cell.serving !== null && cell.serving !== a);
    expect(second).toBeLessThan(1500);
    cell.run(6000);
    expect(a.core.state).toBe('following');
  });
});

describe('P34: a grantor that restarts', () => {
  test('assumes that the lease it may have granted stands from its start on', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '3.a', leaseMs }));
    b.persist();
    b.restart();
    expect(b.deliver('c', preVote({ ballot: '4.c' }))).toMatchObject([{ message: { granted: false } }]);
    b.wait(leaseMs - 1);
    b.deliver('c', prepare({ ballot: '4.c' }));
    expect(b.lastSent('reject')).toMatchObject({ reason: 'lease' });
    b.wait(2);
    b.deliver('c', prepare({ ballot: '4.c' }));
    b.persist();
    expect(b.sent('promise')).toHaveLength(1);
  });

  test('takes everything from the holder meanwhile', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '3.a', leaseMs }));
    b.persist();
    b.restart();
    b.deliver('a', prepare({ ballot: '4.a' }));
    b.deliver('a', accept({ ballot: '4.a', instance: 1, value: 'x' }));
    b.persist();
    expect(b.sent('promise')).toHaveLength(1);
    expect(b.sent('accepted')).toHaveLength(1);
  });

  test('remembers the longest lease, though shorter ones were granted since', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '3.a', instance: 1, leaseMs: 2000 }));
    b.deliver('a', accept({ ballot: '3.a', instance: 2, leaseMs: 100 }));
    b.persist();
    b.restart();
    b.wait(1999);
    expect(b.deliver('c', preVote({ ballot: '4.c' }))).toMatchObject([{ message: { granted: false } }]);
  });

  test('has the longer lease durable before its grant is known to anybody', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '3.a', instance: 1, leaseMs: 100 }));
    b.persist();
    b.forget();
    b.deliver('a', accept({ ballot: '3.a', instance: 2, leaseMs: 2000 }));
    expect(b.of('persist')[0]?.request).toMatchObject({ promise: { leaseMsMax: 2000 }, entries: [{ instance: 2 }] });
    expect(b.sent('accepted')).toEqual([]);
  });

  test('one tenth of a lease after the grant cannot help to elect another', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.run(50);
    cell.cut(['a'], ['b', 'c']);
    cell.member('b').restart();
    cell.member('c').restart();
    cell.runUntil('a stops', () => !a.isServing);
    cell.runUntilServing();
    expect(cell.checker.masterChanges).toBe(2);
  });
});

describe('P35: a master that restarts', () => {
  test('holds no lease of the process before, and serves only in a new epoch', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.write('w');
    const { epoch } = a.core;
    a.restart();
    expect(a.isServing).toBe(false);
    expect(a.core.leaseRemainingMs(a.clocks())).toBe(0);
    cell.elect('a');
    expect(a.core.epoch).toBe(epoch + 1);
    expect(a.applied.size).toBe(a.core.appliedUpTo);
  });

  test('applies what it acknowledged before it serves again', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    const written = cell.write('w');
    a.restart();
    cell.elect('a');
    expect(written).toMatchObject({ kind: 'applied' });
    expect([...a.applied.values()].join()).toContain('[w]');
  });
});

describe('P36: a new master reads no earlier than its own epoch', () => {
  test('it does not serve while its mastership value is chosen and something below it is not', () => {
    const c = new LoneReplica();
    const now = c.becomeCandidate(['a']);
    c.deliver('a', promiseTo(now, ['1@1.a=acked']));
    c.persist();
    const [recovered, , opening] = c.sent('accept').map(({ message }) => message);
    expect(opening).toMatchObject({ instance: 2, value: { kind: 'mastership' } });
    c.deliver('a', acceptedOf(opening as never));
    expect(c.core.leaseRemainingMs(c.clocks)).toBe(0);
    expect(c.core.isServing(c.clocks)).toBe(false);
    c.deliver('a', acceptedOf(recovered as never));
    expect(c.appliedTexts).toEqual(['acked']);
    expect(c.core.appliedUpTo).toBe(2);
    expect(c.core.isServing(c.clocks)).toBe(true);
  });

  test('a mastership value applied after its own lease is not served on: another value must renew it first', () => {
    const c = new LoneReplica();
    const now = c.becomeCandidate(['a']);
    c.deliver('a', promiseTo(now));
    c.persist();
    c.pass(held.lengthMs + 1);
    c.deliver('a', acceptedOf(c.lastSent('accept')));
    expect(c.core.appliedUpTo).toBe(1);
    expect(c.core.isServing(c.clocks)).toBe(false);
    c.wake();
    c.settle(['a']);
    expect(c.core.isServing(c.clocks)).toBe(true);
    expect(c.core.epoch).toBe(1);
  });
});

describe('P37, P38: what renews a lease', () => {
  test('refusals renew nothing: the mastership ends after one lease', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    for (let waited = 0; waited < held.lengthMs; waited += 50) {
      c.wait(50);
      c.persist();
      for (const voter of ['a', 'b']) c.deliver(voter, rejectOf(c.lastSent('accept'), 'promised', '0'));
    }
    expect(c.core.isServing(c.clocks)).toBe(false);
  });

  test('doubled and delayed acknowledgements of an earlier mastership renew nothing in a later one', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    const old = c.lastSent('accept');
    c.wait(600);
    c.becomeMaster(['a']);
    const remaining = c.core.leaseRemainingMs(c.clocks);
    c.pass(100);
    for (let i = 0; i < 3; i++) c.deliver('b', acceptedOf(old));
    expect(c.core.leaseRemainingMs(c.clocks)).toBeCloseTo(remaining - 100, 6);
  });

  test('doubled acknowledgements of one value renew it once, from when it was sent', () => {
    const c = new LoneReplica();
    c.becomeMaster(['a']);
    const own = c.lastSent('accept');
    const remaining = c.core.leaseRemainingMs(c.clocks);
    c.pass(200);
    for (const voter of ['a', 'b', 'b']) c.deliver(voter, acceptedOf(own));
    expect(c.core.leaseRemainingMs(c.clocks)).toBeCloseTo(remaining - 200, 6);
  });
});

describe('P39: lease and membership', () => {
  const change = (cell: LogCell, names: readonly string[]): void => {
    const master = cell.runUntilServing();
    const request = master.changeConfiguration(configurationOf([...names], { alpha: 3 }));
    expect(cell.runUntilOutcome(master, request)).toMatchObject({ kind: 'applied' });
  };

  test('the next change waits until the lease was renewed in the present configuration', () => {
    const cell = fiveReplicaCell({ names: ['a', 'b', 'c'], alpha: 3 });
    for (const name of ['d', 'e']) cell.addMember(name).start();
    const a = cell.elect('a');
    cell.runUntilEqual();
    const first = a.changeConfiguration(configurationOf(['a', 'b', 'c', 'd'], { alpha: 3 }));
    cell.runUntilOutcome(a, first);
    const second = a.changeConfiguration(configurationOf(['a', 'b', 'c', 'd', 'e'], { alpha: 3 }));
    expect(a.outcome(second)).toEqual({ kind: 'settled', reason: 'configuration-refused' });
    cell.run(200);
    const third = a.changeConfiguration(configurationOf(['a', 'b', 'c', 'd', 'e'], { alpha: 3 }));
    expect(cell.runUntilOutcome(a, third)).toMatchObject({ kind: 'applied' });
  });

  test('no change follows as long as nothing was chosen in the present configuration, though it governs', () => {
    const cell = fiveReplicaCell({ names: ['a', 'b', 'c'], alpha: 3 });
    for (const name of ['d', 'e']) cell.addMember(name).start();
    const a = cell.elect('a');
    cell.runUntilEqual();
    const from = a.core.chosenUpTo + 1 + 3;
    const stop = cell.drop(({ message }) => message.kind === 'accept' && message.instance >= from);
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(['a', 'b', 'c', 'd'], { alpha: 3 })));
    cell.runUntil('it governs', () => a.core.chosenUpTo === from - 1);
    const five = configurationOf(['a', 'b', 'c', 'd', 'e'], { alpha: 3 });
    expect(a.outcome(a.changeConfiguration(five))).toEqual({ kind: 'settled', reason: 'configuration-refused' });
    stop();
    cell.run(250);
    expect(cell.runUntilOutcome(a, a.changeConfiguration(five))).toMatchObject({ kind: 'applied' });
  });

  test('members that never granted cannot elect one of them while the old lease is held', () => {
    const cell = fiveReplicaCell({ names: ['a', 'b', 'c'], alpha: 3 });
    cell.addMember('d').start();
    const a = cell.elect('a');
    cell.runUntilEqual();
    // c and d hear nothing of the master from now on: the lease rests on a and b.
    cell.drop(({ from, to }) => from === a.id && (to === id('c') || to === id('d')));
    change(cell, ['a', 'b', 'c', 'd']);
    expect(a.isServing).toBe(true);
    // In the new configuration a and b are no majority: the lease runs out, and only then somebody else may serve.
    cell.runUntil('a stops', () => !a.isServing);
    expect(cell.serving?.id).toBeUndefined();
    cell.runUntil('another serves', () => cell.serving !== null && cell.serving !== a);
  });

  test('a grantor that learns only later that it votes has granted when its vote is counted', () => {
    // d, a learner by what it knows, accepts 5; it then catches up, knows that it is a voter, and a copy comes.
    const d = new LoneReplica({ self: 'd' });
    d.deliver('a', accept({ ballot: '1.a', instance: 1, leaseMs }));
    const refused = d.deliver('b', preVote({ ballot: '2.b' }));
    expect(refused).toMatchObject([{ message: { granted: false } }]);
  });
});

describe('P40: who grants', () => {
  test('what is caught up grants nothing to masters of the past', () => {
    const d = new LoneReplica({ self: 'c' });
    d.deliver('b', { kind: 'commit', ballot: prepare({ ballot: '9.b' }).ballot, chosenUpTo: 3 as never });
    const asked = d.lastSent('catch-up');
    const entries = [1, 2, 3].map((instance) => entry(`${instance}@5.a=x${instance}`));
    d.deliver('b', {
      kind: 'catch-up-reply',
      nonce: asked.nonce,
      entries,
      chosenUpTo: 3 as never,
      firstRetained: 1 as never,
    });
    expect(d.core.appliedUpTo).toBe(3);
    expect(d.deliver('b', preVote({ ballot: '10.b', chosen: 3 }))).toMatchObject([{ message: { granted: true } }]);
  });

  test('a late copy of an accept grants no new lease', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, leaseMs }));
    b.wait(leaseMs - 1);
    b.deliver('a', accept({ ballot: '1.a', instance: 1, leaseMs }));
    b.wait(2);
    expect(b.deliver('c', preVote({ ballot: '2.c' }))).toMatchObject([{ message: { granted: true } }]);
  });

  test('an accept below the promise grants nothing', () => {
    const b = new LoneReplica({ self: 'b', promised: '7.c' });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, leaseMs }));
    expect(b.deliver('c', preVote({ ballot: '8.c' }))).toMatchObject([{ message: { granted: true } }]);
  });
});

describe('a release', () => {
  const granted = (): LoneReplica => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '4.a', instance: 1, leaseMs }));
    b.persist();
    b.forget();
    return b;
  };

  test('frees the successor that it names at once, and nobody else', () => {
    const b = granted();
    b.deliver('d', prepare({ ballot: '6.d', release: release('4.a', 'c') }));
    b.deliver('c', prepare({ ballot: '5.c', from: 1, release: release('4.a', 'b') }));
    b.persist();
    expect(b.sent('promise')).toEqual([]);
    b.deliver('c', prepare({ ballot: '5.c', from: 1, release: release('4.a', 'c') }));
    b.persist();
    expect(b.sent('promise')).toHaveLength(1);
  });

  test('of an earlier ballot, or of another owner, is not honoured', () => {
    const b = granted();
    b.deliver('c', prepare({ ballot: '5.c', release: release('3.a', 'c') }));
    b.deliver('c', prepare({ ballot: '5.c', release: release('4.b', 'c') }));
    b.persist();
    expect(b.sent('promise')).toEqual([]);
  });

  test('replayed after the old master was elected again frees nobody', () => {
    const b = granted();
    b.deliver('c', prepare({ ballot: '5.c', release: release('4.a', 'c') }));
    b.wait(600);
    b.deliver('a', accept({ ballot: '8.a', instance: 1, leaseMs }));
    b.persist();
    b.forget();
    b.deliver('c', prepare({ ballot: '9.c', release: release('4.a', 'c') }));
    b.persist();
    expect(b.sent('promise')).toEqual([]);
  });

  test('by one master frees nobody from the lease granted to another', () => {
    const c = new LoneReplica();
    c.deliver('b', accept({ ballot: '4.b', instance: 1, leaseMs }));
    c.persist();
    c.deliver('a', { kind: 'release', release: release('5.a', 'c') });
    c.persist();
    expect(c.sent('prepare')).toEqual([]);
    expect(ballotText(c.core.promised)).toBe('4.b');
  });

  test('that is said by anybody but the owner of its ballot makes nobody a candidate', () => {
    const c = new LoneReplica();
    c.deliver('b', { kind: 'release', release: release('4.a', 'c') });
    expect(c.core.state).toBe('following');
    c.deliver('a', { kind: 'release', release: release('4.a', 'c') });
    expect(c.core.state).toBe('preparing');
  });
});

describe('P43: clocks that are wrong for good', () => {
  test('a grantor’s wall clock that jumps an hour ends no grant early', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, leaseMs }));
    b.wallMs += 3_600_000;
    b.bootMs += 3_600_000;
    b.wake();
    expect(b.deliver('c', preVote({ ballot: '2.c' }))).toMatchObject([{ message: { granted: false } }]);
  });

  test('when all clocks jump by an hour the cell serves again within seconds', () => {
    const cell = threeReplicaCell();
    cell.elect('a');
    cell.runUntilEqual();
    for (const member of cell.members) member.wallOffsetMs += 3_600_000;
    cell.run(1);
    expect(cell.runUntil('somebody serves', () => cell.serving !== null, 5000)).toBeLessThan(2000);
    for (const member of cell.members) member.wallOffsetMs -= 7_200_000;
    cell.run(1);
    expect(cell.runUntil('somebody serves', () => cell.serving !== null, 5000)).toBeLessThan(2000);
    expect(cell.write('x')).toMatchObject({ kind: 'applied' });
  });

  test('a wall clock that is set back by a year costs a follower nothing', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.member('b').wallOffsetMs -= 365 * 86_400_000;
    cell.run(3000);
    expect(cell.serving?.id).toBe(a.id);
    expect(cell.checker.masterChanges).toBe(1);
  });

  test('cell time counts from the formation on, whatever the wall clock of a new master says', () => {
    const c = new LoneReplica();
    c.wallMs += 365 * 24 * 3_600_000;
    c.becomeMaster(['a']);
    c.pass(40);
    c.submit('x');
    const { value } = c.lastSent('accept');
    expect(value).toMatchObject({ kind: 'submitted', cellTimeMs: 40 });
    expect(c.core.cellTimeMs({ ...c.clocks, wallMs: 0 })).toBe(40);
  });

  test('cell time never goes back, whoever stamps it', () => {
    const cell = threeReplicaCell();
    const stamps: number[] = [];
    cell.watch = (member, _input, effects) => {
      for (const effect of effects) {
        if (effect.kind === 'apply' && effect.value.kind === 'submitted' && member.id === id('c')) {
          stamps.push(effect.value.cellTimeMs);
        }
      }
    };
    cell.elect('a');
    cell.write('x');
    cell.run(700);
    cell.write('y');
    cell.member('a').wallOffsetMs -= 3_600_000;
    cell.run(100);
    cell.member('a').crash();
    cell.write('z');
    cell.runUntilEqual();
    expect(stamps).toEqual([...stamps].sort((one, two) => one - two));
    expect((stamps[1] ?? 0) - (stamps[0] ?? 0)).toBeGreaterThanOrEqual(700);
  });
});
