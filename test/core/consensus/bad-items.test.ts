/**
 * Bad records, item by item: the tables of PAR (FAST '18, §5.1.1: 3 replicas × 4 entries, 5 × 3), what comes of records whose
 * identity is gone too, and pitfalls P16, P17, P18, P29.
 */
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../../../src/formats/message.ts';
import { valueText } from '../../support/core-text.ts';
import {
  cellWithEntries,
  damagePattern,
  type Fate,
  fatesOf,
  inflict,
  isRecoverable,
  lostIn,
  verdict,
} from '../../support/damaged-cell.ts';
import { fiveReplicaCell, threeReplicaCell } from '../../support/log-cell.ts';

const three = ['a', 'b', 'c'];

/** Each pattern ends as it must. Returns how many were recovered and how many halted, naming the first item that is lost. */
function table(names: readonly string[], entries: number, chosenUpTo: (member: number) => number): [number, number] {
  let recovered = 0;
  let halted = 0;
  for (let pattern = 0; pattern < 2 ** (names.length * entries); pattern++) {
    const cell = cellWithEntries({ names, entries, chosenUpTo });
    damagePattern(cell, pattern, entries);
    for (const member of cell.members) member.start();
    const lost = lostIn(pattern, names.length, entries);
    const expected = lost === null ? { kind: 'recovered' } : { kind: 'halted', item: lost };
    expect(verdict(cell, entries), `pattern ${pattern}`).toEqual(expected);
    if (lost === null) recovered++;
    else halted++;
  }
  return [recovered, halted];
}

describe('PAR’s tables', () => {
  test('3 replicas × 4 entries that nobody knows as chosen: 2401 recovered, 1695 halted with the item named', () => {
    expect(table(three, 4, () => 0)).toEqual([2401, 1695]);
  });

  test('3 replicas × 3 entries known as chosen as far as each replica was told', () => {
    expect(table(three, 3, (member) => 3 - member)).toEqual([343, 169]);
  });

  test('3 replicas × 2 entries, each good, bad, or bad with its identity gone: what has a majority of reports is recovered', () => {
    const counts = { recovered: 0, halted: 0 };
    for (let pattern = 0; pattern < 3 ** 6; pattern++) {
      const cell = cellWithEntries({ names: three, entries: 2 });
      const fates = fatesOf(pattern, 3, 2);
      inflict(cell, fates);
      for (const member of cell.members) member.start();
      const lost = [1, 2].find((instance) => !isRecoverable(fates.map((list) => list[instance - 1] as Fate)));
      const expected = lost === undefined ? { kind: 'recovered' } : { kind: 'halted', item: lost };
      expect(verdict(cell, 2), JSON.stringify(fates)).toEqual(expected);
      counts[lost === undefined ? 'recovered' : 'halted']++;
    }
    expect(counts.recovered).toBeGreaterThan(counts.halted / 10);
  });
});

describe('with an even number of voters', () => {
  test.each([
    [2, 2],
    [4, 1],
  ])('%i replicas × %i entries: recovered where those who have not reported are no majority', (replicas, entries) => {
    const names = ['a', 'b', 'c', 'd'].slice(0, replicas);
    for (let pattern = 0; pattern < 3 ** (replicas * entries); pattern++) {
      const cell = cellWithEntries({ names, entries });
      const fates = fatesOf(pattern, replicas, entries);
      inflict(cell, fates);
      for (const member of cell.members) member.start();
      const lost = Array.from({ length: entries }, (_, i) => i + 1).find(
        (instance) => !isRecoverable(fates.map((list) => list[instance - 1] as Fate)),
      );
      const expected = lost === undefined ? { kind: 'recovered' } : { kind: 'halted', item: lost };
      expect(verdict(cell, entries), JSON.stringify(fates)).toEqual(expected);
    }
  });

  test('what one of two has lost, and the other never had, was never chosen: the cell goes on', () => {
    const cell = cellWithEntries({ names: ['a', 'b'], entries: 1, without: ['b'] });
    cell.member('a').damage(1, 'identity lost');
    for (const member of cell.members) member.start();
    expect(cell.write('y')).toMatchObject({ kind: 'applied' });
    expect(cell.members.every(({ lost }) => lost === null)).toBe(true);
  });
});

