/** Locks and sessions as documents, and what would come of a request for one. */
import { compareKeys } from '../../core/database/key.ts';
import {
  availableFrom,
  excludes,
  freeLock,
  isHeld,
  type Lock,
  type LockMode,
  lapsesAt,
  type Sequencer,
} from '../../core/database/lock.ts';
import type { LockDocument, LockDryRunDocument, SessionsDocument } from '../../formats/lock-body.ts';
import { sequencerText } from '../../formats/sequencer.ts';
import type { CoordinationState } from './service.ts';

/** Whether that acquisition stands in the state as it is now. */
export const stands = (state: CoordinationState, sequencer: Sequencer): boolean =>
  isHeld(state.lock(sequencer.lock), sequencer);

export function lockDocument(name: string, lock: Lock, cellTimeMs: number): LockDocument {
  const { mode, holders } = lock;
  const delay = (wanted: LockMode): number => Math.max(0, availableFrom(lock, wanted) - cellTimeMs);
  return {
    lock: name,
    mode,
    holders: holders.map(({ session, generation, lockDelayMs }) => ({
      session,
      generation,
      sequencer: sequencerText({ lock: name, mode: mode as LockMode, generation }),
      lockDelayMs,
    })),
    delayMs: { exclusive: delay('exclusive'), shared: delay('shared') },
  };
}

/** One page of locks that somebody holds, or that a lock-delay keeps. */
export function lockPage(
  state: CoordinationState,
  { prefix, after, limit }: { readonly prefix: string; readonly after: string | null; readonly limit: number },
): { readonly locks: readonly LockDocument[]; readonly next: string | null } {
  const { cellTimeMs } = state;
  const locks: LockDocument[] = [];
  const isLater = after !== null && compareKeys(after, prefix) > 0;
  for (const [name, lock] of state.locksFrom(isLater ? after : prefix)) {
    // What begins with the prefix stands together.
    if (!name.startsWith(prefix)) break;
    if (name === after) continue;
    const lapse = lapsesAt(lock);
    if (lapse !== null && lapse <= cellTimeMs) continue;
    if (locks.length >= limit) return { locks, next: locks.at(-1)?.lock ?? null };
    locks.push(lockDocument(name, lock, cellTimeMs));
  }
  return { locks, next: null };
}

export function sessionPage(
  state: CoordinationState,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): SessionsDocument {
  const { cellTimeMs } = state;
  const sessions: SessionsDocument['sessions'][number][] = [];
  for (const [session, { ttlMs, expiresCellTimeMs, answerCount }] of state.sessionsFrom(after ?? '')) {
    if (session === after) continue;
    if (sessions.length >= limit) return { sessions, next: sessions.at(-1)?.session ?? null };
    const expiresInMs = Math.max(0, expiresCellTimeMs - cellTimeMs);
    sessions.push({ session, ttlMs, expiresInMs, answers: answerCount, locks: state.locksHeldBy(session) });
  }
  return { sessions, next: null };
}

/** Whether there is that session in the state as it is now. */
export function isOpen(state: CoordinationState, session: string): boolean {
  const [first] = state.sessionsFrom(session);
  return first?.[0] === session;
}

/** `session` is null for one that does not exist yet. */
export function dryAcquire(
  state: CoordinationState,
  name: string,
  { mode, session }: { readonly mode: LockMode; readonly session: string | null },
): LockDryRunDocument['outcome'] {
  const lock = state.lock(name) ?? freeLock;
  if (lock.holders.some((holder) => holder.session === session)) return lock.mode === mode ? 'acquired' : 'held';
  if (excludes(lock, mode)) return 'held';
  return availableFrom(lock, mode) > state.cellTimeMs ? 'delayed' : 'acquired';
}

export function dryRelease(
  state: CoordinationState,
  name: string,
  { session, generation }: { readonly session: string; readonly generation: number },
): LockDryRunDocument['outcome'] {
  const own = state.lock(name)?.holders.find((holder) => holder.session === session);
  return own !== undefined && (generation === 0 || own.generation === generation) ? 'released' : 'not-held';
}
