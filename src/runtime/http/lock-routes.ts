/**
 * Advisory locks of sessions, their sequencers, and the list of sessions (CHB §2.4).
 *
 * Nobody waits in a replica: a lock that others hold is refused at once, and who wants it asks again.
 */
import type { Command } from '../../core/database/command.ts';
import type { Sequencer } from '../../core/database/lock.ts';
import { freeLock, type LockMode } from '../../core/database/lock.ts';
import {
  type AcquiredDocument,
  isSessionId,
  type LockDryRunDocument,
  type LocksDocument,
  type ReleasedDocument,
  type SequencerDocument,
} from '../../formats/lock-body.ts';
import { sequencerFromText, sequencerText } from '../../formats/sequencer.ts';
import { readBody, readJson } from './body-reader.ts';
import { acquireLockSchema } from './body-schemas.ts';
import { sessionNumberFrom } from './conditions.ts';
import { keyFault } from './entries-query.ts';
import type { Exchange } from './exchange.ts';
import { onMasterSince } from './gate.ts';
import { keyFromPath } from './keys.ts';
import { dryRunParameter, epochHeader } from './kv-routes.ts';
import type { HttpLimits } from './limits.ts';
import { dryAcquire, dryRelease, isOpen, lockDocument, lockPage, sessionPage, stands } from './lock-documents.ts';
import { type PlainResult, propose } from './propose.ts';
import { isFault, readFlag, readInteger } from './query.ts';
import type { Route } from './route.ts';

const lockDelayMsDefault = 15_000;
const dots = /^(?:\.|%2e){1,2}$/i;

type LockResult = PlainResult & { readonly kind: 'lock' };
type LockRequest = Command & { readonly kind: 'acquire-lock' | 'release-lock' };

const sessionHeader = { 'Idempotency-Key': 'session/sequence: the session that takes or releases the lock' };

/** The name that stands in the path; slashes are percent-encoded. */
function withName(exchange: Exchange, then: (lock: string) => void): void {
  if (dots.test(exchange.parameter)) {
    return exchange.problem(
      'PAXOS_LOCK_INVALID',
      'No lock is named "." or "..", which clients and proxies resolve away.',
    );
  }
  const lock = keyFromPath(exchange.parameter);
  if (isFault(lock)) exchange.fault(lock);
  else then(lock);
}

/** What is asked for by a session: carried out, or with `dryRun` foreseen by the master. */
function asked(
  exchange: Exchange,
  lock: string,
  {
    command,
    foresee,
  }: {
    readonly command: (session: LockRequest['session']) => LockRequest;
    readonly foresee: (session: string | null) => LockDryRunDocument['outcome'];
  },
): void {
  const session = sessionNumberFrom(exchange.headers);
  if (isFault(session)) return exchange.fault(session);
  const dry = readFlag(exchange.query, 'dryRun');
  if (isFault(dry)) return exchange.fault(dry);
  if (dry) {
    return onMasterSince(exchange, () => {
      if (session !== null && !isOpen(exchange.service.coordination(), session.session)) {
        return exchange.problem('PAXOS_SESSION_EXPIRED', 'The session is not open, or no longer.');
      }
      const document: LockDryRunDocument = { dryRun: true, lock, outcome: foresee(session?.session ?? null) };
      exchange.json(document);
    });
  }
  if (session === null) {
    return exchange.problem(
      'PAXOS_BAD_HEADER',
      'Idempotency-Key must name the session that takes or releases the lock.',
    );
  }
  const request = command(session);
  onMasterSince(exchange, () =>
    propose(exchange, request, (result) => {
      if (result.kind === 'lock') answer(exchange, request, result);
      else {
        const { sequence } = session;
        exchange.problem(
          'PAXOS_SESSION_NUMBER_INVALID',
          `Number ${sequence} of the session was used for another request.`,
        );
      }
    }),
  );
}

