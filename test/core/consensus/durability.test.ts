/** Disks that are slow, hang or fail, as far as the core is concerned: pitfalls P13, P24, P28. */
import { describe, expect, test } from 'vitest';
import { ballotText } from '../../support/core-text.ts';
import { fiveReplicaCell, threeReplicaCell } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { accept } from '../../support/messages.ts';

describe('P13: one flush vouches for what it covers only', () => {
  test('of two values written one after the other, the flush of the first acknowledges the first', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'x' }));
    b.deliver('a', accept({ ballot: '1.a', instance: 2, value: 'y' }));
    b.persist(1);
    expect(b.sent('accepted').map(({ message }) => message.instance)).toEqual([1]);
    b.persist(1);
    expect(b.sent('accepted').map(({ message }) => message.instance)).toEqual([1, 2]);
  });

  test('a copy of an accept whose first answer still waits is not answered earlier', () => {
    const b = new LoneReplica({ self: 'b' });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'x' }));
    b.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'x' }));
    expect(b.sent('accepted')).toEqual([]);
    b.persist();
    expect(b.sent('accepted')).toHaveLength(2);
  });
});

describe('P24: a write that never becomes durable', () => {
  test('is acknowledged by nobody, and the others go on without that replica', () => {
    const cell = threeReplicaCell();
    cell.elect('a');
    cell.runUntilEqual();
    const b = cell.member('b');
    b.holdDisk();
    let said = 0;
    cell.drop(({ from, message }) => {
      if (from === b.id && (message.kind === 'accepted' || message.kind === 'promise')) said++;
      return false;
    });
    for (let i = 0; i < 10; i++) expect(cell.write(`x${i}`)).toMatchObject({ kind: 'applied' });
    cell.run(1000);
    expect(said).toBe(0);
    b.crash();
    b.start();
    cell.runUntilEqual();
    expect(cell.checker.masterChanges).toBe(1);
  });

  test('on both followers: nothing is acknowledged to anybody and the master stops serving within its lease', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    for (const name of ['b', 'c']) cell.member(name).holdDisk();
    const [request] = a.submit('x');
    expect(cell.runUntil('a stops serving', () => !a.isServing, 1000)).toBeLessThanOrEqual(500);
    expect(a.outcome(request as never)).toBeUndefined();
    for (const name of ['b', 'c']) cell.member(name).releaseDisk();
    cell.runUntil('x is settled one way or the other', () => a.outcome(request as never) !== undefined);
    expect(cell.write('y')).toMatchObject({ kind: 'applied' });
  });
});

describe('P28: the master’s disk hangs', () => {
  test('it stops serving within one lease though the others acknowledge everything, and they elect another', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    a.holdDisk();
    const stoppedMs = cell.runUntil('a stops serving', () => !a.isServing, 1000);
    expect(stoppedMs).toBeLessThanOrEqual(500);
    const second = cell.runUntilServing();
    expect(second.id).not.toBe(a.id);
    expect(cell.nowMs).toBeLessThan(2500);
    expect(cell.write('y')).toMatchObject({ kind: 'applied' });
    // It asks again and again, and no prepare of it leaves: its promise is not durable.
    cell.sent.clear();
    cell.run(5000);
    expect(cell.serving?.id).toBe(second.id);
    expect(cell.checker.masterChanges).toBe(2);
  });

  test('what the majority made durable meanwhile is acknowledged honestly', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    a.holdDisk();
    const [request] = a.submit('x');
    expect(cell.runUntilOutcome(a, request as never)).toMatchObject({ kind: 'applied' });
    a.crash();
    cell.runUntilServing();
    expect(cell.checker.appliedItems.has('x')).toBe(true);
  });

  test('when the disk wakes after ten leases, nothing of the old mastership acts', () => {
    const cell = fiveReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    const led = ballotText(a.core.ballot);
    a.holdDisk();
    const [late] = a.submit('late');
    cell.run(300);
    cell.runUntil('another serves', () => cell.serving !== null && cell.serving !== a);
    const { epoch } = (cell.serving as typeof a).core;
    cell.run(4500);
    let acted = 0;
    cell.drop(({ from, message }) => {
      if (from === a.id && message.kind === 'accept' && ballotText(message.ballot) === led) acted++;
      return false;
    });
    a.releaseDisk();
    cell.run(1000);
    expect(acted).toBe(0);
    expect(cell.serving?.core.epoch).toBe(epoch);
    expect(a.outcome(late as never)).toBeDefined();
  });

  test('a hang shorter than the lease costs no mastership', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    for (let i = 0; i < 20; i++) {
      a.holdDisk();
      cell.run(200);
      a.releaseDisk();
      cell.run(200);
    }
    expect(cell.serving?.id).toBe(a.id);
    expect(cell.checker.masterChanges).toBe(1);
  });
});
