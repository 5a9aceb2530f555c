/**
 * All locks: replicated state like any other, in snapshots and in the checksum (CHB §2.4; pitfall P54, invariant I20).
 *
 * Keeps: every holder is a session that is open; generations rise with every acquisition; a lock that nobody holds and no lock-delay keeps is not
 * there. Exclusion holds in cell time, which no client's clock has a part in.
 */
import type { CellTimeMs, Instance } from '../consensus/identity.ts';
import { type DigestSum, digestOf } from './checksum.ts';
import {
  availableFrom,
  excludes,
  freeLock,
  isHeld,
  type Lock,
  type LockGeneration,
  type LockMode,
  lapsesAt,
  lockRecord,
  type Sequencer,
  withHolder,
  withoutHolders,
} from './lock.ts';
import { holdersOfLockMax, lockHoldersMax } from './lock-limits.ts';
import type { DatabasePorts, DatabaseRecord } from './record.ts';
import type { StateStore, StateView } from './state-store.ts';

export const lockOutcomes = [
  /** The session holds it, now or since before. */
  'acquired',
  'released',
  /** Others hold it in a mode that excludes this one, or the session itself in another mode. */
  'held',
  /** A holder was lost, and its lock-delay is not over. */
  'delayed',
  /** The cell, or this lock, has as many holders as there may be. */
  'full',
  /** To be released by a session that does not hold it, or by an acquisition that is over. */
  'not-held',
] as const;

export interface LockOutcome {
  readonly outcome: (typeof lockOutcomes)[number];
  /** Of the acquisition that it is about; 0 where there is none. */
  readonly generation: LockGeneration;
}

export interface LockView {
  readonly locks: StateView<Lock>;
  /** The last one given out; 0 while there was none. */
  readonly generation: LockGeneration;
}

export class LockTable {
  readonly #store: StateStore<Lock>;
  readonly #sum: DigestSum;
  readonly #ports: DatabasePorts;
  #generation: LockGeneration = 0;
  #holders = 0;
  /** What each session holds; follows from the locks, as what is below does. */
  readonly #bySession = new Map<string, Set<string>>();
  /** Held by nobody, and kept for a lock-delay. */
  readonly #lapsing = new Set<string>();
  /** None of them lapses before this. */
  #earliestLapse = Number.POSITIVE_INFINITY;

  constructor(store: StateStore<Lock>, sum: DigestSum, ports: DatabasePorts) {
    this.#store = store;
    this.#sum = sum;
    this.#ports = ports;
  }

  get generation(): LockGeneration {
    return this.#generation;
  }

  /** Holders of all locks, and the locks that a lock-delay keeps: {@link lockHoldersMax} bounds both together. */
  get places(): number {
    return this.#holders + this.#lapsing.size;
  }

  /** How many locks a session holds. */
  heldBy(session: string): number {
    return this.#bySession.get(session)?.size ?? 0;
  }

  find(name: string): Lock | undefined {
    return this.#store.get(name);
  }

