/** How the others learn what is chosen: with the next accept while requests come, alone where none is to be expected. */
import { describe, expect, test } from 'vitest';
import { configurationOf } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { id } from '../../support/messages.ts';

const master = (): LoneReplica => {
  const c = new LoneReplica({ limits: { commitDelayMs: 10 } });
  c.becomeMaster(['a']);
  c.wait(20);
  c.forget();
  return c;
};

/** Proposed and chosen. */
const write = (c: LoneReplica, text: string): void => {
  c.submit(text);
  c.settle(['a']);
};

/** What others were told as chosen, alone and with an accept. */
const told = (c: LoneReplica) => ({
  alone: c.sent('commit').map(({ message }) => message.chosenUpTo),
  withAccepts: c.sent('accept').map(({ message }) => message.chosenUpTo),
});

describe('what is chosen', () => {
  test('is told with the next accept while requests follow one another', () => {
    const c = master();
    const before = c.core.chosenUpTo;
    for (const text of ['x', 'y', 'z']) {
      c.pass(2);
      write(c, text);
    }
    expect(c.core.chosenUpTo).toBe(before + 3);
    expect(told(c)).toEqual({
      alone: [],
      withAccepts: [before, before, before + 1, before + 1, before + 2, before + 2],
    });
  });

  test('is told alone, once, when no request has come for the delay, and it wakes for that', () => {
    const c = master();
    write(c, 'x');
    c.wait(9);
    expect(told(c).alone).toEqual([]);
    expect(c.of('wake').map(({ at }) => at)).toContain(c.nowMs + 1);
    c.wait(1);
    c.wait(1);
    expect(told(c).alone).toEqual([c.core.chosenUpTo, c.core.chosenUpTo]);
  });

  test('is told at once where only a lease was renewed', () => {
    const c = master();
    const before = c.core.chosenUpTo;
    c.waitUntil(() => c.sent('accept').length > 0);
    c.settle(['a']);
    expect(c.core.chosenUpTo).toBe(before + 1);
    expect(told(c).alone).toEqual([before + 1, before + 1]);
  });

  test('is told at once where it changes who votes', () => {
    const c = master();
    write(c, 'w');
    c.forget();
    c.step({
      kind: 'change-configuration',
      at: c.clocks,
      request: 100 as never,
      configuration: configurationOf(['a', 'c']),
    });
    const changedAt = c.sent('accept')[0]?.message.instance;
    c.settle(['a']);
    expect(c.core.configuration.members).toHaveLength(2);
    expect(c.sent('commit')).toContainEqual({
      to: id('b'),
      message: expect.objectContaining({ chosenUpTo: changedAt }),
    });
  });
});
