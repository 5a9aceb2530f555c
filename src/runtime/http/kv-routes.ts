/** One key: the hot path. Raw bodies, no JSON on the way in, no promise and no timer of its own. */
import { type MultiOp, valueBytesMax } from '../../core/database/command.ts';
import { readBody } from './body-reader.ts';
import { deleteCommand, multiOpCommand, putCommand } from './commands.ts';
import { epochFrom, guardFrom, sequencerFrom, sessionNumberFrom } from './conditions.ts';
import { dryRun } from './dry-run.ts';
import type { Exchange } from './exchange.ts';
import { onAnyReplica, onMaster, onMasterSince } from './gate.ts';
import { stands } from './lock-documents.ts';
import { type PlainResult, propose, sequencerOver } from './propose.ts';
import { isFault, readFlag } from './query.ts';
import type { ParameterDescription, Route } from './route.ts';

export const dryRunParameter: ParameterDescription = {
  description: 'Tells what the write would do, and does not do it.',
  type: 'boolean',
};

export const epochHeader = {
  'Paxos-Epoch': 'Fails with 409 unless the master has been master without a break since this epoch',
};

export const writeHeaders = {
  'Idempotency-Key': 'session/sequence: makes the write safe to send again',
  'Paxos-Sequencer': 'Fails with 409 unless that acquisition of a lock stands when the write is carried out',
  ...epochHeader,
};

const conditionHeaders = {
  'If-Match': '"revision" of the last change of the entry, or * for any entry',
  'If-None-Match': '* : the key must be absent',
};

function put(exchange: Exchange): void {
  const guard = guardFrom(exchange.headers, exchange.parameter);
  if (isFault(guard)) return exchange.fault(guard);
  readBody(exchange, valueBytesMax, (value) =>
    write(exchange, putCommand(exchange.parameter, value, guard), putAnswer),
  );
}

function remove(exchange: Exchange): void {
  const guard = guardFrom(exchange.headers, exchange.parameter);
  if (isFault(guard)) return exchange.fault(guard);
  const multiOp = deleteCommand(exchange.parameter, guard);
  // A body has no meaning here, and is read only to be thrown away.
  readBody(exchange, 0, () => write(exchange, multiOp, deleteAnswer));
}

/** Takes a checked MultiOp to the log under the conditions of the request's headers. */
export function write(
  exchange: Exchange,
  multiOp: MultiOp,
  answer: (exchange: Exchange, result: PlainResult & { kind: 'multiop' }, multiOp: MultiOp) => void,
): void {
  const session = sessionNumberFrom(exchange.headers);
  if (isFault(session)) return exchange.fault(session);
  const ifEpoch = epochFrom(exchange.headers);
  if (isFault(ifEpoch)) return exchange.fault(ifEpoch);
  const sequencer = sequencerFrom(exchange.headers);
  if (isFault(sequencer)) return exchange.fault(sequencer);
  const dry = readFlag(exchange.query, 'dryRun');
  if (isFault(dry)) return exchange.fault(dry);
  if (dry) {
    return onMasterSince(exchange, () => {
      if (sequencer === null || stands(exchange.service.coordination(), sequencer)) {
        exchange.json(dryRun(exchange.service.read(), multiOp));
      } else exchange.problem('PAXOS_SEQUENCER_INVALID', sequencerOver);
    });
  }
  onMaster(exchange, () => {
    propose(exchange, multiOpCommand(multiOp, { session, ifEpoch, sequencer }), (result) => {
      if (result.kind === 'multiop') answer(exchange, result, multiOp);
      else exchange.problem('PAXOS_INTERNAL', 'The database answered a write with another kind of result.');
    });
  });
}

/** The present revision is that of now: the state may have moved on since the condition was judged. */
function conditionFailed(exchange: Exchange, { guard }: MultiOp): void {
  const test = guard[0];
  const wantedRevision = test?.test === 'revision' ? test.revision : test?.test === 'absent' ? 0 : 'any';
  const presentRevision = exchange.service.read().get(exchange.parameter)?.revision ?? 0;
  exchange.problem('PAXOS_CONDITION_FAILED', 'The condition does not hold; nothing was written.', {
    facts: { wantedRevision, presentRevision },
  });
}

