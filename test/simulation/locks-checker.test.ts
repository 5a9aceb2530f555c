import { describe, expect, test } from 'vitest';
import type { LockMode } from '../../src/core/database/lock.ts';
import { type Acquired, LockChecker } from '../../src/simulator/checkers/locks.ts';
import { ReferenceCoordination } from '../../src/simulator/checkers/reference-coordination.ts';
import { FreshTerms } from '../../src/simulator/checkers/session-terms.ts';
import { ClientSession } from '../../src/simulator/client-session.ts';

// What clients were told of locks, and when (I20): each is a broken history that must be found, beside a sound one that must not.

const apart = 2 ** 40;

/** Clients that are told what the test says, at the time that it says. */
class Told {
  nowMs = 0;
  givenUpAbove = Number.POSITIVE_INFINITY;
  numbers = 0;
  #born = 0;
  readonly checker = new LockChecker({
    now: () => this.nowMs,
    driftPpm: 10_000,
    isGivenUp: (instance) => instance > this.givenUpAbove && instance < this.numbers,
    numbersBegin: () => this.numbers,
  });

  session(ttlMs = 10_000): ClientSession {
    return new ClientSession(`s${++this.#born}-0`, ttlMs, this.nowMs);
  }

  /** Asked for and answered at one moment, where nothing else is said. */
  acquires(
    session: ClientSession,
    generation: number,
    how: Partial<Pick<Acquired, 'mode' | 'lockDelayMs' | 'sentMs' | 'above'>> = {},
  ): void {
    const above = this.checker.asks(session, 'a');
    session.renewed(this.nowMs, generation);
    this.checker.acquired({
      ...{ session, lock: 'a', mode: 'exclusive', lockDelayMs: 0, generation, instance: generation, above },
      ...{ sentMs: this.nowMs, ...how },
    });
  }

  lives(session: ClientSession, instance: number): void {
    session.renewed(this.nowMs, instance);
    this.checker.renewed(session);
  }

  releases(session: ClientSession, generation: number): void {
    this.checker.releases(session, 'a', generation);
    this.checker.released('a', generation, { generation, instance: generation + 1 });
  }
}

const of = (generation: number, mode: LockMode = 'exclusive') => ({ lock: 'a', mode, generation });

