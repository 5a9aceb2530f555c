/** What is at stake: two replicas that applied the same log and yet differ (P52, I14), and answers lost by a restart (P53). */
import { describe, expect, it } from 'vitest';
import type { MachineValue } from '../../../src/core/state-machine.ts';
import { decodeCommand, encodeCommand } from '../../../src/formats/command.ts';
import { CommandSource } from './random-commands.ts';
import { identity, Machine, multiOp, put, recomputed, restored } from './support.ts';

/** A log of `length` values, as each replica reads it from its own bytes. */
function randomLog(seed: number, length: number): (() => MachineValue)[] {
  const source = new CommandSource(seed);
  // Sessions open at known places, so that the log can name them beforehand.
  source.sessions.push('s1-0', 's1-1', 's1-2');
  const log: (() => MachineValue)[] = [
    () => ({
      kind: 'submitted',
      cellTimeMs: 0 as never,
      commands: [1, 2, 3].map(() => ({ kind: 'open-session', ttlMs: 3_600_000 }) as const),
    }),
  ];
  for (let i = 1; i < length; i++) {
    const roll = source.below(20);
    if (roll === 0) log.push(() => ({ kind: 'mastership', owner: 'n1#1' as never, id: `${i}`.padStart(32, '0') }));
    else if (roll === 1) log.push(() => ({ kind: 'noop' }));
    else if (roll === 2) log.push(() => ({ kind: 'skipped', cellTimeMs: i as never, count: 2 }));
    else {
      const items = Array.from({ length: 1 + source.below(5) }, () => encodeCommand(source.next()));
      log.push(() => ({ kind: 'submitted', cellTimeMs: (i * 10) as never, commands: items.map(decodeCommand) }));
    }
  }
  return log;
}

const recordsOf = (machine: Machine) => Buffer.concat([...machine.database.view().records()]).toString('hex');

describe('one log', () => {
  it.each([1, 2, 3])('gives one state: live, replayed, and restored from a snapshot half-way (seed %i)', (seed) => {
    const log = randomLog(seed, 1_500);
    const [live, replayed, restarted] = [new Machine(), new Machine(), new Machine()];
    for (const machine of [live, replayed, restarted]) machine.database.initialize(identity);
    log.forEach((value, i) => {
      const results = live.apply(value()).results;
      expect(restarted.apply(value()).results).toEqual(results);
      if (i % 400 === 399) restarted.restart();
    });
    for (const value of log) replayed.apply(value());
    const checksum = live.database.checksumHex();
    expect([replayed, restarted].map((machine) => machine.database.checksumHex())).toEqual([checksum, checksum]);
    expect(recomputed(live.database.view())).toBe(checksum);
    const records = recordsOf(live);
    expect([recordsOf(replayed), recordsOf(restarted)].every((other) => other === records)).toBe(true);
  });

  it('has the same bytes and checksum in every version of this level', () => {
    const machine = new Machine();
    machine.database.initialize(identity);
    machine.mastership();
    const session = machine.openSession(60_000);
    machine.multiOp({
      do: ['2', 'b', '1', 'a', '😀', '\uffee', '__proto__'].map((key) => put(key)),
      number: [session, 1],
    });
    expect(machine.database.checksumHex()).toMatchInlineSnapshot(`"d9c9dee7acd5649375febf4296f619e5"`);
    expect(recordsOf(machine)).toMatchInlineSnapshot(
      `"0100206363636363636363636363636363636363636363636363636363636363636363000000000000000100206161616161616161616161616161616161616161616161616161616161616161000000000000000000000000000000000000002007070707070707070707070707070707070707070707070707070707070707070200000000000000010000000000000001000000000000000003000000000000000100000000000000010020656565656565656565656565656565656565656565656565656565656565656500046e312331000000000000000004000473322d300000ea60000000000000ea60000000000000000005000473322d30000000000000000100000064010100000007000100000000000000010001000000000000000100010000000000000001000100000000000000010001000000000000000100010000000000000001000100000000000000010000000000000001000000000000000300000000000000010600013100000000000000010000000000000001000000000000000100000001760600013200000000000000010000000000000001000000000000000100000001760600095f5f70726f746f5f5f0000000000000001000000000000000100000000000000010000000176060001610000000000000001000000000000000100000000000000010000000176060001620000000000000001000000000000000100000000000000010000000176060003efbfae0000000000000001000000000000000100000000000000010000000176060004f09f98800000000000000001000000000000000100000000000000010000000176"`,
    );
  });
});

