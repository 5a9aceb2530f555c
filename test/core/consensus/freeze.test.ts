/** A frozen replica takes no part in anything: design §4 "Frozen". */
import { describe, expect, test } from 'vitest';
import { Replica } from '../../../src/core/consensus/replica.ts';
import { Random } from '../../../src/core/random.ts';
import { threeReplicaCell } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { accept, prepare, preVote } from '../../support/messages.ts';

const freeze = (lone: LoneReplica): void => void lone.step({ kind: 'freeze', at: lone.clocks });

describe('a frozen replica', () => {
  test('promises nothing, accepts nothing and answers no pre-vote, however it is asked', () => {
    const lone = new LoneReplica();
    freeze(lone);
    expect(lone.core.participation).toBe('frozen');
    lone.effects = [];
    lone.deliver('a', preVote({ ballot: '1.a' }));
    lone.deliver('a', prepare({ ballot: '1.a' }));
    lone.deliver('a', accept({ ballot: '2.a', instance: 1 }));
    expect(lone.effects).toEqual([]);
    expect(lone.core.promised.round).toBe(0);
  });

  test('never campaigns, however long it hears of nobody', () => {
    const lone = new LoneReplica();
    freeze(lone);
    lone.effects = [];
    for (let i = 0; i < 100; i++) {
      lone.pass(1_000);
      lone.wake();
    }
    expect(lone.effects).toEqual([]);
  });

  test('that was master holds no lease from that moment on, and the others go on without it', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    a.feed({ kind: 'freeze' });
    expect(a.isServing).toBe(false);
    expect(a.core.leaseRemainingMs(a.clocks())).toBe(0);
    const { appliedUpTo } = a.core;
    cell.runUntilServing();
    expect(cell.serving?.id).not.toBe(a.id);
    cell.run(5_000);
    // What the others choose meanwhile is no business of a frozen one: not even learned.
    expect(a.core.appliedUpTo).toBe(appliedUpTo);
  });

  test('refuses what is submitted to it as without effect', () => {
    const lone = new LoneReplica();
    freeze(lone);
    const effects = lone.step({
      kind: 'submit',
      at: lone.clocks,
      submissions: [{ request: 1 as never, item: new Uint8Array(1) }],
    });
    expect(effects).toEqual([{ kind: 'settle', requests: [1], reason: 'not-master' }]);
  });

  test('starts frozen when it was so before', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    const handle = a.core.handle();
    const promise = { ballot: a.core.promised, leaseMsMax: 500 };
    const recovered = { promise, entries: [], chosenUpTo: handle.instance, handle };
    const again = new Replica({ self: a.id, at: a.clocks(), random: new Random(1), recovered, frozen: true });
    expect(again.participation).toBe('frozen');
    expect(again.step({ kind: 'woken', at: a.clocks() }).filter(({ kind }) => kind !== 'transition')).toEqual([]);
  });
});