describe('P16, P17: a bad record is no evidence that nothing was accepted', () => {
  test('what three of five had, one of which lost its record, is not replaced by those that never had it', () => {
    const cell = fiveReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.cut(['a', 'b', 'c'], ['d', 'e']);
    a.submit('x');
    cell.runUntil('x is applied', () => cell.checker.appliedItems.has('x'));
    const at = cell.member('a').appliedUpTo;
    expect(cell.member('a').applied.get(at)).toContain('[x]');
    for (const name of ['a', 'b', 'c']) cell.member(name).crash();
    cell.heal();
    cell.member('a').damage(at, 'identity lost');
    cell.member('a').start();
    // A, D and E are a majority, and two of them never heard of x.
    cell.run(5000);
    expect(cell.serving).toBeNull();
    expect(cell.members.filter(({ alive }) => alive).every(({ lost }) => lost === null)).toBe(true);
    cell.member('b').start();
    expect(cell.write('y')).toMatchObject({ kind: 'applied' });
    cell.runUntilEqual();
    expect(valueText(cell.member('e').entries.get(at)?.value as never)).toContain('[x]');
  });

  test('the last record, whose identity is there: discarded only on a majority of those that never had it', () => {
    const cell = fiveReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    // Accepted by the master alone, so never chosen.
    const lost = cell.drop(({ message }) => message.kind === 'accept');
    a.submit('x');
    cell.run(5);
    const at = Math.max(...cell.member('a').entries.keys());
    for (const member of cell.members) member.crash();
    lost();
    a.damage(at, 'identity known');
    for (const name of ['a', 'b', 'c']) cell.member(name).start();
    cell.run(3000);
    expect(cell.serving).toBeNull();
    cell.member('d').start();
    expect(cell.write('y')).toMatchObject({ kind: 'applied' });
    expect(cell.checker.appliedItems.has('x')).toBe(false);
  });
});

describe('P18: the helix', () => {
  test.each(['identity known', 'identity lost'] as const)(
    'record i bad on replica i, %s: served within one lease and an election, nobody without a vote',
    (known) => {
      const cell = threeReplicaCell();
      cell.elect('a');
      for (let i = 0; i < 9; i++) cell.write(`x${i}`);
      cell.runUntilEqual();
      cell.run(200);
      for (const member of cell.members) member.crash();
      for (const [i, member] of cell.members.entries()) {
        for (let at = 1 + i; at <= 9; at += 3) member.damage(at, known);
      }
      for (const member of cell.members) member.start();
      const tookMs = cell.runUntil('a master serves', () => cell.serving !== null, 2000);
      expect(tookMs).toBeLessThan(1600);
      cell.runUntilEqual();
      for (const member of cell.members) {
        expect(member.core.participation).toBe('voting');
        expect(member.core.bad).toEqual([]);
        expect(member.bad.size).toBe(0);
      }
    },
  );

  test('one bad record of a follower costs the master nothing and moves that record alone', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    for (let i = 0; i < 50; i++) cell.write(`x${i}`);
    cell.runUntilEqual();
    const c = cell.member('c');
    c.crash();
    c.damage(20, 'identity known');
    const moved: number[] = [];
    let bytes = 0;
    cell.drop(({ from, to, message }) => {
      const repair =
        message.kind === 'catch-up' || (message.kind === 'catch-up-reply' && message.entries[0]?.instance === 20);
      if (![from, to].includes(c.id)) return false;
      if (repair) bytes += encodeMessage(message).length;
      if (message.kind === 'catch-up-reply') moved.push(...message.entries.map(({ instance }) => instance));
      return false;
    });
    c.start();
    expect(c.core.appliedUpTo).toBeLessThan(20);
    cell.runUntil('c is repaired', () => c.core.bad.length === 0 && c.core.appliedUpTo > 40, 100);
    expect(moved.filter((instance) => instance <= 50 && instance !== 20)).toEqual([]);
    // 64 KiB are allowed; what is asked and answered takes some hundred bytes besides the value.
    expect(bytes).toBeLessThan(1024);
    expect(c.core.participation).toBe('voting');
    cell.run(1000);
    expect(c.bad.size).toBe(0);
    expect(cell.serving?.id).toBe(a.id);
    expect(cell.checker.masterChanges).toBe(1);
  });
});