describe('the checksum', () => {
  it('does not depend on the order in which a state came about, but on every part of it', () => {
    const checksum = (...values: [key: string, value: string][]) => {
      const machine = new Machine();
      for (const [key, value] of values) machine.multiOp({ do: [put(key, value)] });
      return machine.database.checksumHex();
    };
    const states = new Set([
      checksum(),
      checksum(['a', '1']),
      checksum(['a', '2']),
      checksum(['b', '1']),
      checksum(['a', '1'], ['a', '1']),
      checksum(['a', '1'], ['b', '1']),
      checksum(['b', '1'], ['a', '1']),
    ]);
    expect(states.size).toBe(7);
    const [one, other] = [new Machine(), new Machine()];
    one.multiOp({ do: [put('a'), put('b')] });
    other.multiOp({ do: [put('b'), put('a')] });
    expect(one.database.checksumHex()).toBe(other.database.checksumHex());
  });

  it('covers system record, epochs, sessions, their answers and cell time', () => {
    const machine = new Machine();
    const seen = new Set([machine.database.checksumHex()]);
    const note = () => {
      const checksum = machine.database.checksumHex();
      expect(seen.has(checksum)).toBe(false);
      expect(recomputed(machine.database.view())).toBe(checksum);
      seen.add(checksum);
    };
    machine.database.initialize(identity);
    note();
    machine.mastership();
    note();
    const session = machine.openSession();
    note();
    machine.multiOp({ number: [session, 1] });
    note();
    machine.cellTimeMs = 1;
    machine.submit();
    note();
    machine.run({ kind: 'keep-session', session });
    note();
  });

  it('goes back to what it was when an entry goes', () => {
    const machine = new Machine();
    machine.multiOp({ do: [put('a')] });
    const view = machine.database.view();
    machine.multiOp({ do: [put('b', 'x'.repeat(5_000))] });
    machine.multiOp({ do: [put('b', 'y')] });
    machine.multiOp({ do: [{ op: 'delete', key: 'b' }] });
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
    expect(machine.database.checksumHex()).not.toBe(view.checksum);
    expect([...machine.database.view().records()].slice(1)).toEqual([...view.records()].slice(1));
  });
});

describe('a view', () => {
  it('does not see what is applied later', () => {
    const machine = new Machine();
    machine.database.initialize(identity);
    machine.mastership();
    const session = machine.openSession();
    machine.multiOp({ do: [put('a', '1'), put('b', '1')], number: [session, 1] });
    const view = machine.database.view();
    const before = [...view.records()];
    machine.mastership();
    machine.cellTimeMs = 77;
    for (let n = 2; n < 1_200; n++) machine.multiOp({ do: [put('a', `${n}`), put(`c${n}`)], number: [session, n] });
    machine.multiOp({ do: [{ op: 'delete', key: 'b' }] });
    machine.openSession();
    expect([...view.records()]).toEqual(before);
    expect(view.count).toBe(before.length);
    expect(recomputed(view)).toBe(view.checksum);
    expect([view.epoch, view.cellTimeMs, view.revision, view.entryCount]).toEqual([1, 0, 1, 2]);
    expect(view.get('a')?.value).toEqual(Buffer.from('1'));
    expect(view.list({ prefix: '', after: null, limit: 9 }).entries.map(({ key }) => key)).toEqual(['a', 'b']);
    const after = machine.database.view();
    expect(recomputed(after)).toBe(after.checksum);
    view.close();
    expect(() => [...view.records()]).toThrow('closed');
  });

  it('finds an entry that rotted in memory, by scanning', () => {
    const machine = new Machine();
    const value = new Uint8Array(100_000).fill(1);
    machine.run(multiOp({ do: [{ op: 'put', key: 'large', value }, put('small')] }));
    (machine.database.get('large')?.value as Uint8Array)[5] = 2;
    const view = machine.database.view();
    expect(view.checksum).toBe(machine.database.checksumHex());
    expect(recomputed(view)).not.toBe(view.checksum);
  });
});

describe('a restore', () => {
  const records = () => {
    const machine = new Machine();
    machine.database.initialize(identity);
    machine.mastership();
    const session = machine.openSession();
    for (const n of [1, 2]) machine.multiOp({ do: [put(`k${n}`)], number: [session, n] });
    return { list: [...machine.database.view().records()], checksum: machine.database.checksumHex() };
  };
  const restoreOf = (list: readonly Uint8Array[]) =>
    restored({ records: () => list.values() } as Parameters<typeof restored>[0]);

  it('brings everything back, ready to go on', () => {
    const { list, checksum } = records();
    const database = restoreOf(list);
    expect(database.checksumHex()).toBe(checksum);
    expect(database.identity).toEqual(identity);
    expect([database.revision, database.epoch, database.entries, database.sessions]).toEqual([2, 1, 2, 1]);
  });

  it('refuses records that are missing, twice or out of order, but for a checksum to tell', () => {
    const { list, checksum } = records();
    for (let i = 0; i < list.length; i++) {
      const [without, twice, swapped] = [list.toSpliced(i, 1), list.toSpliced(i, 0, list[i] as never), [...list]];
      [swapped[i], swapped[i - 1]] = [swapped[i - 1] as never, swapped[i] as never];
      expect(() => restoreOf(twice)).toThrow();
      if (i > 0) expect(() => restoreOf(swapped)).toThrow();
      let database: ReturnType<typeof restoreOf> | null = null;
      try {
        database = restoreOf(without);
      } catch {}
      expect(database?.checksumHex()).not.toBe(checksum);
    }
  });

  it('notices every flipped byte', () => {
    const { list, checksum } = records();
    for (const [i, record] of list.entries()) {
      for (let at = 0; at < record.length; at++) {
        const damaged = new Uint8Array(record);
        damaged[at] = (damaged[at] as number) ^ 0x41;
        let found: string | null = null;
        try {
          found = restoreOf(list.with(i, damaged)).checksumHex();
        } catch {}
        expect(found).not.toBe(checksum);
      }
    }
  });

  it('refuses an answer that could not be read when a retry asks for it', () => {
    const { list } = records();
    const at = list.findIndex((record) => record[0] === 5);
    const damaged = new Uint8Array(list[at] as Uint8Array);
    // Tag, session, number and length stand before the answer, whose first byte is its kind.
    damaged[1 + 2 + 's2-0'.length + 8 + 4] = 99;
    expect(() => restoreOf(list.with(at, damaged))).toThrow('unknown kind 99');
  });
});
