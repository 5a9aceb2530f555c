/** `GET /v1/watch`: every change from a revision on, as it happens. */
import type { Revision } from '../../core/database/command.ts';
import { keyFault, readBase64 } from './entries-query.ts';
import type { Exchange } from './exchange.ts';
import { onMasterSince } from './gate.ts';
import { epochHeader } from './kv-routes.ts';
import { isFault, readInteger } from './query.ts';
import type { Route } from './route.ts';
import { seenFrom } from './watch-events.ts';

interface Wanted {
  readonly prefix: string;
  readonly base64: boolean;
  /** Null: from now on. */
  readonly seen: { readonly seenUpTo: Revision; readonly seenOfNext: number } | null;
}

function watch(exchange: Exchange): void {
  const { query, headers } = exchange;
  const from = readInteger(query, 'from', { min: 0, max: Number.MAX_SAFE_INTEGER });
  if (isFault(from)) return exchange.fault(from);
  const prefix = query.get('prefix') ?? '';
  const tooLong = keyFault(prefix);
  if (tooLong !== null) return exchange.fault(tooLong);
  const base64 = readBase64(query);
  if (isFault(base64)) return exchange.fault(base64);
  // Who comes back says so with the same URL: what it has seen last counts.
  const resumed = headers.lastEventId === null ? null : seenFrom(headers.lastEventId);
  if (isFault(resumed)) return exchange.fault(resumed);
  const begun = from === null ? null : { seenUpTo: Math.max(0, from - 1) as Revision, seenOfNext: 0 };
  const wanted: Wanted = { prefix, base64, seen: resumed ?? begun };
  onMasterSince(exchange, () => begin(exchange, wanted));
}

function begin(exchange: Exchange, { prefix, base64, seen }: Wanted): void {
  const { front, service } = exchange;
  const { revision } = service.read();
  const { seenUpTo, seenOfNext } = seen ?? { seenUpTo: revision, seenOfNext: 0 };
  const facts = { from: seenUpTo + 1, revision };
  if (seenUpTo + Math.sign(seenOfNext) > revision) {
    // Waiting for it would hide that this is another history than the one in which it was seen.
    return exchange.problem(
      'PAXOS_REVISION_GONE',
      `The database is at revision ${revision}, and was never at ${seenUpTo}.`,
      {
        facts,
      },
    );
  }
  if (service.changesAfter(seenUpTo, 1) === null) {
    return exchange.problem('PAXOS_REVISION_GONE', `The changes of revision ${seenUpTo + 1} are no longer kept.`, {
      facts,
    });
  }
  if (front.watchers.isFull) {
    return exchange.problem('PAXOS_OVERLOADED', 'As many clients watch as this replica takes.', { retryAfterMs: 1000 });
  }
  const response = exchange.events();
  if (response === null) return;
  if (exchange.req.method === 'HEAD') response.end();
  else front.watchers.add(response, { prefix, base64, seenUpTo, seenOfNext });
}

export const watchRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/watch',
    operation: 'watch',
    summary: 'Every change from a revision on, one server-sent event each, in order, as it happens.',
    query: {
      prefix: { description: 'Only keys that begin with this.', type: 'string' },
      from: {
        description: 'The first revision that is told; where absent, the next one. 410 when it is no longer kept.',
        type: 'integer',
      },
      encoding: { description: 'base64: all values in base64; else UTF-8 where they are.', type: 'string' },
    },
    headers: {
      ...epochHeader,
      'Last-Event-ID': 'id of the last event that was seen: goes on behind it, whatever `from` says',
    },
    answer:
      'text/event-stream. Each change: {"op":"put","key","value"|"valueBase64","revision","createRevision","version"} or {"op":"delete","key","revision"}; ' +
      'at the beginning and while nothing changes events of the type "progress": {"revision"}, up to which all was told. It ends where this replica serves no more: go on with Last-Event-ID.',
    problems: ['PAXOS_REVISION_GONE', 'PAXOS_EPOCH_CHANGED'],
    handle: watch,
  },
];