describe('P29: what repairs a bad record', () => {
  test('a peer’s value of another ballot does not stand in for it, though it is the only one left', () => {
    // B has an older value than C has lost; whether C’s was chosen, with A, nobody but A can say.
    const cell = cellWithEntries({ names: three, entries: 1, without: ['a', 'c'] });
    const newer = { round: 2, name: 'c', incarnation: 1 };
    const [a, b, c] = cell.members as [(typeof cell.members)[0], (typeof cell.members)[0], (typeof cell.members)[0]];
    for (const member of [a, c]) {
      const entry = { instance: 1, ballot: newer, value: { kind: 'noop' } };
      member.promise = { ballot: newer, leaseMsMax: 0 };
      member.entries.set(1, entry as never);
      cell.checker.onDurable(member, {
        write: 1 as never,
        promise: member.promise,
        entries: [entry as never],
        chosenUpTo: 0 as never,
      });
    }
    c.damage(1, 'identity known');
    b.start();
    c.start();
    cell.run(2000);
    expect(cell.serving).toBeNull();
    expect([b.lost, c.lost]).toEqual([null, null]);
    a.start();
    cell.runUntilServing();
    cell.runUntilEqual();
    expect(b.applied.get(1)).toBe('noop');
  });

  test('a learner’s copy is one', () => {
    const cell = cellWithEntries({ names: three, entries: 1, learners: ['d'] });
    for (const name of three) cell.member(name).damage(1, 'identity known');
    for (const member of cell.members) member.start();
    expect(verdict(cell, 1)).toEqual({ kind: 'recovered' });
  });

  test('while a member that may have one is down, the cell waits and does not halt', () => {
    const cell = cellWithEntries({ names: three, entries: 1 });
    for (const name of ['a', 'b']) cell.member(name).damage(1, 'identity known');
    for (const name of ['a', 'b']) cell.member(name).start();
    cell.run(3000);
    expect(cell.members.map((member) => member.alive && member.lost)).toEqual([null, null, false]);
    cell.member('c').start();
    expect(verdict(cell, 1)).toEqual({ kind: 'recovered' });
  });
});

describe('a log whose end is gone', () => {
  test('is settled by a boost of the sitting master, in whose ballot it may have voted', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    for (let i = 0; i < 5; i++) cell.write(`x${i}`);
    cell.runUntilEqual();
    const c = cell.member('c');
    c.crash();
    c.loseEnd(3);
    c.start();
    const { epoch } = a.core;
    cell.runUntil('c has nothing bad', () => c.core.bad.length === 0 && c.core.appliedUpTo > 5, 1000);
    expect([a.core.epoch, cell.checker.masterChanges]).toEqual([epoch, 1]);
    cell.member('b').crash();
    expect(cell.write('y')).toMatchObject({ kind: 'applied' });
  });

  test('reports nothing for any instance, until a coordinator has settled what was accepted before', () => {
    const cell = threeReplicaCell();
    cell.elect('a');
    for (let i = 0; i < 5; i++) cell.write(`x${i}`);
    cell.runUntilEqual();
    const c = cell.member('c');
    for (const member of cell.members) member.crash();
    c.loseEnd(3);
    c.start();
    cell.member('b').start();
    // B and C are two of three, and C cannot say what it had accepted beyond what B knows.
    cell.run(3000);
    expect(cell.serving).toBeNull();
    cell.member('a').start();
    cell.runUntilServing();
    cell.runUntilEqual();
    cell.run(100);
    expect(c.core.bad).toEqual([]);
    // From now on its word counts again.
    cell.member('a').crash();
    expect(cell.write('y')).toMatchObject({ kind: 'applied' });
  });
});
