import { describe, expect, it } from 'vitest';
import type { Test } from '../../../src/core/database/command.ts';
import { bytes, get, Machine, multiOp, put, remove } from './support.ts';

describe('a MultiOp (PML §5.6)', () => {
  it('evaluates and reports every test, also after one that failed', () => {
    const machine = new Machine();
    machine.multiOp({ do: [put('a', 'm')] });
    const guard: Test[] = [
      { test: 'absent', key: 'a' },
      { test: 'present', key: 'a' },
      { test: 'equals', key: 'a', value: bytes('m') },
      { test: 'less', key: 'a', value: bytes('mm') },
      { test: 'greater', key: 'a', value: bytes('') },
      { test: 'revision', key: 'a', revision: 1 },
      { test: 'revision', key: 'nothing', revision: 0 },
      { test: 'equals', key: 'nothing', value: bytes('') },
      { test: 'less', key: 'nothing', value: bytes('z') },
    ];
    const result = machine.multiOp({ guard, do: [put('a', 'then')], otherwise: [put('a', 'else')] });
    expect(result.guard).toEqual([false, true, true, true, true, true, true, false, false]);
    expect(result.succeeded).toBe(false);
    expect(machine.value('a')).toBe('else');
  });

  it('takes an empty guard as true', () => {
    expect(new Machine().multiOp({ otherwise: [put('a')] })).toMatchObject({
      succeeded: true,
      results: [],
      revision: 0,
    });
  });

  it('runs its operations in order, later ones seeing earlier ones', () => {
    const machine = new Machine();
    const { results } = machine.multiOp({
      do: [
        get('a'),
        put('a', '1'),
        get('a'),
        put('a', '2'),
        get('a'),
        remove('a'),
        get('a'),
        remove('a'),
        put('a', '3'),
      ],
    });
    expect(results).toMatchObject([
      { op: 'get', entry: null },
      { op: 'put', revision: 1, created: true },
      { op: 'get', entry: { revision: 1, version: 1 } },
      { op: 'put', revision: 1, created: false },
      { op: 'get', entry: { revision: 1, version: 2 } },
      { op: 'delete', deleted: true },
      { op: 'get', entry: null },
      { op: 'delete', deleted: false },
      { op: 'put', revision: 1, created: true },
    ]);
    expect(machine.database.get('a')).toMatchObject({ createRevision: 1, revision: 1, version: 1 });
  });

  it('raises the revision once when it changed the database, and not at all otherwise', () => {
    const machine = new Machine();
    expect(machine.multiOp({ do: [put('a'), put('b')] }).revision).toBe(1);
    expect(machine.multiOp({ do: [get('a'), remove('nothing')] }).revision).toBe(1);
    expect(machine.multiOp({ guard: [{ test: 'absent', key: 'a' }], do: [put('c')] }).revision).toBe(1);
    // A put of the same value is a change.
    expect(machine.multiOp({ do: [put('a')] }).revision).toBe(2);
    expect(machine.multiOp({ do: [put('x'), remove('x')] }).revision).toBe(3);
  });

  it('records creation, last change and number of changes of an entry', () => {
    const machine = new Machine();
    for (let i = 0; i < 3; i++) machine.multiOp({ do: [put('a', `${i}`)] });
    expect(machine.database.get('a')).toMatchObject({ createRevision: 1, revision: 3, version: 3 });
    machine.multiOp({ do: [remove('a')] });
    machine.multiOp({ do: [put('a')] });
    expect(machine.database.get('a')).toMatchObject({ createRevision: 5, revision: 5, version: 1 });
  });

  it('compares values as unsigned bytes, a prefix first', () => {
    const machine = new Machine();
    machine.run(multiOp({ do: [{ op: 'put', key: 'a', value: new Uint8Array([0x80]) }] }));
    const guard: Test[] = [
      { test: 'greater', key: 'a', value: new Uint8Array([0x7f, 0xff]) },
      { test: 'less', key: 'a', value: new Uint8Array([0x80, 0]) },
    ];
    expect(machine.multiOp({ guard }).guard).toEqual([true, true]);
  });

  it('keeps keys that are names of JavaScript’s own apart', () => {
    const machine = new Machine();
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '2', '1', '10'];
    machine.multiOp({ do: names.map((name) => put(name, `value of ${name}`)) });
    for (const name of names) expect(machine.value(name)).toBe(`value of ${name}`);
    const { entries } = machine.database.list({ prefix: '', after: null, limit: 100 });
    expect(entries.map(({ key }) => key)).toEqual([
      '1',
      '10',
      '2',
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'toString',
    ]);
  });

  it('does not share memory with the frame that its values came in', () => {
    const machine = new Machine();
    for (const length of [1, 100, 2_048, 2_049, 100_000]) {
      const frame = new Uint8Array(200_000).fill(1);
      const value = frame.subarray(10, 10 + length);
      machine.run(multiOp({ do: [{ op: 'put', key: 'a', value }] }));
      frame.fill(2);
      const stored = machine.database.get('a')?.value as Uint8Array;
      expect(stored.length).toBe(length);
      expect(stored.every((byte) => byte === 1)).toBe(true);
      expect(stored.buffer).not.toBe(frame.buffer);
    }
  });
});

