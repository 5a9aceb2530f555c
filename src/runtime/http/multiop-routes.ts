/** `POST /v1/multiop`: all tests are evaluated and reported, then one branch runs in order, atomically (PML §5.6). */
import { valueBytesOf } from '../../core/database/answer.ts';
import type { CommandResult, MultiOp, OperationResult } from '../../core/database/command.ts';
import type { MultiOpDocument, OperationDocument } from '../../formats/http-body.ts';
import { readJson } from './body-reader.ts';
import { multiOpSchema } from './body-schemas.ts';
import { multiOpFrom } from './commands.ts';
import { entryDocument } from './entry-json.ts';
import type { Exchange } from './exchange.ts';
import { dryRunParameter, write, writeHeaders } from './kv-routes.ts';
import { isFault } from './query.ts';
import type { Route } from './route.ts';

export type MultiOpResult = CommandResult & { readonly kind: 'multiop' };

function multiOp(exchange: Exchange): void {
  readJson(exchange, multiOpSchema, {}, (body) => {
    const checked = multiOpFrom(body);
    if (isFault(checked)) return exchange.fault(checked);
    const { answerBytesMax } = exchange.front.limits;
    write(exchange, checked, (_, result) => exchange.json(multiOpDocument(checked, fitting(result, answerBytesMax))));
  });
}

/**
 * `result`, without its results when their values take more than `bytesMax`. How large they are is known only once the
 * MultiOp was applied, so that it is answered as carried out.
 */
export const fitting = (result: MultiOpResult, bytesMax: number): MultiOpResult =>
  valueBytesOf(result) <= bytesMax ? result : { ...result, results: [], resultsForgotten: true };

export function multiOpDocument(multiOp: MultiOp, result: MultiOpResult): MultiOpDocument {
  const operations = result.succeeded ? multiOp.then : multiOp.else;
  const results = result.results.map((it, i) => operationDocument(operations[i]?.key ?? '', it));
  const { succeeded, guard, revision, instance, epoch } = result;
  const document = { succeeded, guard, results, revision, instance, epoch };
  return result.resultsForgotten === true ? { ...document, resultsForgotten: true } : document;
}

function operationDocument(key: string, result: OperationResult): OperationDocument {
  switch (result.op) {
    case 'put':
      return { op: 'put', key, revision: result.revision, created: result.created };
    case 'delete':
      return { op: 'delete', key, deleted: result.deleted };
    case 'get':
      return result.entry === null
        ? { op: 'get', key, found: false }
        : { op: 'get', found: true, ...entryDocument(key, result.entry) };
  }
}

export const multiOpRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/multiop',
    operation: 'multiOp',
    summary: 'Evaluates all tests, then runs `then` or `else` in order, atomically.',
    query: { dryRun: dryRunParameter },
    headers: writeHeaders,
    body: { json: multiOpSchema },
    answer:
      '{"succeeded","guard":[…],"results":[…],"revision","instance","epoch"}; with "resultsForgotten":true and no results ' +
      'when their values are larger than one answer may be, or than a session keeps for a second copy.',
    problems: ['PAXOS_EPOCH_CHANGED', 'PAXOS_SEQUENCER_INVALID', 'PAXOS_SESSION_EXPIRED', 'PAXOS_KEY_RESERVED'],
    handle: multiOp,
  },
];
