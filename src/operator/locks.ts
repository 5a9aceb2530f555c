/** `lock acquire/release/list` and `session …`: one request each, and what the operator is told. */
import type { PaxosClient } from '../client/client.ts';
import type { AcquireOptions } from '../client/locks.ts';
import type { ClientSession, SessionNumber } from '../client/session.ts';
import { ConditionFailedError, InterruptedError, OutcomeUnknownError, UsageError } from '../errors/index.ts';
import {
  type AcquiredDocument,
  isSessionId,
  type LockDocument,
  type LockMode,
  type LocksDocument,
  lockDelayMsMax,
  type SessionsDocument,
} from '../formats/lock-body.ts';
import { type CellFlags, withCell } from './connect.ts';

export interface AcquireFlags {
  readonly mode: LockMode;
  readonly lockDelayMs: number | undefined;
  /** 0: others that hold it are an answer. */
  readonly waitMs: number;
  /** Of the session that is opened for the lock. */
  readonly ttlMs: number;
  readonly signal: AbortSignal;
  readonly onWait: (lock: LockDocument) => void;
}

export interface AcquireResult extends AcquiredDocument {
  /** The session ends so long after this, unless it is kept alive; null for one that was given. */
  readonly ttlMs: number | null;
}

export interface LockDryRunResult {
  readonly dryRun: true;
  readonly lock: string;
  readonly wouldChange: boolean;
}

/**
 * For the session that is named, or for one that is opened and left to end by itself.
 * @throws {ConditionFailedError} `PAXOS_LOCK_HELD` | `PAXOS_LOCK_DELAYED` (exit 6), when `waitMs` is over; nothing was done then.
 */
export function acquireLock(
  cell: CellFlags,
  lock: string,
  { session, ...flags }: AcquireFlags & { readonly session: string | undefined },
): Promise<AcquireResult> {
  checkName(lock);
  return withCell(cell, async (client): Promise<AcquireResult> => {
    if (session !== undefined) {
      checkSession(session);
      const options = acquireOptions(flags);
      const acquired = await waited(
        client.locks.acquire((run) => run(oneNumber(session)), lock, options),
        lock,
        flags,
      );
      return { ...acquired, ttlMs: null };
    }
    return withLock(client, lock, flags, async (opened, acquired) => ({ ...acquired, ttlMs: opened.ttlMs }));
  });
}

/** As the cell sees it now; of a session that is not open yet where none is named. */
export function foreseeAcquire(
  cell: CellFlags,
  lock: string,
  { session, mode }: Pick<AcquireFlags, 'mode'> & { readonly session: string | undefined },
): Promise<LockDryRunResult> {
  checkName(lock);
  return withCell(cell, async (client) => {
    if (session !== undefined) checkSession(session);
    const named = session === undefined ? {} : { session };
    const { outcome } = await client.locks.acquireDryRun(lock, { mode, ...named });
    if (outcome === 'acquired') return { dryRun: true, lock, wouldChange: true };
    const isDelay = outcome === 'delayed';
    throw new ConditionFailedError(
      isDelay ? 'The lock-delay of its last holder is not over.' : 'The lock is held by another session.',
      { code: isDelay ? 'PAXOS_LOCK_DELAYED' : 'PAXOS_LOCK_HELD', facts: { dryRun: true, lock } },
    );
  });
}

export interface ReleaseFlags {
  readonly session: string;
  /** Only by this acquisition, where given. */
  readonly generation: number | undefined;
  readonly dryRun: boolean;
}

/** @throws {ConditionFailedError} `PAXOS_LOCK_NOT_HELD` (exit 6), also of a dry run. */
export function releaseLock(
  cell: CellFlags,
  lock: string,
  { session, generation, dryRun }: ReleaseFlags,
): Promise<{ readonly lock: string; readonly released: true } | LockDryRunResult> {
  checkName(lock);
  checkSession(session);
  return withCell(cell, async (client) => {
    const only = generation === undefined ? {} : { generation };
    if (!dryRun) {
      await client.locks.release(oneNumber(session), lock, only);
      return { lock, released: true } as const;
    }
    const { outcome } = await client.locks.releaseDryRun(lock, session, only);
    if (outcome === 'released') return { dryRun, lock, wouldChange: true };
    throw new ConditionFailedError('The session does not hold the lock by that acquisition.', {
      code: 'PAXOS_LOCK_NOT_HELD',
      facts: { dryRun, lock, session },
    });
  });
}

export interface PageFlags {
  readonly after: string | undefined;
  readonly limit: number;
}

const pageMax = 1_000;

/** Up to `limit`, over as many pages as that takes; what changes between two of them may show or not. */
export function listLocks(
  cell: CellFlags,
  { prefix, after, limit }: PageFlags & { readonly prefix: string },
): Promise<LocksDocument> {
  return withCell(cell, async (client) => {
    const { items, next } = await pages(after, limit, async (from, size) => {
      const page = await client.locks.list({ prefix, limit: size, ...from });
      return { items: page.locks, next: page.next };
    });
    return { locks: items, next };
  });
}

/** As {@link listLocks}. */
export function listSessions(cell: CellFlags, { after, limit }: PageFlags): Promise<SessionsDocument> {
  if (after !== undefined) checkSession(after);
  return withCell(cell, async (client) => {
    const { items, next } = await pages(after, limit, async (from, size) => {
      const page = await client.locks.sessions({ limit: size, ...from });
      return { items: page.sessions, next: page.next };
    });
    return { sessions: items, next };
  });
}

export interface SessionResult {
  readonly session: string;
  readonly ttlMs?: number;
}

export interface SessionDryRunResult {
  readonly dryRun: true;
  readonly session: string | null;
  readonly wouldChange: true;
}

