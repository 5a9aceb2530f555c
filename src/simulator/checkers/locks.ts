/**
 * Locks (I20) by what clients were told, and when: at most one holds a lock exclusively, and nobody beside it; lock-delay is kept; generations
 * rise; a write with a sequencer succeeds only while its acquisition may stand, and is refused only when it may not.
 *
 * Source: CHB §2.4; pitfall P54. All in true time, and nothing of the log but which instances were given up: a hold is *sure* from its answer
 * until the client asked to let go, or its session may have ended at the earliest.
 */
import type { LockMode, Sequencer } from '../../core/database/lock.ts';
import { leastMs } from './session-terms.ts';
import { Violation } from './violation.ts';

/** A session, as far as its client knows it. */
export interface KnownSession {
  readonly id: string;
  readonly ttlMs: number;
  /** The last request that it answered was first sent then. */
  readonly aliveMs: number;
  /** Instance at which that was applied. */
  readonly aliveAt: number;
  readonly closingMs: number | null;
}

/** An answer that a lock was acquired. */
export interface Acquired {
  readonly session: KnownSession;
  readonly lock: string;
  readonly mode: LockMode;
  readonly lockDelayMs: number;
  readonly generation: number;
  readonly instance: number;
  /** From {@link LockChecker.asks}. */
  readonly above: number;
  readonly sentMs: number;
}

interface Acquisition extends Acquired {
  readonly answeredMs: number;
  /** Its client has asked for its end, or once did in a way that may still come true. */
  releasingMs: number;
  /** That it is over was answered then. */
  over: { readonly atMs: number; readonly instance: number } | null;
}

/** A request to acquire whose fate its client does not know. */
interface LateAcquire {
  readonly above: number;
  readonly lockDelayMs: number;
}

export interface LockCheckerOptions {
  readonly now: () => number;
  /** How fast the clocks may be that sessions end by. */
  readonly driftPpm: number;
  readonly isGivenUp: (instance: number) => boolean;
  /** Acquisitions of this and all later ones are of the newest generation of the cell. */
  readonly numbersBegin: () => number;
}

/** Of one lock, the newest. */
const keptMax = 12;
/** Clocks may go in steps this long. */
const clockStepMsMax = 16;

export class LockChecker {
  readonly #options: LockCheckerOptions;
  readonly #byLock = new Map<string, Acquisition[]>();
  /** Whose each generation is. */
  readonly #owners = new Map<number, string>();
  #highest = 0;
  /** By session and lock: what a copy of an older request may bring about, or has, of which its client was not told. */
  readonly #lateAcquire = new Map<string, LateAcquire>();
  readonly #lateRelease = new Set<string>();

  constructor(options: LockCheckerOptions) {
    this.#options = options;
  }

  /** Every acquisition that is still judged by. */
  get known(): readonly (Sequencer & { readonly session: KnownSession })[] {
    return [...this.#byLock.values()].flat();
  }

  /** A session is about to ask for a lock: what it gets has a higher generation than this, unless it has it already. */
  asks({ id }: KnownSession, lock: string): number {
    return this.#lateAcquire.get(keyOf(id, lock))?.above ?? this.#highest;
  }

  /** It was not told what came of that. An acquisition keeps the lock-delay that it was asked for with. */
  asksInVain({ id }: KnownSession, lock: string, { above, lockDelayMs }: LateAcquire): void {
    const late = this.#lateAcquire.get(keyOf(id, lock)) ?? { above, lockDelayMs };
    this.#lateAcquire.set(keyOf(id, lock), { ...late, lockDelayMs: Math.min(late.lockDelayMs, lockDelayMs) });
  }

  /** @throws {Violation} */
  acquired(answer: Acquired): void {
    const { session, lock, mode, generation, above } = answer;
    const owner = `${keyOf(session.id, lock)} ${mode}`;
    const known = this.#owners.get(generation);
    if (known !== undefined && known !== owner) {
      throw new Violation('lock', `generation ${generation} was given twice`, { first: known, second: owner });
    }
    if (known !== undefined) return this.renewed(session);
    // What an older generation of the cell gave, and this one has kept, may come late.
    if (generation <= above && generation > this.#options.numbersBegin()) {
      throw new Violation('lock', `generation ${generation} of ${lock} was given after ${above} had been answered`);
    }
    this.#owners.set(generation, owner);
    this.#highest = Math.max(this.#highest, generation);
    const now = this.#options.now();
    const releasingMs = this.#lateRelease.has(keyOf(session.id, lock)) ? now : Number.POSITIVE_INFINITY;
    const lockDelayMs = Math.min(
      answer.lockDelayMs,
      this.#lateAcquire.get(keyOf(session.id, lock))?.lockDelayMs ?? Number.POSITIVE_INFINITY,
    );
    const acquisitions = this.#byLock.get(lock) ?? [];
    this.#byLock.set(
      lock,
      [...acquisitions, { ...answer, lockDelayMs, answeredMs: now, releasingMs, over: null }].slice(-keptMax),
    );
    this.#checkLock(lock);
  }

  /** A request of that session was answered. @throws {Violation} */
  renewed({ id }: KnownSession): void {
    for (const [lock, acquisitions] of this.#byLock) {
      if (acquisitions.some(({ session }) => session.id === id)) this.#checkLock(lock);
    }
  }

