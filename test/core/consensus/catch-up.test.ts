/** Learning what was missed: pitfall P29, and what must be durable before it counts. */
import { describe, expect, test } from 'vitest';
import { valueBytes } from '../../../src/core/consensus/chosen-log.ts';
import type { Value } from '../../../src/core/consensus/value.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { accept, commit, entry, value } from '../../support/messages.ts';

describe('P29: catching up', () => {
  test('a replica gives what it knows as chosen, and nothing that it has only accepted', () => {
    // c knows 1 as chosen; 2 and 3 were accepted from a, whose values may have lost since. b is told by another that 3 are chosen.
    const c = new LoneReplica();
    for (const instance of [1, 2, 3]) c.deliver('a', accept({ ballot: '1.a', instance, value: `x${instance}` }));
    c.deliver('a', commit({ ballot: '1.a', chosen: 1 }));
    c.persist();
    c.deliver('b', { kind: 'catch-up', nonce: 3, from: 1 as never, to: 3 as never });
    expect(c.lastSent('catch-up-reply')).toMatchObject({ entries: [entry('1@1.a=x1')], chosenUpTo: 1 });
  });

  test('what was learned is durable with the write that calls it chosen, and comes back after a restart', () => {
    const c = new LoneReplica();
    c.deliver('b', commit({ ballot: '9.b', chosen: 2 }));
    const { nonce } = c.lastSent('catch-up');
    c.deliver('b', {
      kind: 'catch-up-reply',
      nonce,
      entries: [entry('1@5.a=x'), entry('2@9.b=y')],
      chosenUpTo: 2 as never,
      firstRetained: 1 as never,
    });
    expect(c.of('persist').at(-1)?.request).toMatchObject({
      entries: [entry('1@5.a=x'), entry('2@9.b=y')],
      chosenUpTo: 2,
    });
    c.persist();
    c.restart();
    expect(c.of('apply')).toMatchObject([{ value: value('x') }, { value: value('y') }]);
  });

  test('whoever has answered gives the snapshot when no known member may be left', () => {
    // While c was away, or new, everybody whom it knows was replaced; d has cut its log. c asked a and b for ever.
    const c = new LoneReplica();
    c.deliver('d', commit({ ballot: '9.d', chosen: 50 }));
    const { nonce } = c.lastSent('catch-up');
    const [chosenUpTo, firstRetained] = [50 as never, 40 as never];
    c.deliver('d', { kind: 'catch-up-reply', nonce, entries: [], chosenUpTo, firstRetained });
    expect(c.of('fetch-snapshot')).toMatchObject([{ provider: 'd#1', above: 0 }]);
  });

  test.each([1, 3])(
    'whoever is let in after %d new generations, with nothing, learns how far the cell is',
    (generations) => {
      // Numbers of a generation begin at a multiple of 2^40: all that is said to a new member, or to one whose disk was lost, is far ahead.
      const begun = generations * 2 ** 40;
      const fetched = (c: LoneReplica): unknown[] => c.of('fetch-snapshot').map(({ above }) => above);
      const [chosenUpTo, firstRetained] = [(begun + 200) as never, (begun + 1) as never];
      const inquiring = new LoneReplica({ self: 'd', from: begun + 1 });
      inquiring.wait(5_000);
      const { nonce } = inquiring.lastSent('catch-up');
      inquiring.deliver('a', { kind: 'catch-up-reply', nonce, entries: [], chosenUpTo, firstRetained });
      expect(fetched(inquiring)).toEqual([0]);
      const told = new LoneReplica({ self: 'd', from: begun + 1 });
      told.deliver('a', commit({ ballot: '9.a', chosen: begun + 200 }));
      expect(told.core.behind).toBe(begun + 200);
      told.deliver('a', commit({ ballot: '9.a', chosen: begun + 2 ** 40 }));
      expect(told.core.behind).toBe(begun + 200);
    },
  );

  test('a snapshot is not asked of the master, unless whoever was asked first could not help', () => {
    // The master has the writes of all to serve; the third member has the same file.
    const c = new LoneReplica();
    c.deliver('a', accept({ ballot: '1.a', instance: 60, value: 'x', chosen: 50 }));
    const reply = (): void => {
      const { nonce } = c.lastSent('catch-up');
      const [chosenUpTo, firstRetained] = [50 as never, 40 as never];
      for (const from of ['a', 'b']) {
        c.deliver(from, { kind: 'catch-up-reply', nonce, entries: [], chosenUpTo, firstRetained });
      }
    };
    reply();
    const providers = (): string[] => c.of('fetch-snapshot').map(({ provider }) => provider);
    expect(providers()).toEqual(['b#1']);
    const asked = new Set<string>();
    for (let round = 0; round < 30 && !asked.has('a#1'); round++) {
      c.step({ kind: 'snapshot-failed', at: c.clocks });
      c.wait(300);
      reply();
      for (const provider of providers()) asked.add(provider);
    }
    expect(asked).toContain('a#1');
  });

  test('every second time a snapshot is asked of whoever has just answered: the others may be gone', () => {
    const c = new LoneReplica();
    c.deliver('a', accept({ ballot: '1.a', instance: 60, value: 'x', chosen: 50 }));
    const providers: string[] = [];
    for (let round = 0; round < 200 && providers.length < 20; round++) {
      const { nonce } = c.lastSent('catch-up');
      const [chosenUpTo, firstRetained] = [50 as never, 40 as never];
      const before = c.effects.length;
      c.deliver('a', { kind: 'catch-up-reply', nonce, entries: [], chosenUpTo, firstRetained });
      for (const effect of c.effects.slice(before)) {
        if (effect.kind !== 'fetch-snapshot') continue;
        providers.push(effect.provider);
        c.step({ kind: 'snapshot-failed', at: c.clocks });
      }
      c.wait(300);
    }
    expect(providers[0]).toBe('b#1');
    expect(providers.filter((_, failed) => failed % 2 === 1)).toEqual(Array.from({ length: 10 }, () => 'a#1'));
    // Whose snapshot is bad must not be the only one that is asked.
    expect(providers.slice(1)).toContain('b#1');
  });

  test('behind a snapshot no more is kept for others than has so many bytes, the newest of it', () => {
    const entries = Array.from({ length: 9 }, (_, i) => entry(`${i + 1}@1.a=${'x'.repeat(40)}`));
    const bytes = 3 * valueBytes(entries[0]?.value as Value);
    for (const [limit, kept] of [
      [bytes, 7],
      [bytes - 1, 8],
      [0, 10],
      [1e9, 1],
    ] as const) {
      const c = new LoneReplica({
        entries,
        chosenUpTo: 9,
        promised: '1.a',
        limits: { retainBehindSnapshotBytes: limit },
      });
      c.wake();
      c.step({ kind: 'snapshot-taken', at: c.clocks, instance: 9 as never });
      expect(c.core.firstRetained).toBe(kept);
    }
  });
});