function putAnswer(exchange: Exchange, result: PlainResult & { kind: 'multiop' }, multiOp: MultiOp): void {
  if (!result.succeeded) return conditionFailed(exchange, multiOp);
  const first = result.results[0];
  const revision = first?.op === 'put' ? first.revision : result.revision;
  exchange.asciiJson(`{"revision":${revision},"instance":${result.instance},"epoch":${result.epoch}}`, `"${revision}"`);
}

function deleteAnswer(exchange: Exchange, result: PlainResult & { kind: 'multiop' }, multiOp: MultiOp): void {
  if (!result.succeeded) return conditionFailed(exchange, multiOp);
  const first = result.results[0];
  if (first?.op === 'delete' && !first.deleted) {
    return exchange.problem('PAXOS_KEY_NOT_FOUND', 'The key is absent: there is nothing to delete.');
  }
  const { revision, instance, epoch } = result;
  exchange.json({ deleted: true, revision, instance, epoch });
}

function get(exchange: Exchange): void {
  if (exchange.query.size > 0) {
    const consistency = exchange.query.get('consistency');
    // A condition on mastership is one that only the master can answer.
    if (consistency === 'stale' && exchange.headers.paxosEpoch === null) return onAnyReplica(exchange, answerEntry);
    if (consistency !== undefined && consistency !== 'linearizable' && consistency !== 'stale') {
      return exchange.problem('PAXOS_BAD_QUERY', 'Query parameter "consistency" is "linearizable" or "stale".');
    }
  }
  onMasterSince(exchange, answerEntry);
}

function answerEntry(exchange: Exchange): void {
  const entry = exchange.service.read().get(exchange.parameter);
  if (entry === null) return exchange.problem('PAXOS_KEY_NOT_FOUND', 'The key is absent.');
  const etag = `"${entry.revision}"`;
  const { ifNoneMatch } = exchange.headers;
  if (ifNoneMatch !== null && (ifNoneMatch === etag || ifNoneMatch === '*')) {
    return exchange.text(304, ['ETag', etag], '');
  }
  exchange.value(
    [
      'Content-Type',
      'application/octet-stream',
      'ETag',
      etag,
      'Paxos-Create-Revision',
      String(entry.createRevision),
      'Paxos-Version',
      String(entry.version),
    ],
    entry.value,
  );
}

export const consistencyParameter: ParameterDescription = {
  description: 'linearizable (default), or stale: from the state of whichever replica is asked',
  type: 'string',
};

export const kvRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/kv/{key}',
    operation: 'getKey',
    summary: 'Reads one value, linearizably unless asked otherwise.',
    query: { consistency: consistencyParameter },
    headers: { ...epochHeader, 'If-None-Match': '"revision" that the client has: 304 when it is still the last' },
    answer: 'The value as it is; ETag: its revision, Paxos-Create-Revision, Paxos-Version.',
    problems: ['PAXOS_KEY_NOT_FOUND', 'PAXOS_EPOCH_CHANGED'],
    handle: get,
  },
  {
    method: 'PUT',
    path: '/v1/kv/{key}',
    operation: 'putKey',
    summary: 'Writes one value, on a condition where one is given.',
    query: { dryRun: dryRunParameter },
    headers: { ...conditionHeaders, ...writeHeaders },
    body: { bytes: 'The value, at most 256 KiB' },
    answer: '{"revision","instance","epoch"}; ETag: the revision.',
    problems: ['PAXOS_CONDITION_FAILED', 'PAXOS_EPOCH_CHANGED', 'PAXOS_SEQUENCER_INVALID', 'PAXOS_SESSION_EXPIRED'],
    handle: put,
  },
  {
    method: 'DELETE',
    path: '/v1/kv/{key}',
    operation: 'deleteKey',
    summary: 'Deletes one entry, on a condition where one is given.',
    query: { dryRun: dryRunParameter },
    headers: { ...conditionHeaders, ...writeHeaders },
    answer: '{"deleted":true,"revision","instance","epoch"}.',
    problems: [
      'PAXOS_KEY_NOT_FOUND',
      'PAXOS_CONDITION_FAILED',
      'PAXOS_EPOCH_CHANGED',
      'PAXOS_SEQUENCER_INVALID',
      'PAXOS_SESSION_EXPIRED',
    ],
    handle: remove,
  },
];
