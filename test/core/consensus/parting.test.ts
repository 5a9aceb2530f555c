/** How long a removed member stays: until nobody's restart can want its vote back. */
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../../src/core/consensus/identity.ts';
import type { Message } from '../../../src/core/consensus/message.ts';
import { configurationOf, LogCell, memberNamed, threeReplicaCell } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { ballot, id } from '../../support/messages.ts';

const alpha = 3;
const leaseMs = 1_000;
const six = ['a', 'b', 'c', 'd', 'e', 'f'];

/** What tells the last instance that the removed one's vote counted for: after the change at 1, with alpha 1, that is 1. */
const says = (chosen: number, nonce = 0): Message => ({
  kind: 'catch-up-reply',
  nonce,
  entries: [],
  chosenUpTo: chosen as Instance,
  firstRetained: 1 as Instance,
});

const hasParted = (c: LoneReplica): boolean => c.effects.some(({ kind }) => kind === 'parted');

/** f, which has the change at instance 1 on its disk by which only a to e are left. */
function removed(role: 'voter' | 'learner' = 'voter'): LoneReplica {
  const names = [...six.slice(0, 5), memberNamed('f', role)];
  const configuration = configurationOf(six.slice(0, 5), { alpha: 1, leaseMs });
  const change = {
    instance: 1 as Instance,
    ballot: ballot('1.a'),
    value: { kind: 'configuration', configuration },
  } as const;
  const f = new LoneReplica({ self: 'f', names, alpha: 1, leaseMs, entries: [change], chosenUpTo: 1 });
  f.wake();
  expect(f.core.participation).toBe('removed');
  return f;
}

describe('a removed member stays until a majority of the others has it on their disks that it is out', () => {
  test('it asks those who vote now, again where none has answered, and each counts once', () => {
    const f = removed();
    expect(f.sent('catch-up')).toEqual([]);
    f.wait(leaseMs / 2);
    expect(f.sent('catch-up').map(({ to }) => to)).toEqual(six.slice(0, 5).map(id));
    expect(f.lastSent('catch-up').nonce).toBe(0);
    f.deliver('a', says(1));
    f.deliver('a', says(1));
    f.deliver('b', says(0));
    f.deliver('c', says(2));
    f.forget();
    f.wait(leaseMs / 2);
    expect(f.sent('catch-up').map(({ to }) => to)).toEqual(['b', 'd', 'e'].map(id));
    expect(hasParted(f)).toBe(false);
    f.deliver('b', says(1));
    expect(hasParted(f)).toBe(true);
    f.forget();
    f.wait(10 * leaseMs);
    expect(f.sent('catch-up')).toEqual([]);
  });

  test('an answer to a question of another kind says nothing of a disk', () => {
    const f = removed();
    for (const name of ['a', 'b', 'c', 'd']) f.deliver(name, says(2, 7));
    expect(hasParted(f)).toBe(false);
  });

  test('who does not let it in any more is past the change and knows it', () => {
    const f = removed();
    for (const name of ['a', 'b']) {
      f.step({ kind: 'turned-away', at: f.clocks, member: id(name) });
      f.step({ kind: 'turned-away', at: f.clocks, member: id(name) });
    }
    expect(hasParted(f)).toBe(false);
    f.step({ kind: 'turned-away', at: f.clocks, member: id('c') });
    expect(hasParted(f)).toBe(true);
  });

  test('who never had a vote is missed by nobody', () => {
    const f = removed('learner');
    expect(hasParted(f)).toBe(true);
    f.forget();
    f.wait(10 * leaseMs);
    expect(f.sent('catch-up')).toEqual([]);
  });

  test('one that has just started judges nobody by what it has not applied yet', () => {
    const configuration = configurationOf([...six.slice(0, 5), memberNamed('f', 'voter', 1)], { alpha: 1, leaseMs });
    const change = {
      instance: 1 as Instance,
      ballot: ballot('1.a'),
      value: { kind: 'configuration', configuration },
    } as const;
    const a = new LoneReplica({
      self: 'a',
      names: six.slice(0, 5),
      alpha: 1,
      leaseMs,
      entries: [change],
      chosenUpTo: 1,
    });
    expect([a.core.appliedUpTo, a.core.durablyAppliedUpTo]).toEqual([0, 0]);
    a.wake();
    expect([a.core.appliedUpTo, a.core.durablyAppliedUpTo]).toEqual([1, 1]);
  });

  test('what another has in memory only does not count', () => {
    const cell = threeReplicaCell({ alpha });
    const a = cell.elect('a');
    cell.runUntilEqual();
    const [b, c] = [cell.member('b'), cell.member('c')];
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(['a', 'b'], { alpha })));
    // All that a needs of b is durable, and b has heard that it is chosen.
    cell.runUntil('b accepted all that c votes for', () => a.core.configurations.length === 1);
    b.holdDisk();
    cell.runUntil('c and b know', () => b.core.configurations.length === 1 && c.core.participation === 'removed');
    cell.run(3_000);
    expect(c.parted).toBe(false);
    b.releaseDisk();
    cell.runUntil('c parts', () => c.parted);
  });

  test('all others crash before they know it, two for good: the rest are elected and serve, with its help', () => {
    const cell = new LogCell({ names: six, alpha });
    const a = cell.elect('a');
    cell.runUntilEqual();
    // That the last instance with the vote of f is chosen is told to f alone: the others hold its value, and do not know.
    const last = a.core.chosenUpTo + alpha;
    const held = cell.hold(
      ({ to, message }) => to !== id('f') && 'chosenUpTo' in message && message.chosenUpTo >= last,
    );
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(six.slice(0, 5), { alpha })));
    const f = cell.member('f');
    cell.runUntil('f knows', () => f.core.participation === 'removed');
    for (const name of ['a', 'b', 'c', 'd', 'e']) cell.member(name).crash();
    held.discard();
    for (const name of ['a', 'b', 'c']) cell.member(name).start();
    expect(f.parted).toBe(false);
    cell.runUntilServing();
    expect(cell.write('x')).toMatchObject({ kind: 'applied' });
    cell.runUntil('f parts', () => f.parted);
  });
});