/** Whether the cell would do it: open one (null), or keep or close that one. @throws {OutcomeUnknownError} `PAXOS_SESSION_EXPIRED` as it would. */
export function foreseeSession(cell: CellFlags, session: string | null): Promise<SessionDryRunResult> {
  if (session !== null) checkSession(session);
  return withCell(cell, async (client) => {
    const isOpen = session === null || (await isAmongOpen(client, session));
    if (isOpen) return { dryRun: true, session, wouldChange: true };
    throw new OutcomeUnknownError(`The cell does not know session ${session}, or no more.`, {
      code: 'PAXOS_SESSION_EXPIRED',
      facts: { dryRun: true, session },
    });
  });
}

async function isAmongOpen(client: PaxosClient, wanted: string): Promise<boolean> {
  let after: string | null = null;
  do {
    const page: SessionsDocument = await client.locks.sessions({
      limit: pageMax,
      ...(after === null ? {} : { after }),
    });
    if (page.sessions.some(({ session }) => session === wanted)) return true;
    after = page.next;
  } while (after !== null);
  return false;
}

/** Left to end by itself, unless it is kept alive. */
export function openSession(cell: CellFlags, ttlMs: number): Promise<SessionResult> {
  return withCell(cell, async (client) => {
    const session = await client.openSession({ ttlMs });
    return { session: session.id, ttlMs: session.ttlMs };
  });
}

/** It ends its time to live from now. */
export function keepSession(cell: CellFlags, session: string): Promise<SessionResult> {
  checkSession(session);
  return withCell(cell, async (client) => {
    await client.keepSession(session);
    return { session };
  });
}

/** Ends it, and frees its locks at once. */
export function closeSession(cell: CellFlags, session: string): Promise<SessionResult> {
  checkSession(session);
  return withCell(cell, async (client) => {
    await client.endSession(session);
    return { session };
  });
}

/** @throws {UsageError} for a lock-delay that the cell does not take. */
function acquireOptions({ mode, lockDelayMs, waitMs, signal, onWait }: AcquireFlags): AcquireOptions {
  if (lockDelayMs !== undefined && lockDelayMs > lockDelayMsMax) {
    throw new UsageError(`A lock-delay is 0 to ${lockDelayMsMax / 1_000}s, not ${lockDelayMs / 1_000}s.`);
  }
  return { mode, waitMs, signal, onWait, ...(lockDelayMs === undefined ? {} : { lockDelayMs }) };
}

/** @throws {InterruptedError} when `signal` ended the waiting. */
async function waited(
  acquiring: Promise<AcquiredDocument>,
  lock: string,
  { signal }: Pick<AcquireFlags, 'signal'>,
): Promise<AcquiredDocument> {
  try {
    return await acquiring;
  } catch (error) {
    if ((error as Error).name !== 'AbortError' || !signal.aborted) throw error;
    throw new InterruptedError(`Interrupted while waiting for lock ${JSON.stringify(lock)}; it was not taken.`);
  }
}

/** How long a session is tried to be closed that will end by itself. */
const closeMsMax = 2_000;

/**
 * Opens a session, takes the lock in it and runs `work`; closes the session, with all its locks, when that fails. One that ends while
 * it waits has held nothing: another takes its place.
 */
export async function withLock<Result>(
  client: PaxosClient,
  lock: string,
  flags: AcquireFlags,
  work: (session: ClientSession, acquired: AcquiredDocument) => Promise<Result>,
): Promise<Result> {
  const options = acquireOptions(flags);
  const untilMs = performance.now() + flags.waitMs;
  for (;;) {
    const session = await client.openSession({ ttlMs: flags.ttlMs });
    const waitMs = Math.max(0, untilMs - performance.now());
    try {
      const acquired = await waited(session.acquire(lock, { ...options, waitMs }), lock, flags).catch((error) => {
        if (error.code === 'PAXOS_SESSION_EXPIRED' && performance.now() < untilMs) return null;
        throw error;
      });
      if (flags.signal.aborted) throw new InterruptedError(`Interrupted; lock ${JSON.stringify(lock)} is not kept.`);
      // Given up here while it waited, whatever the cell says of it: nothing may begin in it.
      const isOver = acquired === null || (session.isLost && performance.now() < untilMs);
      if (!isOver) return await work(session, acquired);
    } catch (error) {
      await closeSoon(session);
      throw error;
    }
    await closeSoon(session);
  }
}

/** It ends by itself where this cannot be told. */
const closeSoon = (session: ClientSession): Promise<void> => session.close({ timeoutMs: closeMsMax }).catch(() => {});

async function pages<Item>(
  after: string | undefined,
  limit: number,
  ask: (
    from: { readonly after?: string },
    size: number,
  ) => Promise<{ readonly items: readonly Item[]; readonly next: string | null }>,
): Promise<{ readonly items: readonly Item[]; readonly next: string | null }> {
  const items: Item[] = [];
  let next = after ?? null;
  do {
    const page = await ask(next === null ? {} : { after: next }, Math.min(pageMax, limit - items.length));
    items.push(...page.items);
    next = page.next;
  } while (next !== null && items.length < limit);
  return { items, next };
}

/** Commands that share a session know nothing of each other's numbers: one by the clock is new, and rises. */
const oneNumber = (session: string): SessionNumber => ({
  session,
  sequence: Date.now() * 1_000 + Math.floor(Math.random() * 1_000),
});

export function checkName(lock: string): void {
  if (lock === '') throw new UsageError('The name of the lock is empty; names hold 1 to 1024 bytes.');
}

function checkSession(session: string): void {
  if (isSessionId(session)) return;
  throw new UsageError(
    `${JSON.stringify(session)} is not the id of a session; "session list" shows those that are open.`,
  );
}
