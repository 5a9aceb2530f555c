/** `GET /v1/kv`: pages of entries in the order of their UTF-8 bytes, all of one point in time when asked for. */
import type { EntryDocument, ListDocument } from '../../formats/http-body.ts';
import { keyFault, readBase64 } from './entries-query.ts';
import { entryDocument, entryDocumentBase64 } from './entry-json.ts';
import type { Exchange } from './exchange.ts';
import { onAnyReplica, onMasterSince } from './gate.ts';
import { consistencyParameter, epochHeader } from './kv-routes.ts';
import { isFault, readInteger } from './query.ts';
import type { Route } from './route.ts';
import type { ReadState } from './service.ts';

interface ListQuery {
  readonly prefix: string;
  readonly after: string | null;
  readonly limit: number;
  readonly base64: boolean;
  readonly revision: number | null;
}

function list(exchange: Exchange): void {
  const { query, front } = exchange;
  const limit = readInteger(query, 'limit', { min: 1, max: front.limits.listEntriesMax });
  if (isFault(limit)) return exchange.fault(limit);
  const revision = readInteger(query, 'revision', { min: 0, max: Number.MAX_SAFE_INTEGER });
  if (isFault(revision)) return exchange.fault(revision);
  const prefix = query.get('prefix') ?? '';
  const after = query.get('after') ?? null;
  const tooLong = keyFault(prefix, after ?? '');
  if (tooLong !== null) return exchange.fault(tooLong);
  const base64 = readBase64(query);
  if (isFault(base64)) return exchange.fault(base64);
  const consistency = query.get('consistency') ?? 'linearizable';
  if (consistency !== 'linearizable' && consistency !== 'stale') {
    return exchange.problem('PAXOS_BAD_QUERY', 'Query parameter "consistency" is "linearizable" or "stale".');
  }
  const wanted: ListQuery = {
    prefix,
    after,
    limit: limit ?? front.limits.listEntriesDefault,
    base64,
    revision,
  };
  // A condition on mastership is one that only the master can answer.
  if (consistency === 'stale' && exchange.headers.paxosEpoch === null)
    onAnyReplica(exchange, () => answer(exchange, wanted));
  else onMasterSince(exchange, () => answer(exchange, wanted));
}

function answer(exchange: Exchange, wanted: ListQuery): void {
  const { views } = exchange.front;
  const state = stateAt(exchange, wanted.revision);
  if (state === null) {
    return exchange.problem('PAXOS_REVISION_GONE', `Revision ${wanted.revision} is no longer kept by this replica.`);
  }
  const page = state.list({ prefix: wanted.prefix, after: wanted.after, limit: wanted.limit });
  const entries: EntryDocument[] = [];
  let bytes = 0;
  let next = page.next;
  for (const { key, entry } of page.entries) {
    bytes += key.length + entry.value.length;
    if (bytes > exchange.front.limits.listBytesMax && entries.length > 0) {
      next = entries[entries.length - 1]!.key;
      break;
    }
    entries.push(wanted.base64 ? entryDocumentBase64(key, entry) : entryDocument(key, entry));
  }
  if (next !== null) views.keep(state);
  const document: ListDocument = { entries, next, revision: page.revision };
  exchange.json(document);
}

function stateAt(exchange: Exchange, revision: number | null): ReadState | null {
  const present = exchange.service.read();
  if (revision === null || revision === present.revision) return present;
  return exchange.front.views.at(revision);
}

export const listRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/kv',
    operation: 'listKeys',
    summary: 'Lists entries in the order of the UTF-8 bytes of their keys.',
    query: {
      prefix: { description: 'Only keys that begin with this.', type: 'string' },
      after: { description: 'Only keys after this one: `next` of the page before.', type: 'string' },
      limit: { description: 'Entries of one page, at most; a page may be shorter.', type: 'integer' },
      encoding: { description: 'base64: all values in base64; else UTF-8 where they are.', type: 'string' },
      revision: {
        description: 'Read at this point in time: `revision` of the first page. 410 when it is no longer kept.',
        type: 'integer',
      },
      consistency: consistencyParameter,
    },
    headers: epochHeader,
    answer: '{"entries":[{"key","value"|"valueBase64","revision","createRevision","version"}],"next","revision"}.',
    problems: ['PAXOS_REVISION_GONE', 'PAXOS_EPOCH_CHANGED'],
    handle: list,
  },
];
