/**
 * `POST /v1/batch`: many independent operations in one request, each with its own outcome; the way past what one request
 * an operation can reach. The whole body is checked before the first one is proposed.
 */
import type { Epoch } from '../../core/consensus/identity.ts';
import { valueBytesOf } from '../../core/database/answer.ts';
import type { MultiOp, SessionNumber } from '../../core/database/command.ts';
import type { Sequencer } from '../../core/database/lock.ts';
import type { BatchOperationBody, BatchResultDocument } from '../../formats/http-body.ts';
import { problemAnswer } from './answers.ts';
import { readJson } from './body-reader.ts';
import type { batchSchema } from './body-schemas.ts';
import {
  checked,
  deleteCommand,
  multiOpCommand,
  multiOpFrom,
  putCommand,
  revisionGuard,
  valueBytes,
} from './commands.ts';
import { epochFrom, sequencerFrom, sessionNumberFrom } from './conditions.ts';
import { entryDocument } from './entry-json.ts';
import type { Exchange } from './exchange.ts';
import { onMaster } from './gate.ts';
import { checkKey, type Fault } from './keys.ts';
import { writeHeaders } from './kv-routes.ts';
import { fitting, multiOpDocument } from './multiop-routes.ts';
import { answerRefusal, type PlainResult, type Refusal, understand } from './propose.ts';
import { isFault } from './query.ts';
import type { Route } from './route.ts';

type Prepared =
  | { readonly op: 'get'; readonly key: string }
  | { readonly op: 'put' | 'delete' | 'multiop'; readonly multiOp: MultiOp };

function prepare(body: BatchOperationBody): Prepared | Fault {
  if (body.op === 'multiop') {
    const multiOp = multiOpFrom(body);
    return isFault(multiOp) ? multiOp : { op: 'multiop', multiOp };
  }
  if (body.op === 'get') return checkKey(body.key) ?? { op: 'get', key: body.key };
  const guard = revisionGuard(body.key, body.ifRevision);
  const value = body.op === 'put' ? valueBytes(body) : null;
  if (isFault(value)) return value;
  const multiOp = checked(value === null ? deleteCommand(body.key, guard) : putCommand(body.key, value, guard));
  return isFault(multiOp) ? multiOp : { op: body.op, multiOp };
}

function batch(exchange: Exchange, schema: ReturnType<typeof batchSchema>): void {
  const first = sessionNumberFrom(exchange.headers);
  if (isFault(first)) return exchange.fault(first);
  const ifEpoch = epochFrom(exchange.headers);
  if (isFault(ifEpoch)) return exchange.fault(ifEpoch);
  const sequencer = sequencerFrom(exchange.headers);
  if (isFault(sequencer)) return exchange.fault(sequencer);
  readJson(exchange, schema, {}, (body) => {
    const prepared: Prepared[] = [];
    for (const [i, operation] of body.operations.entries()) {
      const one = prepare(operation);
      if (isFault(one)) return exchange.problem(one.code, `Operation ${i}: ${one.detail}`, { facts: { operation: i } });
      prepared.push(one);
    }
    const last = (first?.sequence ?? 0) + prepared.length;
    if (!Number.isSafeInteger(last)) {
      return exchange.problem('PAXOS_BAD_HEADER', 'Idempotency-Key leaves no number for the last operation.');
    }
    onMaster(exchange, (_, epoch) => run(exchange, prepared, { first, ifEpoch, sequencer, epoch }));
  });
}

