/** Locks of sessions: exclusion, lock-delay, generations that never repeat, and writes that rest on one (CHB §2.4; P54, I20). */
import { describe, expect, it } from 'vitest';
import type { Command, CommandResult } from '../../../src/core/database/command.ts';
import type { LockMode, Sequencer } from '../../../src/core/database/lock.ts';
import { holdersOfLockMax, lockHoldersMax } from '../../../src/core/database/lock-limits.ts';
import { nextGeneration } from '../../../src/core/database/next-generation.ts';
import { RestoreError } from '../../../src/core/database/restore.ts';
import { databaseRecordCodec } from '../../../src/formats/database-record.ts';
import { Machine, multiOp, ports, put, recomputed, restored } from './support.ts';

type LockResult = CommandResult & { readonly kind: 'lock' };

/** Sessions of a machine, each counting its own requests. */
class Locks extends Machine {
  readonly #sequences = new Map<string, number>();

  number(session: string): { session: string; sequence: number } {
    const sequence = (this.#sequences.get(session) ?? 0) + 1;
    this.#sequences.set(session, sequence);
    return { session, sequence };
  }

  acquiring(session: string, lock = 'a', mode: LockMode = 'exclusive', lockDelayMs = 0): Command {
    return { kind: 'acquire-lock', lock, mode, lockDelayMs, session: this.number(session) };
  }

  acquire(...args: Parameters<Locks['acquiring']>): LockResult {
    return this.run(this.acquiring(...args)) as LockResult;
  }

  release(session: string, lock = 'a', generation = 0): LockResult {
    return this.run({ kind: 'release-lock', lock, generation, session: this.number(session) }) as LockResult;
  }

  expire(...sessions: string[]): void {
    this.run({ kind: 'expire-sessions', sessions });
  }
}

const start = (): Locks => {
  const machine = new Locks();
  machine.mastership();
  return machine;
};

describe('a lock', () => {
  it('is held exclusively by one session, until it lets go', () => {
    const machine = start();
    const [one, two] = [machine.openSession(), machine.openSession()];
    expect(machine.acquire(one)).toMatchObject({ outcome: 'acquired', generation: 4, instance: 4 });
    expect(machine.acquire(two)).toMatchObject({ outcome: 'held', generation: 0 });
    expect(machine.acquire(two, 'a', 'shared')).toMatchObject({ outcome: 'held' });
    expect(machine.acquire(two, 'b')).toMatchObject({ outcome: 'acquired' });
    expect(machine.release(two)).toMatchObject({ outcome: 'not-held' });
    expect(machine.release(one)).toMatchObject({ outcome: 'released', generation: 4 });
    expect(machine.release(one)).toMatchObject({ outcome: 'not-held' });
    expect(machine.acquire(two)).toMatchObject({ outcome: 'acquired', generation: 11 });
  });

  it('is shared by those who ask for that, and keeps out who wants it alone', () => {
    const machine = start();
    const [one, two, three] = [machine.openSession(), machine.openSession(), machine.openSession()];
    const generations = [machine.acquire(one, 'a', 'shared'), machine.acquire(two, 'a', 'shared')].map(
      ({ generation }) => generation,
    );
    expect(new Set(generations).size).toBe(2);
    expect(machine.acquire(three)).toMatchObject({ outcome: 'held' });
    machine.release(one);
    expect(machine.acquire(three)).toMatchObject({ outcome: 'held' });
    machine.release(two);
    expect(machine.acquire(three)).toMatchObject({ outcome: 'acquired' });
  });

  it('is told of again to the session that holds it, in that mode and no other', () => {
    const machine = start();
    const session = machine.openSession();
    const { generation } = machine.acquire(session, 'a', 'shared');
    expect(machine.acquire(session, 'a', 'shared')).toMatchObject({ outcome: 'acquired', generation });
    expect(machine.acquire(session)).toMatchObject({ outcome: 'held' });
  });

  it('is not taken again by a late copy of the request that took it, and released since', () => {
    const machine = start();
    const session = machine.openSession();
    const request = machine.acquiring(session);
    const first = machine.run(request);
    machine.release(session);
    expect(machine.run(request)).toEqual(first);
    expect(machine.database.lock('a')).toBeNull();
  });

  it('is released by the acquisition that is named, not by a later one (input 22)', () => {
    const machine = start();
    const session = machine.openSession();
    const old = machine.acquire(session).generation;
    machine.release(session);
    const { generation } = machine.acquire(session);
    expect(machine.release(session, 'a', old)).toMatchObject({ outcome: 'not-held' });
    expect(machine.release(session, 'a', generation)).toMatchObject({ outcome: 'released' });
  });

  it('is free at once when its session is closed, whatever the lock-delay', () => {
    const machine = start();
    const [one, two] = [machine.openSession(), machine.openSession()];
    machine.acquire(one, 'a', 'exclusive', 60_000);
    machine.run({ kind: 'close-session', session: one });
    expect(machine.acquire(two)).toMatchObject({ outcome: 'acquired' });
  });

  it('is kept for its lock-delay when its session is lost, from when that was found (P54)', () => {
    const machine = start();
    const [lost, waiting] = [machine.openSession(1_000), machine.openSession()];
    machine.acquire(lost, 'a', 'exclusive', 2_000);
    machine.cellTimeMs = 1_500;
    machine.expire(lost);
    machine.cellTimeMs = 3_499;
    expect(machine.acquire(waiting)).toMatchObject({ outcome: 'delayed' });
    expect(machine.acquire(waiting, 'a', 'shared')).toMatchObject({ outcome: 'delayed' });
    machine.restart();
    expect(machine.acquire(waiting)).toMatchObject({ outcome: 'delayed' });
    machine.cellTimeMs = 3_500;
    expect(machine.acquire(waiting)).toMatchObject({ outcome: 'acquired' });
  });

  it('that was shared by a lost session keeps out only who wants it alone', () => {
    const machine = start();
    const [lost, waiting] = [machine.openSession(1_000), machine.openSession()];
    machine.acquire(lost, 'a', 'shared', 2_000);
    machine.cellTimeMs = 1_000;
    machine.expire(lost);
    expect(machine.acquire(waiting)).toMatchObject({ outcome: 'delayed' });
    expect(machine.acquire(waiting, 'a', 'shared')).toMatchObject({ outcome: 'acquired' });
  });

  it('of a session that proved to live before it could be ended stays where it is', () => {
    const machine = start();
    const [one, two] = [machine.openSession(1_000), machine.openSession(2_000)];
    machine.acquire(one);
    machine.cellTimeMs = 999;
    machine.acquire(one);
    machine.cellTimeMs = 1_500;
    machine.expire(one);
    expect(machine.acquire(two)).toMatchObject({ outcome: 'held' });
  });

  it('is not given to a session that has ended', () => {
    const machine = start();
    const session = machine.openSession();
    machine.run({ kind: 'close-session', session });
    expect(machine.acquire(session)).toEqual({ kind: 'session-expired' });
  });

  it('leaves nothing behind once nobody holds it and no delay keeps it', () => {
    const machine = start();
    const [one, two] = [machine.openSession(1_000), machine.openSession(100_000)];
    for (const name of ['a', 'b', 'c']) machine.acquire(one, name, 'exclusive', 10);
    machine.cellTimeMs = 1_000;
    machine.expire(one);
    expect([...machine.database.locksFrom('')].map(([name]) => name)).toEqual(['a', 'b', 'c']);
    machine.cellTimeMs = 2_000;
    machine.acquire(two, 'd');
    machine.release(two, 'd');
    expect([...machine.database.locksFrom('')]).toEqual([]);
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
  });

  it('is refused when there are as many holders as there may be, and nobody is dropped', () => {
    const machine = start();
    const sessions = Array.from({ length: holdersOfLockMax + 1 }, () => machine.openSession());
    const outcomes = sessions.map((session) => machine.acquire(session, 'a', 'shared').outcome);
    expect(outcomes.filter((outcome) => outcome === 'acquired')).toHaveLength(holdersOfLockMax);
    expect(outcomes.at(-1)).toBe('full');
    const [first = ''] = sessions;
    const names = Array.from({ length: lockHoldersMax - holdersOfLockMax }, (_, i) => `l${i}`);
    machine.submit(...names.map((name) => machine.acquiring(first, name)));
    expect(machine.acquire(first, 'one more')).toMatchObject({ outcome: 'full' });
    expect(machine.database.locksHeldBy(first)).toBe(lockHoldersMax - holdersOfLockMax + 1);
    machine.run({ kind: 'close-session', session: first });
    expect(machine.database.locksHeldBy(first)).toBe(0);
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
  });
});

describe('lock-delays', () => {
  it('take the places of holders, so that sessions that are lost again and again fill no memory', () => {
    const machine = start();
    const [one, two] = [machine.openSession(1_000), machine.openSession(1_000_000)];
    const names = Array.from({ length: lockHoldersMax }, (_, i) => `l${i}`);
    machine.submit(...names.map((name) => machine.acquiring(one, name, 'exclusive', 60_000)));
    machine.cellTimeMs = 1_000;
    machine.expire(one);
    expect(machine.acquire(two, 'one more')).toMatchObject({ outcome: 'full' });
    const database = restored(machine.database.view());
    expect(database.checksumHex()).toBe(machine.database.checksumHex());
    machine.cellTimeMs = 61_000;
    expect(machine.acquire(two, 'one more')).toMatchObject({ outcome: 'acquired' });
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
  });

  it('of holders of one lock that are lost together: the longest counts', () => {
    const machine = start();
    const sessions = [5, 20, 10].map((lockDelayMs) => {
      const session = machine.openSession(1_000);
      machine.acquire(session, 'a', 'shared', lockDelayMs);
      return session;
    });
    machine.cellTimeMs = 1_000;
    machine.expire(...sessions);
    const other = machine.openSession(100_000);
    machine.cellTimeMs = 1_019;
    expect(machine.acquire(other)).toMatchObject({ outcome: 'delayed' });
    machine.cellTimeMs = 1_020;
    expect(machine.acquire(other)).toMatchObject({ outcome: 'acquired' });
  });
});

describe('the generation of an acquisition', () => {
  it('is higher than every one before, within one value too, and after a restart', () => {
    const machine = start();
    const [one, two] = [machine.openSession(), machine.openSession()];
    const release = (session: string): Command => ({
      kind: 'release-lock',
      lock: 'a',
      generation: 0,
      session: machine.number(session),
    });
    const results = machine.submit(
      machine.acquiring(one),
      release(one),
      machine.acquiring(two),
      release(two),
      machine.acquiring(one),
    ) as LockResult[];
    expect(results.map(({ generation }) => generation)).toEqual([4, 4, 5, 5, 6]);
    machine.restart();
    machine.run(release(one));
    const { generation } = machine.acquire(two);
    expect(generation).toBeGreaterThan(6);
  });

  it('is higher than all of the generation of the cell before, though a backup knows less of them (P54)', () => {
    const machine = start();
    const session = machine.openSession();
    machine.acquire(session);
    const backup = machine.database.view();
    machine.release(session);
    const later = machine.acquire(session).generation;
    const next = nextGeneration(backup.contents(), {
      generation: 2,
      generationId: 'b'.repeat(32),
      start: { epoch: 1 as never, instance: 3 as never },
      numbers: 2 ** 40,
    });
    const records = [...next].map((record) => new Uint8Array(databaseRecordCodec.encode(record)));
    const database = restored({ records: () => records.values() } as never);
    const [result] = [
      database.execute(
        { kind: 'acquire-lock', lock: 'b', mode: 'exclusive', lockDelayMs: 0, session: machine.number(session) },
        { instance: (2 ** 40 + 1) as never, place: 0 },
        [],
      ) as LockResult,
    ];
    expect(result).toMatchObject({ outcome: 'acquired', generation: 2 ** 40 + 1 });
    expect(result?.generation).toBeGreaterThan(later);
  });
});

describe('a write that rests on a lock', () => {
  const writing = (sequencer: Sequencer) => ({ ...multiOp({ do: [put('k')] }), sequencer });

  it('is carried out while that acquisition stands, and never after (P54)', () => {
    const machine = start();
    const [one, two] = [machine.openSession(1_000), machine.openSession(100_000)];
    const sequencer: Sequencer = { lock: 'a', mode: 'exclusive', generation: machine.acquire(one).generation };
    expect(machine.run(writing(sequencer))).toMatchObject({ kind: 'multiop', succeeded: true });
    expect(machine.run(writing({ ...sequencer, mode: 'shared' }))).toEqual({ kind: 'sequencer-invalid' });
    expect(machine.run(writing({ ...sequencer, lock: 'b' }))).toEqual({ kind: 'sequencer-invalid' });
    machine.cellTimeMs = 1_000;
    machine.expire(one);
    machine.acquire(two);
    const { revision } = machine.database;
    expect(machine.run(writing(sequencer))).toEqual({ kind: 'sequencer-invalid' });
    expect(machine.database.revision).toBe(revision);
  });

  it('is judged by the holder, not by the lock alone: another one that shares it makes no difference', () => {
    const machine = start();
    const [one, two] = [machine.openSession(), machine.openSession()];
    const { generation } = machine.acquire(one, 'a', 'shared');
    machine.acquire(two, 'a', 'shared');
    machine.release(one);
    expect(machine.run(writing({ lock: 'a', mode: 'shared', generation }))).toEqual({ kind: 'sequencer-invalid' });
  });

  it('is told the same again when it is sent twice', () => {
    const machine = start();
    const session = machine.openSession();
    const sequencer: Sequencer = { lock: 'a', mode: 'exclusive', generation: 77 };
    const command = { ...writing(sequencer), session: machine.number(session) };
    expect(machine.run(command)).toEqual({ kind: 'sequencer-invalid' });
    machine.restart();
    expect(machine.run(command)).toEqual({ kind: 'sequencer-invalid' });
  });
});

describe('locks in a snapshot', () => {
  it('come back as they were, and give the same checksum', () => {
    const machine = start();
    const [one, two, lost] = [machine.openSession(), machine.openSession(), machine.openSession(1_000)];
    machine.acquire(one, 'a', 'shared', 5);
    machine.acquire(two, 'a', 'shared', 6);
    machine.acquire(lost, 'é', 'exclusive', 60_000);
    machine.cellTimeMs = 1_000;
    machine.expire(lost);
    const before = [...machine.database.locksFrom('')];
    const checksum = machine.database.checksumHex();
    machine.restart();
    expect([...machine.database.locksFrom('')]).toEqual(before);
    expect(machine.database.checksumHex()).toBe(checksum);
    expect(recomputed(machine.database.view())).toBe(checksum);
  });

  it('have the bytes that every version of level 2 reads', () => {
    const machine = start();
    const [one, two] = [machine.openSession(), machine.openSession(1_000)];
    machine.acquire(one, 'é', 'shared', 5);
    machine.acquire(two, 'a', 'exclusive', 60_000);
    machine.cellTimeMs = 1_000;
    machine.expire(two);
    const records = [...machine.database.view().contents()].filter(({ kind }) => kind.startsWith('lock'));
    const encoded = records.map((record) => Buffer.from(ports.codec.encode(record)).toString('hex'));
    expect(encoded).toMatchInlineSnapshot(`
      [
        "080000000000000005",
        "0900016100000000000000ee48000000000000ee480000",
        "090002c3a902000000000000000000000000000000000001000473322d30000000000000000400000005",
      ]
    `);
  });

  it('are refused where they could not have come about', () => {
    const machine = start();
    const session = machine.openSession();
    machine.acquire(session);
    const contents = [...machine.database.view().contents()];
    const lock = contents.find((record) => record.kind === 'lock');
    if (lock?.kind !== 'lock') throw new Error('no lock');
    const [holder] = lock.lock.holders;
    if (holder === undefined) throw new Error('no holder');
    const odd = [
      { ...lock.lock, mode: null },
      { ...lock.lock, holders: [] },
      { ...lock.lock, holders: [{ ...holder, session: 's99-0' }] },
      { ...lock.lock, holders: [{ ...holder, generation: 0 }] },
      { ...lock.lock, holders: [{ ...holder, generation: holder.generation + 1 }] },
      { ...lock.lock, mode: 'shared' as const, holders: [holder, holder] },
    ];
    for (const bad of odd) {
      const records = contents.map((record) => (record === lock ? { ...lock, lock: bad } : record));
      const encoded = records.map((record) => new Uint8Array(ports.codec.encode(record)));
      expect(() => restored({ records: () => encoded.values() } as never)).toThrow(RestoreError);
    }
  });
});
