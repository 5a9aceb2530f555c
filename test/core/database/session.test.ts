import { describe, expect, it } from 'vitest';
import type { CommandResult } from '../../../src/core/database/command.ts';
import { sessionAnswerBytesMax, sessionNumbersMax } from '../../../src/core/database/session.ts';
import { sessionsMax } from '../../../src/core/database/session-limits.ts';
import { get, Machine, multiOp, put, recomputed, remove } from './support.ts';

const expired: CommandResult = { kind: 'session-expired' };
const numbered = (session: string, sequence: number, key = `k${sequence}`) =>
  multiOp({ do: [put(key, `${sequence}`)], number: [session, sequence] });

describe('a session', () => {
  it('has an id that carries the instance of its birth, and two of one instance differ', () => {
    const machine = new Machine();
    machine.mastership();
    const results = machine.submit({ kind: 'open-session', ttlMs: 5_000 }, { kind: 'open-session', ttlMs: 5_000 });
    expect(results).toEqual([
      { kind: 'session', session: 's2-0', expiresCellTimeMs: 5_000 },
      { kind: 'session', session: 's2-1', expiresCellTimeMs: 5_000 },
    ]);
  });

  it('applies a retry that is chosen twice once and answers both alike (P12)', () => {
    const machine = new Machine();
    const session = machine.openSession();
    const command = multiOp({ do: [put('a'), get('a')], number: [session, 1] });
    const first = machine.run(command);
    machine.mastership();
    machine.multiOp({ do: [put('a', 'other')] });
    machine.restart();
    expect(machine.run(command)).toEqual(first);
    expect(machine.submit(command, command)).toEqual([first, first]);
    expect(machine.value('a')).toBe('other');
  });

  it('applies numbers in whatever order they are chosen: having seen 2 says nothing about 1 (P11)', () => {
    const machine = new Machine();
    const session = machine.openSession();
    expect(machine.run(numbered(session, 2))).toMatchObject({ kind: 'multiop', revision: 1 });
    expect(machine.run(numbered(session, 1))).toMatchObject({ kind: 'multiop', revision: 2 });
    expect(machine.run(numbered(session, 2))).toMatchObject({ kind: 'multiop', revision: 1 });
    expect([machine.value('k1'), machine.value('k2')]).toEqual(['1', '2']);
  });

  it('keeps the answers of its last numbers; one that was forgotten is refused, never applied again (P53)', () => {
    const machine = new Machine();
    const session = machine.openSession();
    for (let n = 1; n <= sessionNumbersMax + 3; n++) machine.run(numbered(session, n, 'counter'));
    const { revision } = machine.database;
    for (const restart of [false, true]) {
      if (restart) machine.restart();
      expect([1, 2, 3].map((n) => machine.run(numbered(session, n, 'counter')))).toEqual([expired, expired, expired]);
      expect(machine.run(numbered(session, 4, 'counter'))).toMatchObject({ kind: 'multiop', revision: 4 });
      expect(machine.database.revision).toBe(revision);
    }
  });

  it('never applies a number twice, however the numbers arrive', () => {
    const machine = new Machine();
    const session = machine.openSession();
    // Far more numbers than are kept, from the highest to the lowest and back: each new one is below all that are kept.
    for (let n = 3_000; n >= 1; n--) machine.run(numbered(session, n, `n${n}`));
    for (let n = 1; n <= 3_000; n++) machine.run(numbered(session, n, `n${n}`));
    const { entries } = machine.database.list({ prefix: 'n', after: null, limit: 5_000 });
    expect(entries.every(({ entry }) => entry.version === 1)).toBe(true);
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
  });

  it('keeps status, revision and instance of an answer that is too large', () => {
    const machine = new Machine();
    machine.multiOp({ do: [put('large', 'x'.repeat(sessionAnswerBytesMax))] });
    const session = machine.openSession();
    const command = multiOp({
      guard: [{ test: 'present', key: 'large' }],
      do: [get('large'), put('a')],
      number: [session, 1],
    });
    const first = machine.multiOp({ guard: command.multiOp.guard, do: command.multiOp.then, number: [session, 1] });
    expect(first.results).toHaveLength(2);
    expect(first.resultsForgotten).toBeUndefined();
    const { succeeded, revision, instance, epoch } = first;
    const short = {
      kind: 'multiop',
      succeeded,
      guard: [],
      results: [],
      revision,
      instance,
      epoch,
      resultsForgotten: true,
    };
    expect(machine.run(command)).toEqual(short);
    machine.restart();
    expect(machine.run(command)).toEqual(short);
  });

  it('shortens the longest answers, lowest numbers first, when all together are too large', () => {
    const machine = new Machine();
    machine.multiOp({ do: [put('large', 'x'.repeat(30_000))] });
    const session = machine.openSession();
    const command = (n: number) => multiOp({ do: [get('large')], number: [session, n] });
    for (let n = 1; n <= 5; n++) machine.run(command(n));
    const forgotten = [1, 2, 3, 4, 5].map(
      (n) => (machine.run(command(n)) as { resultsForgotten?: boolean }).resultsForgotten,
    );
    expect(forgotten).toEqual([true, true, true, undefined, undefined]);
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
  });

  it('tells every single write the same again, however large the other answers were', () => {
    const machine = new Machine();
    machine.multiOp({ do: [put('large', 'x'.repeat(30_000))] });
    const session = machine.openSession();
    const nothing = multiOp({ do: [remove('absent')], number: [session, 1] });
    const created = multiOp({ guard: [{ test: 'absent', key: 'a' }], do: [put('a')], number: [session, 2] });
    const first = [machine.run(nothing), machine.run(created)];
    for (let n = 3; n <= sessionNumbersMax; n++) {
      machine.run(multiOp({ do: n % 100 === 0 ? [get('large')] : [put(`k${n}`)], number: [session, n] }));
    }
    expect([machine.run(nothing), machine.run(created)]).toEqual(first);
    machine.restart();
    expect([machine.run(nothing), machine.run(created)]).toEqual(first);
    expect(first[0]).toMatchObject({ results: [{ op: 'delete', deleted: false }] });
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
  });

  it('keeps the answers of all numbers within its limit, whatever they are', () => {
    const machine = new Machine();
    const session = machine.openSession();
    const gets = [get('a'), get('b'), get('c'), get('d'), get('e'), get('f'), get('g'), get('h')];
    machine.multiOp({ do: gets.map(({ key }) => put(key, 'some value')) });
    for (let n = 1; n <= sessionNumbersMax + 10; n++) machine.run(multiOp({ do: gets, number: [session, n] }));
    const last = machine.run(multiOp({ do: gets, number: [session, sessionNumbersMax + 10] }));
    expect(last).toMatchObject({ kind: 'multiop', revision: 1 });
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
  });

  it('survives a MultiOp that returns gigabytes', () => {
    const machine = new Machine();
    machine.multiOp({ do: [put('large', 'x'.repeat(256 * 1024))] });
    const session = machine.openSession();
    const gets = Array.from({ length: 10_000 }, () => get('large'));
    expect(machine.multiOp({ do: gets, number: [session, 1] }).results).toHaveLength(10_000);
    expect(machine.multiOp({ do: gets, number: [session, 1] }).resultsForgotten).toBe(true);
  });

  it('that the cell does not know is refused, and its number is not applied', () => {
    const machine = new Machine();
    expect(machine.run(numbered('s9-9', 1))).toEqual(expired);
    expect(machine.run({ kind: 'keep-session', session: 's9-9' })).toEqual(expired);
    expect(machine.run({ kind: 'close-session', session: 's9-9' })).toEqual(expired);
    expect(machine.database.revision).toBe(0);
  });

  it('ends when it is closed', () => {
    const machine = new Machine();
    const checksum = machine.database.checksumHex();
    const session = machine.openSession();
    machine.run({ ...numbered(session, 1), ifEpoch: 99 as never });
    expect(machine.run({ kind: 'close-session', session })).toEqual({ kind: 'done' });
    expect(machine.run(numbered(session, 1))).toEqual(expired);
    expect(machine.database.checksumHex()).toBe(checksum);
  });
});