/** Gets are served at once, in the same step as the lease check; writes are proposed in order. */
function run(
  exchange: Exchange,
  operations: readonly Prepared[],
  conditions: {
    readonly first: SessionNumber | null;
    readonly ifEpoch: Epoch | null;
    readonly sequencer: Sequencer | null;
    readonly epoch: Epoch;
  },
): void {
  const { first, ifEpoch, sequencer, epoch } = conditions;
  const { answerBytesMax } = exchange.front.limits;
  /** Left for values in this answer. */
  let room = answerBytesMax;
  const state = exchange.service.read();
  const results: BatchResultDocument[] = new Array(operations.length);
  const refusals: Refusal[] = [];
  const writes: { readonly index: number; readonly multiOp: MultiOp; readonly op: 'put' | 'delete' | 'multiop' }[] = [];
  operations.forEach((operation, index) => {
    if (operation.op !== 'get') {
      writes.push({ index, multiOp: operation.multiOp, op: operation.op });
      return;
    }
    if (ifEpoch !== null && ifEpoch !== epoch) {
      results[index] = refused('PAXOS_EPOCH_CHANGED', `Mastership was broken: the epoch is ${epoch} now.`);
      return;
    }
    const entry = state.get(operation.key);
    if (entry !== null && entry.value.length > room) {
      results[index] = refused(
        'PAXOS_ANSWER_TOO_LARGE',
        `One answer carries at most ${answerBytesMax} bytes of values.`,
      );
      return;
    }
    room -= entry?.value.length ?? 0;
    results[index] =
      entry === null
        ? { ok: true, op: 'get', key: operation.key, found: false }
        : { ok: true, op: 'get', found: true, ...entryDocument(operation.key, entry) };
  });
  if (writes.length === 0) return exchange.json({ results });
  let open = writes.length;
  exchange.proposed();
  for (const { index, multiOp, op } of writes) {
    // One number an operation, in order; gets take theirs too, so that places and numbers agree.
    const session = first === null ? null : { session: first.session, sequence: first.sequence + index };
    exchange.service.submit(
      multiOpCommand(multiOp, { session, ifEpoch, sequencer }),
      exchange.outcome((outcome) => {
        open -= 1;
        if (open === 0) exchange.settled();
        const understood = understand(outcome);
        if ('kind' in understood) {
          const fits = understood.kind === 'multiop' ? fitting(understood, room) : understood;
          room -= valueBytesOf(fits);
          results[index] = resultDocument(op, multiOp, fits);
        } else {
          refusals.push(understood);
          results[index] = errorDocument(understood);
        }
        if (open > 0 || exchange.answered) return;
        // Nothing at all was done, and somebody else may do it: the whole request goes there.
        const [refusal] = refusals;
        const allMoved =
          refusals.length === operations.length && refusals.every((it) => it.moved || it.redirect !== null);
        if (refusal === undefined || !allMoved) return exchange.json({ results });
        answerRefusal(exchange, refusal, () => run(exchange, operations, conditions));
      }),
    );
  }
}

function resultDocument(op: 'put' | 'delete' | 'multiop', multiOp: MultiOp, result: PlainResult): BatchResultDocument {
  if (result.kind !== 'multiop') {
    return refused('PAXOS_INTERNAL', 'The database answered a write with another kind of result.');
  }
  if (op === 'multiop') return { ok: true, op, ...multiOpDocument(multiOp, result) };
  if (!result.succeeded) return refused('PAXOS_CONDITION_FAILED', 'The condition does not hold; nothing was written.');
  const { instance, epoch } = result;
  const first = result.results[0];
  if (op === 'put') {
    return { ok: true, op, revision: first?.op === 'put' ? first.revision : result.revision, instance, epoch };
  }
  const deleted = first?.op === 'delete' ? first.deleted : true;
  return { ok: true, op, deleted, revision: result.revision, instance, epoch };
}

const errorDocument = (refusal: Refusal): BatchResultDocument => refused(refusal.code, refusal.detail, refusal.details);

function refused(code: string, detail: string, details: Refusal['details'] = {}): BatchResultDocument {
  const problem = JSON.parse(problemAnswer(code, detail, details).body);
  const { status, outcome } = problem;
  return { ok: false, error: { code, detail, status, outcome } };
}

export const batchRoutes = (schema: ReturnType<typeof batchSchema>): readonly Route[] => [
  {
    method: 'POST',
    path: '/v1/batch',
    operation: 'batch',
    summary: 'Runs independent operations, each with its own outcome.',
    headers: { ...writeHeaders, 'Idempotency-Key': 'session/sequence of the first operation; each takes one number' },
    body: { json: schema },
    answer:
      '{"results":[…]}, one an operation, in their order: {"ok":true,"op",…} or {"ok":false,"error":{…}}. ' +
      'No get waits for the writes beside it; a multiop has an order.',
    handle: (exchange) => batch(exchange, schema),
  },
];