function answer(exchange: Exchange, request: LockRequest, { outcome, generation, instance, epoch }: LockResult): void {
  const { lock } = request;
  switch (outcome) {
    case 'acquired': {
      if (request.kind !== 'acquire-lock') break;
      const { mode } = request;
      const sequencer = sequencerText({ lock, mode, generation });
      const { session } = request.session;
      const document: AcquiredDocument = { lock, mode, generation, sequencer, session, instance, epoch };
      return exchange.json(document);
    }
    case 'released': {
      const document: ReleasedDocument = { released: true, lock, generation, instance, epoch };
      return exchange.json(document);
    }
    case 'held':
    case 'delayed':
      if (request.kind !== 'acquire-lock') break;
      return refused(exchange, outcome, request);
    case 'full':
      return exchange.problem('PAXOS_LOCKS_FULL', 'There are as many holders of locks as there may be.', {
        retryAfterMs: 1_000,
      });
    case 'not-held':
      return exchange.problem('PAXOS_LOCK_NOT_HELD', 'The session does not hold the lock by that acquisition.');
  }
  exchange.problem('PAXOS_SESSION_NUMBER_INVALID', 'This number of the session was used for another request.');
}

/** With what is true of the lock now, which may be more than what was when the request was refused. */
function refused(
  exchange: Exchange,
  outcome: 'held' | 'delayed',
  { lock: name, mode }: { lock: string; mode: LockMode },
): void {
  const state = exchange.service.coordination();
  const { holders, ...lock } = lockDocument(name, state.lock(name) ?? freeLock, state.cellTimeMs);
  const availableInMs = lock.delayMs[mode];
  if (outcome === 'delayed') {
    return exchange.problem(
      'PAXOS_LOCK_DELAYED',
      `Its last holder was lost: lock-delay goes on for ${availableInMs} ms.`,
      {
        facts: { availableInMs },
      },
    );
  }
  const sessions = holders.slice(0, 10).map(({ session }) => session);
  exchange.problem(
    'PAXOS_LOCK_HELD',
    `The lock is held${lock.mode === null ? '' : ` (${lock.mode})`} by another session.`,
    {
      facts: { mode: lock.mode, holders: sessions, holderCount: holders.length },
    },
  );
}

function acquire(exchange: Exchange): void {
  withName(exchange, (lock) =>
    readJson(exchange, acquireLockSchema, { optional: true }, ({ mode = 'exclusive', lockDelayMs }) =>
      asked(exchange, lock, {
        command: (session) => ({
          kind: 'acquire-lock',
          lock,
          mode,
          lockDelayMs: lockDelayMs ?? lockDelayMsDefault,
          session,
        }),
        foresee: (session) => dryAcquire(exchange.service.coordination(), lock, { mode, session }),
      }),
    ),
  );
}

function release(exchange: Exchange): void {
  withName(exchange, (lock) => {
    const asGiven = readInteger(exchange.query, 'generation', { min: 1, max: Number.MAX_SAFE_INTEGER });
    if (isFault(asGiven)) return exchange.fault(asGiven);
    const generation = asGiven ?? 0;
    readBody(exchange, 0, () =>
      asked(exchange, lock, {
        command: (session) => ({ kind: 'release-lock', lock, generation, session }),
        foresee: (session) =>
          session === null ? 'not-held' : dryRelease(exchange.service.coordination(), lock, { session, generation }),
      }),
    );
  });
}

function show(exchange: Exchange): void {
  withName(exchange, (lock) =>
    onMasterSince(exchange, () => {
      const state = exchange.service.coordination();
      exchange.json(lockDocument(lock, state.lock(lock) ?? freeLock, state.cellTimeMs));
    }),
  );
}

function list(exchange: Exchange, limits: HttpLimits): void {
  const { query } = exchange;
  const limit = readInteger(query, 'limit', { min: 1, max: limits.listEntriesMax });
  if (isFault(limit)) return exchange.fault(limit);
  const prefix = query.get('prefix') ?? '';
  const after = query.get('after') ?? null;
  const tooLong = keyFault(prefix, after ?? '');
  if (tooLong !== null) return exchange.fault(tooLong);
  onMasterSince(exchange, () => {
    const wanted = { prefix, after, limit: limit ?? limits.listEntriesDefault };
    const document: LocksDocument = lockPage(exchange.service.coordination(), wanted);
    exchange.json(document);
  });
}

function listSessions(exchange: Exchange, limits: HttpLimits): void {
  const { query } = exchange;
  const limit = readInteger(query, 'limit', { min: 1, max: limits.listEntriesMax });
  if (isFault(limit)) return exchange.fault(limit);
  const after = query.get('after') ?? null;
  if (after !== null && !isSessionId(after)) {
    return exchange.problem('PAXOS_BAD_QUERY', 'Query parameter "after" is the id of a session.');
  }
  onMasterSince(exchange, () => {
    const wanted = { after, limit: limit ?? limits.listEntriesDefault };
    exchange.json(sessionPage(exchange.service.coordination(), wanted));
  });
}