  /** The session is about to ask for the end of an acquisition; `generation` 0: whichever it has. */
  releases({ id }: KnownSession, lock: string, generation: number): void {
    for (const acquisition of this.#byLock.get(lock) ?? []) {
      if (acquisition.session.id !== id) continue;
      if (generation !== 0 && acquisition.generation !== generation) continue;
      acquisition.releasingMs = Math.min(acquisition.releasingMs, this.#options.now());
    }
  }

  /** It was not told what came of that. */
  releasesInVain({ id }: KnownSession, lock: string, generation: number): void {
    if (generation === 0) this.#lateRelease.add(keyOf(id, lock));
  }

  /** @throws {Violation} when it was another acquisition than `asked`. */
  released(lock: string, asked: number, { generation, instance }: { generation: number; instance: number }): void {
    if (asked !== 0 && asked !== generation) {
      throw new Violation('lock', `acquisition ${generation} of ${lock} was released for ${asked}`);
    }
    const acquisition = this.#find(lock, generation);
    if (acquisition !== undefined) acquisition.over ??= { atMs: this.#options.now(), instance };
  }

  /** The cell has said so, at `instance`: it was closed or lost. */
  sessionOver({ id }: KnownSession, instance: number): void {
    for (const acquisition of [...this.#byLock.values()].flat()) {
      if (acquisition.session.id === id) acquisition.over ??= { atMs: this.#options.now(), instance };
    }
  }

  /** A write with that sequencer was carried out, which was first sent at `sentMs`. @throws {Violation} */
  written(sequencer: Sequencer, sentMs: number): void {
    const acquisition = this.#find(sequencer.lock, sequencer.generation);
    if (acquisition === undefined || this.#isGivenUp(acquisition)) return;
    const { over, lock, generation } = acquisition;
    if (over !== null && over.atMs <= sentMs && !this.#options.isGivenUp(over.instance)) {
      throw new Violation('lock', `a write rests on acquisition ${generation} of ${lock}, which was over`, {
        ...over,
        sentMs,
      });
    }
    const next = (this.#byLock.get(lock) ?? []).find(
      (other) =>
        other.generation > generation &&
        other.answeredMs <= sentMs &&
        exclude(other, acquisition) &&
        !this.#isGivenUp(other),
    );
    if (next === undefined) return;
    throw new Violation(
      'lock',
      `a write rests on acquisition ${generation} of ${lock}, and ${next.generation} came after it`,
    );
  }

  /** A write with that sequencer was refused for it. @throws {Violation} */
  fenced(sequencer: Sequencer, sentMs: number): void {
    const { lock, mode, generation } = sequencer;
    const acquisition = this.#find(lock, generation);
    if (acquisition === undefined || acquisition.mode !== mode || acquisition.answeredMs > sentMs) return;
    const now = this.#options.now();
    if (now >= this.#heldUntil(acquisition)) return;
    throw new Violation(
      'lock',
      `a write that rests on acquisition ${generation} of ${lock} was refused while it stands`,
      {
        sentMs,
        heldUntilMs: this.#heldUntil(acquisition),
      },
    );
  }

  #find(lock: string, generation: number): Acquisition | undefined {
    return this.#byLock.get(lock)?.find((acquisition) => acquisition.generation === generation);
  }

  #isGivenUp({ instance }: Acquisition): boolean {
    return this.#options.isGivenUp(instance);
  }

  #least(ms: number): number {
    return Math.max(0, leastMs(ms, this.#options.driftPpm) - clockStepMsMax);
  }

  /** Its client surely holds it until then; of what was given up nothing is sure. */
  #heldUntil(acquisition: Acquisition): number {
    const { session, releasingMs } = acquisition;
    if (this.#isGivenUp(acquisition) || this.#options.isGivenUp(session.aliveAt)) return Number.NEGATIVE_INFINITY;
    const leftMs = Math.min(releasingMs, session.closingMs ?? Number.POSITIVE_INFINITY);
    return Math.min(leftMs, session.aliveMs + this.#least(session.ttlMs));
  }

  /** Nobody takes the lock from it before that: when it was lost, its lock-delay comes after it. */
  #keptUntil(acquisition: Acquisition): number {
    const { session, releasingMs, lockDelayMs } = acquisition;
    const until = this.#heldUntil(acquisition);
    const left = Math.min(releasingMs, session.closingMs ?? Number.POSITIVE_INFINITY);
    return left === Number.POSITIVE_INFINITY ? until + this.#least(lockDelayMs) : until;
  }

  #checkLock(lock: string): void {
    const acquisitions = (this.#byLock.get(lock) ?? []).filter((acquisition) => !this.#isGivenUp(acquisition));
    acquisitions.forEach((one, i) => {
      for (const other of acquisitions.slice(i + 1)) if (exclude(one, other)) this.#checkPair(one, other);
    });
  }

  /** Two that exclude each other, in the order of their answers. */
  #checkPair(first: Acquisition, second: Acquisition): void {
    const facts = { lock: first.lock, first: describe(first), second: describe(second) };
    const from = second.answeredMs;
    if (from < this.#heldUntil(first) && from < this.#heldUntil(second)) {
      throw new Violation('lock', `${first.lock} is held by two who exclude each other`, facts);
    }
    if (second.sentMs < first.answeredMs || from >= this.#keptUntil(first)) return;
    throw new Violation(
      'lock',
      `${first.lock} was taken from a session that had it, or before its lock-delay was over`,
      {
        ...facts,
        keptUntilMs: this.#keptUntil(first),
      },
    );
  }
}

const keyOf = (session: string, lock: string): string => `${session} ${lock}`;

const exclude = (one: Acquisition, other: Acquisition): boolean =>
  one.session.id !== other.session.id && (one.mode === 'exclusive' || other.mode === 'exclusive');

const describe = ({ session, mode, generation, answeredMs }: Acquisition): Record<string, unknown> => ({
  ...{ session: session.id, mode, generation, answeredMs },
});