describe('the epoch guard', () => {
  it('skips a value of another epoch whole: nothing happened, nothing is recorded', () => {
    const machine = new Machine();
    machine.mastership();
    const session = machine.openSession();
    const checksum = machine.database.checksumHex();
    const { results } = machine.apply({ kind: 'skipped', cellTimeMs: machine.database.cellTimeMs, count: 2 });
    expect(results).toEqual([
      { kind: 'skipped', epoch: 1 },
      { kind: 'skipped', epoch: 1 },
    ]);
    expect(machine.database.checksumHex()).toBe(checksum);
    // The retry starts afresh.
    expect(machine.multiOp({ do: [put('a')], number: [session, 1] }).revision).toBe(1);
  });

  it('evaluates a client’s own condition at apply and remembers the answer (P41)', () => {
    const machine = new Machine();
    machine.mastership();
    const session = machine.openSession();
    const command = multiOp({ do: [put('a')], ifEpoch: 1, number: [session, 1] });
    machine.mastership('n2#1');
    machine.mastership('n1#1');
    expect(machine.run(command)).toEqual({ kind: 'epoch-changed', epoch: 3 });
    machine.mastership();
    expect(machine.run(command)).toEqual({ kind: 'epoch-changed', epoch: 3 });
    expect(machine.value('a')).toBeNull();
    expect(machine.run(multiOp({ do: [put('a')], ifEpoch: 4, number: [session, 2] }))).toMatchObject({ revision: 1 });
  });

  it('keeps first instance, id and owner of every epoch for ever', () => {
    const machine = new Machine();
    machine.mastership('n1#1', '1'.repeat(32));
    machine.multiOp({ do: [put('a')] });
    machine.mastership('n2#7', '2'.repeat(32));
    machine.restart();
    const { database } = machine;
    expect(database.epoch).toBe(2);
    expect(database.epochAt(1 as never)).toEqual({
      epoch: 1,
      instance: 1,
      id: '1'.repeat(32),
      owner: 'n1#1',
      revision: 0,
    });
    expect(database.epochAfter(1 as never)).toEqual({
      epoch: 2,
      instance: 3,
      id: '2'.repeat(32),
      owner: 'n2#7',
      revision: 1,
    });
    expect([database.epochAt(0 as never), database.epochAt(3 as never), database.epochAfter(2 as never)]).toEqual([
      null,
      null,
      null,
    ]);
  });
});

describe('the changes of a revision', () => {
  it('are those after the given one, in the order of their keys, each key once', () => {
    const machine = new Machine();
    machine.multiOp({ do: [put('b', '1'), put('😀'), put('\uffee'), put('b', '2'), put('a'), remove('a')] });
    machine.multiOp({ do: [get('a')] });
    machine.multiOp({ do: [remove('b')] });
    const all = machine.database.changesAfter(0);
    expect(all?.map(({ revision, instance }) => [revision, instance])).toEqual([
      [1, 1],
      [2, 3],
    ]);
    expect(all?.[0]?.changes.map(({ key, entry }) => [key, entry?.version ?? null])).toEqual([
      ['a', null],
      ['b', 2],
      ['\uffee', 1],
      ['😀', 1],
    ]);
    expect(machine.database.changesAfter(1)).toEqual([all?.[1]]);
    expect(machine.database.changesAfter(2)).toEqual([]);
  });

  it('are null once they are no longer held', () => {
    const machine = new Machine();
    const value = new Uint8Array(256 * 1024);
    for (let i = 0; i < 160; i++) machine.run(multiOp({ do: [{ op: 'put', key: `k${i}`, value }] }));
    expect(machine.database.changesAfter(0)).toBeNull();
    expect(machine.database.changesAfter(157)?.map(({ revision }) => revision)).toEqual([158, 159, 160]);
    machine.restart();
    expect(machine.database.changesAfter(159)).toBeNull();
    expect(machine.database.changesAfter(160)).toEqual([]);
  });
});

describe('a listing', () => {
  const keys = ['', 'a', 'a/', 'a/1', 'a/2', 'a/é', 'a/\uffee', 'a/😀', 'a0', 'b'].slice(1);

  it('has the keys of the prefix in byte order, page by page', () => {
    const machine = new Machine();
    machine.multiOp({ do: [...keys].reverse().map((key) => put(key)) });
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = machine.database.list({ prefix: 'a/', after, limit: 2 });
      seen.push(...page.entries.map(({ key }) => key));
      after = page.next;
    } while (after !== null);
    expect(seen).toEqual(['a/', 'a/1', 'a/2', 'a/é', 'a/\uffee', 'a/😀']);
  });

  it('ends exactly at the limit without another page, and ignores an `after` below the prefix', () => {
    const machine = new Machine();
    machine.multiOp({ do: keys.map((key) => put(key)) });
    const page = machine.database.list({ prefix: 'a/', after: 'a', limit: 6 });
    expect([page.entries.length, page.next]).toEqual([6, null]);
    expect(machine.database.list({ prefix: 'a/', after: 'b', limit: 6 }).entries).toEqual([]);
  });

  it('stops before its bytes pass what was asked for, but gives at least one entry', () => {
    const machine = new Machine();
    machine.multiOp({ do: ['a', 'b', 'c'].map((key) => put(key, 'x'.repeat(99))) });
    const page = (bytesMax: number) => machine.database.list({ prefix: '', after: null, limit: 10, bytesMax });
    expect([page(1).next, page(200).next, page(300).next]).toEqual(['a', 'b', null]);
  });
});