  /** Whether that acquisition still stands. */
  isHeld(sequencer: Sequencer): boolean {
    return isHeld(this.#store.get(sequencer.lock), sequencer);
  }

  /**
   * `session` is open. Asked again, it is told of the acquisition that it has, which stays as it is: the lock-delay asked for then
   * is not looked at.
   */
  acquire(
    asked: {
      readonly lock: string;
      readonly mode: LockMode;
      readonly lockDelayMs: number;
      readonly session: string;
    },
    instance: Instance,
    now: CellTimeMs,
  ): LockOutcome {
    const { lock: name, mode, lockDelayMs, session } = asked;
    this.#sweep(now);
    const lock = this.#store.get(name) ?? freeLock;
    const own = lock.holders.find((holder) => holder.session === session);
    if (own !== undefined) {
      return lock.mode === mode
        ? { outcome: 'acquired', generation: own.generation }
        : { outcome: 'held', generation: 0 };
    }
    if (excludes(lock, mode)) return { outcome: 'held', generation: 0 };
    if (availableFrom(lock, mode) > now) return { outcome: 'delayed', generation: 0 };
    if (this.places >= lockHoldersMax || lock.holders.length >= holdersOfLockMax) {
      return { outcome: 'full', generation: 0 };
    }
    // Instances of a later generation of the cell begin above everything before, so that no restore brings a number back (design §3).
    const generation = Math.max(this.#generation + 1, instance);
    this.loadGeneration(generation);
    this.#replace(name, withHolder(lock, mode, { session, generation, lockDelayMs }));
    return { outcome: 'acquired', generation };
  }

  /** `generation` 0 stands for whichever acquisition the session has. */
  release(name: string, session: string, generation: LockGeneration): LockOutcome {
    const lock = this.#store.get(name);
    const own = lock?.holders.find((holder) => holder.session === session);
    if (lock === undefined || own === undefined || (generation !== 0 && own.generation !== generation)) {
      return { outcome: 'not-held', generation: 0 };
    }
    this.#replace(name, withoutHolders(lock, new Set([session]), null));
    return { outcome: 'released', generation: own.generation };
  }

  /**
   * Frees what the sessions hold; `lostAt` is null when they were closed in good order: then there is no lock-delay. Each lock is changed once,
   * however many of its holders go.
   */
  endSessions(sessions: readonly string[], lostAt: CellTimeMs | null): void {
    const ended = new Set(sessions);
    const names = new Set(sessions.flatMap((session) => [...(this.#bySession.get(session) ?? [])]));
    for (const name of names) this.#replace(name, withoutHolders(this.#store.get(name) as Lock, ended, lostAt));
  }

  /** Forgets what no lock-delay keeps any more. Whenever it is done, all replicas do it alike: it depends on nothing but what is replicated. */
  #sweep(now: CellTimeMs): void {
    if (now < this.#earliestLapse) return;
    this.#earliestLapse = Number.POSITIVE_INFINITY;
    for (const name of [...this.#lapsing]) {
      const lapse = lapsesAt(this.#store.get(name) as Lock) as CellTimeMs;
      if (lapse <= now) this.#replace(name, freeLock);
      else this.#earliestLapse = Math.min(this.#earliestLapse, lapse);
    }
  }

  #replace(name: string, lock: Lock): void {
    const before = this.#store.get(name);
    if (before !== undefined) {
      this.#sum.subtract(digestOf(this.#ports, lockRecord(name, before)));
      this.#forget(name, before);
      this.#store.delete(name);
    }
    // 0 in both: nobody was lost, so nothing has to be known of it.
    if (lapsesAt(lock) !== 0) this.load(name, lock);
  }

  #forget(name: string, { holders }: Lock): void {
    this.#lapsing.delete(name);
    this.#holders -= holders.length;
    for (const { session } of holders) {
      const names = this.#bySession.get(session);
      names?.delete(name);
      if (names?.size === 0) this.#bySession.delete(session);
    }
  }

  from(name: string): IterableIterator<readonly [string, Lock]> {
    return this.#store.from(name);
  }

  /** Sets a lock that is not there, as it is. */
  load(name: string, lock: Lock): void {
    this.#store.set(name, lock);
    this.#sum.add(digestOf(this.#ports, lockRecord(name, lock)));
    this.#holders += lock.holders.length;
    for (const { session } of lock.holders) {
      const names = this.#bySession.get(session);
      if (names === undefined) this.#bySession.set(session, new Set([name]));
      else names.add(name);
    }
    const lapse = lapsesAt(lock);
    if (lapse === null) return;
    this.#lapsing.add(name);
    this.#earliestLapse = Math.min(this.#earliestLapse, lapse);
  }

  loadGeneration(generation: LockGeneration): void {
    if (this.#generation > 0) this.#sum.subtract(digestOf(this.#ports, generationRecord(this.#generation)));
    this.#generation = generation;
    this.#sum.add(digestOf(this.#ports, generationRecord(generation)));
  }

  view(): LockView {
    return { locks: this.#store.view(), generation: this.#generation };
  }
}

const generationRecord = (generation: LockGeneration): DatabaseRecord => ({ kind: 'lock-generation', generation });

/** In canonical order: the generation, where there is one, and the locks by name. */
export function* lockRecords({ locks, generation }: LockView): IterableIterator<DatabaseRecord> {
  if (generation > 0) yield generationRecord(generation);
  for (const [name, lock] of locks.from('')) yield lockRecord(name, lock);
}

export const lockRecordCount = ({ locks, generation }: LockView): number => (generation > 0 ? 1 : 0) + locks.size;
