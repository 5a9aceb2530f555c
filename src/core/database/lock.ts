/**
 * One lock of the lock service: who holds it, and from when on it may be taken.
 *
 * Source: CHB §2.4 (locks, sequencers, lock-delay). Locks are advisory: what stops a holder that lost its lock without noticing
 * is the sequencer, which the cell checks with each write that carries one.
 */
import type { CellTimeMs } from '../consensus/identity.ts';
import type { DatabaseRecord } from './record.ts';

export const lockModes = ['exclusive', 'shared'] as const;
export type LockMode = (typeof lockModes)[number];

/** Numbers every acquisition in the cell: rises, and never repeats, in later generations of the cell neither. */
export type LockGeneration = number;

/** Which acquisition of which lock a write rests on. */
export interface Sequencer {
  readonly lock: string;
  readonly mode: LockMode;
  readonly generation: LockGeneration;
}

export interface LockHolder {
  readonly session: string;
  readonly generation: LockGeneration;
  /** For how long nobody else may take the lock when the session is lost. */
  readonly lockDelayMs: number;
}

/** Immutable: every change makes another one. */
export interface Lock {
  /** Null while nobody holds it. */
  readonly mode: LockMode | null;
  /** In the order of their generations. */
  readonly holders: readonly LockHolder[];
  /** A holder was lost: before this cell time nobody takes the lock exclusively. */
  readonly exclusiveFrom: CellTimeMs;
  /** An exclusive holder was lost: before this cell time nobody takes the lock at all. */
  readonly sharedFrom: CellTimeMs;
}

export const freeLock: Lock = {
  mode: null,
  holders: [],
  exclusiveFrom: 0 as CellTimeMs,
  sharedFrom: 0 as CellTimeMs,
};

/** Cell time from which on nobody needs to know of the lock; null while somebody holds it. */
export const lapsesAt = ({ holders, exclusiveFrom, sharedFrom }: Lock): CellTimeMs | null =>
  holders.length > 0 ? null : (Math.max(exclusiveFrom, sharedFrom) as CellTimeMs);

/** Cell time from which on lock-delay lets it be taken in this mode. */
export const availableFrom = (lock: Lock, mode: LockMode): CellTimeMs =>
  mode === 'exclusive' ? (Math.max(lock.exclusiveFrom, lock.sharedFrom) as CellTimeMs) : lock.sharedFrom;

/** Whether holders stand in the way of one more. */
export const excludes = ({ mode: held }: Lock, mode: LockMode): boolean =>
  held !== null && (held === 'exclusive' || mode === 'exclusive');

/** Whether that acquisition of the lock stands. */
export const isHeld = (lock: Lock | null | undefined, { mode, generation }: Sequencer): boolean =>
  lock?.mode === mode && lock.holders.some((holder) => holder.generation === generation);

export const withHolder = (lock: Lock, mode: LockMode, holder: LockHolder): Lock => ({
  ...lock,
  mode,
  holders: [...lock.holders, holder],
});

/** Without the holders of those sessions; `lostAt` is null where they let go by themselves. */
export function withoutHolders(lock: Lock, sessions: ReadonlySet<string>, lostAt: CellTimeMs | null): Lock {
  const holders = lock.holders.filter(({ session }) => !sessions.has(session));
  const gone = lock.holders.filter(({ session }) => sessions.has(session));
  const left = { ...lock, mode: holders.length === 0 ? null : lock.mode, holders };
  if (gone.length === 0 || lostAt === null) return left;
  const lockDelayMs = Math.max(...gone.map((holder) => holder.lockDelayMs));
  const until = Math.min(lostAt + lockDelayMs, Number.MAX_SAFE_INTEGER) as CellTimeMs;
  const later = (from: CellTimeMs): CellTimeMs => Math.max(from, until) as CellTimeMs;
  return {
    ...left,
    exclusiveFrom: later(lock.exclusiveFrom),
    sharedFrom: lock.mode === 'exclusive' ? later(lock.sharedFrom) : lock.sharedFrom,
  };
}

export const lockRecord = (name: string, lock: Lock): DatabaseRecord => ({ kind: 'lock', name, lock });