describe('locks by what clients were told', () => {
  test('are held by one alone, until it lets go or may have been lost', () => {
    const told = new Told();
    const [one, two, three] = [told.session(), told.session(), told.session()];
    told.acquires(one, 5);
    told.nowMs = 1_000;
    expect(() => told.acquires(two, 7)).toThrow('held by two who exclude each other');
    const sound = new Told();
    sound.acquires(one, 5);
    sound.nowMs = 1_000;
    sound.releases(one, 5);
    sound.acquires(two, 7);
    // Its session is over at the earliest after all but a hundredth of its time.
    sound.nowMs = 10_900;
    sound.acquires(three, 9);
  });

  test('are held together by those who share them, and by nobody beside those', () => {
    const told = new Told();
    told.acquires(told.session(), 5, { mode: 'shared' });
    told.acquires(told.session(), 6, { mode: 'shared' });
    expect(() => told.acquires(told.session(), 7)).toThrow('held by two who exclude each other');
  });

  test('were held by two when the first turns out to have lived on', () => {
    const told = new Told();
    const one = told.session();
    told.acquires(one, 5);
    told.nowMs = 12_000;
    told.acquires(told.session(), 7);
    expect(() => told.lives(one, 9)).toThrow('held by two who exclude each other');
  });

  test('are kept for the lock-delay of who was lost, not of who let go', () => {
    const told = new Told();
    told.acquires(told.session(), 5, { lockDelayMs: 5_000 });
    told.nowMs = 14_000;
    expect(() => told.acquires(told.session(), 7)).toThrow('before its lock-delay was over');
    const sound = new Told();
    const one = sound.session();
    sound.acquires(one, 5, { lockDelayMs: 5_000 });
    sound.releases(one, 5);
    sound.acquires(sound.session(), 7, { lockDelayMs: 5_000 });
    sound.nowMs = 14_900;
    sound.acquires(sound.session(), 9);
  });

  test('are kept for the lock-delay that they were first asked for with, where that answer was lost', () => {
    const told = new Told();
    const one = told.session();
    const above = told.checker.asks(one, 'a');
    told.checker.asksInVain(one, 'a', { above, lockDelayMs: 1_000 });
    told.acquires(one, 5, { lockDelayMs: 5_000 });
    told.nowMs = 10_500;
    expect(() => told.acquires(told.session(), 7)).toThrow('before its lock-delay was over');
    const sound = new Told();
    const other = sound.session();
    sound.checker.asksInVain(other, 'a', { above: 0, lockDelayMs: 1_000 });
    sound.checker.asksInVain(other, 'a', { above: 0, lockDelayMs: 3_000 });
    sound.acquires(other, 5, { lockDelayMs: 5_000 });
    sound.nowMs = 10_950;
    sound.acquires(sound.session(), 7);
  });

  test('have generations that rise, and belong to one acquisition each', () => {
    const told = new Told();
    const [one, two] = [told.session(), told.session()];
    told.acquires(one, 5);
    told.releases(one, 5);
    expect(() => told.acquires(two, 5)).toThrow('generation 5 was given twice');
    expect(() => told.acquires(two, 4)).toThrow('was given after 5 had been answered');
    // A copy of what it had asked for before any of that.
    told.checker.asksInVain(two, 'a', { above: 0, lockDelayMs: 0 });
    told.acquires(two, 4);
  });

  test('are released by the acquisition that was named', () => {
    const told = new Told();
    const one = told.session();
    told.acquires(one, 5);
    expect(() => told.checker.released('a', 3, { generation: 5, instance: 6 })).toThrow('was released for 3');
  });

  test('let no write rest on what is over, and refuse none that rests on what stands', () => {
    const told = new Told();
    const [one, two] = [told.session(), told.session()];
    told.acquires(one, 5);
    told.nowMs = 100;
    told.checker.written(of(5), 50);
    expect(() => told.checker.fenced(of(5), 50)).toThrow('was refused while it stands');
    told.checker.fenced(of(5, 'shared'), 50);
    told.releases(one, 5);
    told.checker.fenced(of(5), 150);
    told.checker.written(of(5), 50);
    expect(() => told.checker.written(of(5), 150)).toThrow('which was over');
    told.acquires(two, 9);
    told.nowMs = 300;
    told.checker.sessionOver(two, 12);
    expect(() => told.checker.written(of(9), 400)).toThrow('which was over');
  });

  test('let no write rest on what somebody else has taken since', () => {
    const told = new Told();
    told.acquires(told.session(), 5);
    told.nowMs = 12_000;
    told.acquires(told.session(), 7);
    expect(() => told.checker.written(of(5), 12_000)).toThrow('7 came after it');
  });

  test('are judged by nothing that a later generation of the cell has given up', () => {
    const told = new Told();
    const [one, two] = [told.session(), told.session()];
    told.acquires(one, 5);
    told.nowMs = 100;
    told.releases(one, 5);
    told.acquires(two, 9);
    told.givenUpAbove = 5;
    told.numbers = apart;
    told.nowMs = 200;
    told.checker.written(of(5), 150);
    told.acquires(told.session(), apart + 1);
    expect(() => told.acquires(told.session(), 9, { above: 0 })).toThrow('generation 9 was given twice');
  });

  test('are sure of nobody whose request to let go may still arrive', () => {
    const told = new Told();
    const one = told.session();
    told.checker.releases(one, 'a', 0);
    told.checker.releasesInVain(one, 'a', 0);
    told.acquires(one, 5);
    told.nowMs = 10;
    told.acquires(told.session(), 7);
  });
});

describe('sessions under a new master', () => {
  test('have their full time before that one ends them (P54)', () => {
    const terms = new FreshTerms(10_000);
    terms.mastershipBegins(50_000);
    terms.expired({ session: 's1-0', ttlMs: 10_000 }, 59_900);
    expect(() => terms.expired({ session: 's1-0', ttlMs: 10_000 }, 51_000)).toThrow('without a fresh term');
  });
});

describe('the plain locks that answers are held against', () => {
  const acquire = (locks: ReferenceCoordination, session: string, instance: number, mode: LockMode = 'exclusive') =>
    locks.acquire({ lock: 'a', mode, lockDelayMs: 2_000, session }, instance);

  test('exclude, delay, and count as the contract says', () => {
    const locks = new ReferenceCoordination();
    for (const session of ['s1-0', 's2-0']) locks.open(session, 1_000);
    expect(acquire(locks, 's1-0', 3)).toEqual({ outcome: 'acquired', generation: 3 });
    expect(acquire(locks, 's1-0', 4)).toEqual({ outcome: 'acquired', generation: 3 });
    expect(acquire(locks, 's2-0', 4)).toEqual({ outcome: 'held', generation: 0 });
    expect(locks.release('a', 's1-0', 2)).toEqual({ outcome: 'not-held', generation: 0 });
    locks.advance(999);
    locks.renew('s2-0');
    expect(locks.expire(['s1-0'])).toEqual([]);
    locks.advance(1_000);
    expect(locks.expire(['s1-0', 's2-0'])).toEqual([{ session: 's1-0', ttlMs: 1_000 }]);
    expect(acquire(locks, 's2-0', 4)).toEqual({ outcome: 'delayed', generation: 0 });
    expect(locks.stands({ lock: 'a', mode: 'exclusive', generation: 3 })).toBe(false);
    locks.advance(3_000);
    expect(acquire(locks, 's2-0', 3)).toEqual({ outcome: 'acquired', generation: 4 });
    expect(locks.close('s2-0')).toBe(true);
    locks.open('s3-0', 1_000);
    expect(acquire(locks, 's3-0', 9)).toEqual({ outcome: 'acquired', generation: 9 });
  });
});