function check(exchange: Exchange): void {
  const sequencer = readSequencer(exchange.parameter);
  if (sequencer === null) {
    return exchange.problem('PAXOS_LOCK_INVALID', 'This is not the "sequencer" of an answer to POST /v1/locks/{lock}.');
  }
  onMasterSince(exchange, () => {
    const valid = stands(exchange.service.coordination(), sequencer);
    const document: SequencerDocument = { sequencer: sequencerText(sequencer), valid };
    exchange.json(document);
  });
}

/** As it was answered, or percent-encoded once more: its own escapes are such that it may stand in a path as it is. */
function readSequencer(parameter: string): Sequencer | null {
  try {
    return sequencerFromText(parameter) ?? sequencerFromText(decodeURIComponent(parameter));
  } catch {
    return null;
  }
}

const page = {
  after: { description: 'Only what follows this: `next` of the page before.', type: 'string' },
  limit: { description: 'Of one page, at most.', type: 'integer' },
} as const;

export const lockRoutes = (limits: HttpLimits): readonly Route[] => [
  {
    method: 'POST',
    path: '/v1/locks/{lock}',
    operation: 'acquireLock',
    summary:
      'Takes a lock for a session, or says at once why not. Asked again, the session is told of the acquisition that it has, whose lock-delay stays.',
    query: { dryRun: dryRunParameter },
    headers: { ...sessionHeader, ...epochHeader },
    body: { json: acquireLockSchema, optional: true },
    answer: '{"lock","mode","generation","sequencer","session","instance","epoch"}.',
    problems: [
      'PAXOS_LOCK_INVALID',
      'PAXOS_LOCK_HELD',
      'PAXOS_LOCK_DELAYED',
      'PAXOS_LOCKS_FULL',
      'PAXOS_LEVEL_TOO_LOW',
      'PAXOS_SESSION_EXPIRED',
      'PAXOS_SESSION_NUMBER_INVALID',
    ],
    handle: acquire,
  },
  {
    method: 'DELETE',
    path: '/v1/locks/{lock}',
    operation: 'releaseLock',
    summary: 'Releases a lock that the session holds; it is free at once.',
    query: {
      generation: { description: 'Only if the session holds it by this acquisition.', type: 'integer' },
      dryRun: dryRunParameter,
    },
    headers: { ...sessionHeader, ...epochHeader },
    answer: '{"released":true,"lock","generation","instance","epoch"}.',
    problems: [
      'PAXOS_LOCK_INVALID',
      'PAXOS_LOCK_NOT_HELD',
      'PAXOS_LEVEL_TOO_LOW',
      'PAXOS_SESSION_EXPIRED',
      'PAXOS_SESSION_NUMBER_INVALID',
    ],
    handle: release,
  },
  {
    method: 'GET',
    path: '/v1/locks/{lock}',
    operation: 'getLock',
    summary: 'Who holds a lock, and how long lock-delay keeps it.',
    headers: epochHeader,
    answer:
      '{"lock","mode","holders":[{"session","generation","sequencer","lockDelayMs"}],"delayMs":{"exclusive","shared"}}.',
    problems: ['PAXOS_LOCK_INVALID'],
    handle: show,
  },
  {
    method: 'GET',
    path: '/v1/locks',
    operation: 'listLocks',
    summary: 'Lists locks that are held, or kept by a lock-delay, by name.',
    query: { prefix: { description: 'Only names that begin with this.', type: 'string' }, ...page },
    headers: epochHeader,
    answer: '{"locks":[…],"next"}.',
    handle: (exchange) => list(exchange, limits),
  },
  {
    method: 'GET',
    path: '/v1/sequencers/{sequencer}',
    operation: 'checkSequencer',
    summary: 'Whether the acquisition that a sequencer stands for still stands.',
    headers: epochHeader,
    answer: '{"sequencer","valid"}.',
    problems: ['PAXOS_LOCK_INVALID'],
    handle: check,
  },
  {
    method: 'GET',
    path: '/v1/sessions',
    operation: 'listSessions',
    summary: 'Lists the sessions that are open, with what each holds.',
    query: page,
    headers: epochHeader,
    answer: '{"sessions":[{"session","ttlMs","expiresInMs","answers","locks"}],"next"}.',
    handle: (exchange) => listSessions(exchange, limits),
  },
];