describe('the end of sessions', () => {
  it('comes by a logged command in cell time, and only for those still due then', () => {
    const machine = new Machine();
    const [idle, alive, writing] = [machine.openSession(1_000), machine.openSession(1_000), machine.openSession(1_000)];
    machine.cellTimeMs = 999;
    machine.run({ kind: 'keep-session', session: alive });
    machine.run(numbered(writing, 1));
    expect(machine.database.sessionsDue(999 as never, 0 as never)).toEqual([]);
    expect(machine.database.sessionsDue(1_000 as never, 0 as never)).toEqual([idle]);
    machine.cellTimeMs = 1_000;
    machine.run({ kind: 'expire-sessions', sessions: [idle, alive, writing, 's77-0'] });
    expect(machine.database.sessions).toBe(2);
    expect(machine.run(numbered(idle, 1, 'a'))).toEqual(expired);
    expect(machine.run(numbered(alive, 1, 'b'))).toMatchObject({ kind: 'multiop' });
  });

  it('is not asked for by a new master before the session had its full time under it (P54)', () => {
    const machine = new Machine();
    const [short, long] = [machine.openSession(1_000), machine.openSession(5_000)];
    expect(machine.database.sessionsDue(1_499 as never, 500 as never)).toEqual([]);
    expect(machine.database.sessionsDue(1_500 as never, 500 as never)).toEqual([short]);
    expect(machine.database.sessionsDue(5_499 as never, 500 as never)).toEqual([short]);
    expect(machine.database.sessionsDue(5_500 as never, 500 as never)).toEqual([short, long]);
  });

  it('is not brought about by time alone', () => {
    const machine = new Machine();
    const session = machine.openSession(1_000);
    machine.cellTimeMs = 1_000_000;
    expect(machine.run(numbered(session, 1))).toMatchObject({ kind: 'multiop' });
  });

  it('follows cell time, which never goes back', () => {
    const machine = new Machine();
    machine.cellTimeMs = 5_000;
    machine.submit();
    machine.cellTimeMs = 100;
    expect(machine.run({ kind: 'open-session', ttlMs: 1_000 })).toMatchObject({ expiresCellTimeMs: 6_000 });
    expect(machine.database.cellTimeMs).toBe(5_000);
  });

  it('does not come for old sessions when the table is full: new ones are refused', () => {
    const machine = new Machine();
    const first = machine.openSession();
    machine.run(numbered(first, 1));
    machine.submit(...Array.from({ length: sessionsMax - 1 }, () => ({ kind: 'open-session', ttlMs: 1_000 }) as const));
    expect(machine.run({ kind: 'open-session', ttlMs: 1_000 })).toEqual({ kind: 'sessions-full' });
    expect(machine.run(numbered(first, 1))).toMatchObject({ kind: 'multiop', revision: 1 });
    machine.run({ kind: 'close-session', session: first });
    expect(machine.run({ kind: 'open-session', ttlMs: 1_000 })).toMatchObject({ kind: 'session' });
    // One command ends a bounded number of them.
    expect(machine.database.sessionsDue(1_000_000 as never, 0 as never)).toHaveLength(1_000);
  });
});
