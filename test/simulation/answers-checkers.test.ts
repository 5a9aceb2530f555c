import { describe, expect, test } from 'vitest';
import type { CommandResult } from '../../src/core/database/command.ts';
import { ExactlyOnceChecker } from '../../src/simulator/checkers/exactly-once.ts';
import { HonestAnswersChecker } from '../../src/simulator/checkers/honest-answers.ts';
import { ReplayChecker } from '../../src/simulator/checkers/replay.ts';
import { changePosition, commandOf, History, type Move } from '../../src/simulator/history.ts';

// What clients were told against what the log says: each is a broken run that must be found, beside a sound one.

const done = (instance: number, more: object = {}): CommandResult =>
  ({
    ...{ kind: 'multiop', succeeded: true, guard: [true], results: [{ op: 'put', revision: 1, created: true }] },
    ...{ revision: 1, instance, epoch: 1, ...more },
  }) as unknown as CommandResult;
const skipped = { kind: 'skipped', epoch: 2 } as unknown as CommandResult;
const put: Extract<Move, { kind: 'change' }> = {
  ...{ kind: 'change', when: [], otherwise: [] },
  steps: [{ op: 'put', key: 'a', value: 'x' }],
};

describe('exactly once', () => {
  test('rejects a second effect, and a copy that is answered in another way (P12)', () => {
    const checker = new ExactlyOnceChecker();
    expect(checker.delivered(1, 5, done(5))).toBe(true);
    expect(checker.delivered(1, 9, done(5))).toBe(false);
    expect(() => checker.delivered(1, 9, done(9))).toThrow('took effect at 5 and again at 9');
    expect(() => checker.delivered(2, 7, done(6))).toThrow('the answer of another operation');
  });

  test('lets a copy of a former epoch be skipped, and counts the next one', () => {
    const checker = new ExactlyOnceChecker();
    expect(checker.delivered(1, 4, skipped)).toBe(false);
    expect(checker.delivered(1, 5, done(5))).toBe(true);
  });
});

describe('honest answers', () => {
  test('rejects "none" for what takes effect, before or afterwards (P41)', () => {
    const first = new HonestAnswersChecker();
    first.toldNone(1);
    expect(() => first.tookEffect(1, 5)).toThrow('its client was told "none"');
    const second = new HonestAnswersChecker();
    second.tookEffect(1, 5);
    expect(() => second.toldNone(1)).toThrow('its client was told "none"');
  });

  test('rejects "ok" before it is applied, and with another answer than the log gives', () => {
    const checker = new HonestAnswersChecker();
    checker.toldOk(1, done(5), done(5));
    expect(() => checker.toldOk(1, done(5), null)).toThrow('before it was applied');
    expect(() => checker.toldOk(1, done(5), done(5, { succeeded: false }))).toThrow('what the log does not say');
  });
});

describe('the replay', () => {
  const sent = (history: History): { readonly id: number; readonly item: Uint8Array } => {
    const id = history.nextId();
    const command = commandOf(id, put, { session: null, revisionOf: () => null, ifEpoch: null });
    history.invoke({ id, client: 'c1', object: 'a', move: put, command, invokedMs: 0 });
    return { id, item: Buffer.from(`~tag:${id}~`) };
  };
  const delivery = (instance: number, item: Uint8Array, result: CommandResult, current = true) => ({
    ...{ instance, epoch: 1, current, cellTimeMs: null },
    ...{ items: [item], results: [result] },
  });

  test('rejects a value that nobody sent (I2), and an answer that a plain database would not give', () => {
    const history = new History();
    const { item } = sent(history);
    expect(() => new ReplayChecker(history).applied(delivery(1, Buffer.from('~tag:99~'), done(1)))).toThrow(
      'nobody sent',
    );
    expect(() => new ReplayChecker(history).applied(delivery(1, item, done(1, { succeeded: false })))).toThrow(
      'answered wrongly',
    );
    expect(() => new ReplayChecker(history).applied(delivery(1, item, done(1), false))).toThrow('of a former epoch');
    new ReplayChecker(history).applied(delivery(1, item, done(1)));
  });

  test('rejects a read of what was not there, and an old one as if it were current (P32)', () => {
    const history = new History();
    const { item } = sent(history);
    const checker = new ReplayChecker(history);
    checker.applied(delivery(1, item, done(1)));
    const read = { key: 'a', value: 'x', instance: 1, floor: null, by: 'n1' };
    checker.readAnswered(read);
    expect(() => checker.readAnswered({ ...read, value: null })).toThrow('as what it was not');
    const stale = { ...read, value: null, instance: 0, floor: changePosition(1, 0) };
    expect(() => checker.readAnswered(stale)).toThrow('served a stale read');
  });
});
