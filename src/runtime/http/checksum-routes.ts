/** Checks of what is stored, at one logged instance on all replicas (design §5). Served in every role but for the asking. */
import type {
  CheckDocument,
  ChecksumDocument,
  RangesDocument,
  ScannedEntriesDocument,
  StartedCheckDocument,
} from '../../formats/http-body.ts';
import type { DatabaseCheck } from '../database-checks.ts';
import { readJson } from './body-reader.ts';
import { startCheckSchema } from './body-schemas.ts';
import { asBuffer } from './entry-json.ts';
import type { Exchange } from './exchange.ts';
import { onMasterSince } from './gate.ts';
import { propose } from './propose.ts';
import { isFault, readFlag, readInteger } from './query.ts';
import type { Route } from './route.ts';
import type { CheckedDatabase } from './service.ts';

/** Entries and bytes of one page. */
const pageEntriesMax = 1024;
const pageBytesMax = 1024 * 1024;

export const checkDocument = (check: DatabaseCheck): CheckDocument => ({
  instance: check.instance,
  deep: check.deep,
  log: check.logChain,
  database: check.checksum,
  kept: check.kept,
  entries: check.entries,
  rotten: check.rotten,
  files: check.files,
  repaired: check.repaired,
  tookMs: check.tookMs,
  at: new Date(check.atWallMs).toISOString(),
});

const anyInstance = { min: 1, max: Number.MAX_SAFE_INTEGER };

function show(exchange: Exchange): void {
  const instance = readInteger(exchange.query, 'instance', anyInstance);
  if (isFault(instance)) return exchange.fault(instance);
  const { name, incarnation, version, role, cell, entries, checksum } = exchange.service.status();
  const checks = exchange.service.checks();
  const check = instance === null ? (checks?.last ?? null) : (checks?.at(instance) ?? null);
  const state = instance === null ? (check === null ? 'none' : 'done') : (checks?.state(instance) ?? 'none');
  const document: ChecksumDocument = {
    member: name,
    incarnation,
    version,
    role,
    cell: cell.id,
    entries,
    ...checksum,
    state,
    check: check === null ? null : checkDocument(check),
  };
  exchange.json(document);
}

/** Compared is what the replicas hold after the instance in which this was chosen; nothing is changed by it. */
function start(exchange: Exchange): void {
  readJson(exchange, startCheckSchema, { optional: true }, (body) => {
    const deep = body.deep ?? false;
    onMasterSince(exchange, () =>
      propose(exchange, { kind: 'checksum', deep }, (_, { instance, epoch }) => {
        const document: StartedCheckDocument = { instance, epoch, deep };
        exchange.json(document);
      }),
    );
  });
}

/** Runs `then` with the check that was asked for; else says that it is not here. */
function withCheck(exchange: Exchange, then: (checks: CheckedDatabase, check: DatabaseCheck) => void): void {
  const instance = readInteger(exchange.query, 'instance', anyInstance);
  if (isFault(instance)) return exchange.fault(instance);
  if (instance === null) return exchange.problem('PAXOS_BAD_QUERY', 'Query parameter "instance" is missing.');
  const checks = exchange.service.checks();
  const check = checks?.at(instance) ?? null;
  if (checks === null || check === null) return gone(exchange, instance);
  then(checks, check);
}

const gone = (exchange: Exchange, instance: number): void =>
  exchange.problem('PAXOS_CHECK_GONE', `This replica has no check at instance ${instance}, or keeps it no longer.`);

function ranges(exchange: Exchange): void {
  withCheck(exchange, (_, check) => {
    const document: RangesDocument = { instance: check.instance, ranges: check.ranges };
    exchange.json(document);
  });
}

function entries(exchange: Exchange): void {
  const { query } = exchange;
  const limit = readInteger(query, 'limit', { min: 1, max: pageEntriesMax });
  if (isFault(limit)) return exchange.fault(limit);
  const values = readFlag(query, 'values');
  if (isFault(values)) return exchange.fault(values);
  withCheck(exchange, (checks, { instance }) => {
    const to = query.get('to') ?? null;
    const page = { after: query.get('after') ?? null, to, limit: limit ?? pageEntriesMax };
    const found = checks.entries(instance, page);
    if (found === null) return gone(exchange, instance);
    const documents: ScannedEntriesDocument['entries'][number][] = [];
    let bytes = 0;
    for (const { key, entry, digest, sound } of found) {
      const { value, revision, createRevision, version } = entry;
      bytes += key.length + (values ? value.length : 0);
      if (bytes > pageBytesMax && documents.length > 0) break;
      const valueBase64 = values ? { valueBase64: asBuffer(value).toString('base64') } : {};
      documents.push({ key, revision, createRevision, version, bytes: value.length, digest, sound, ...valueBase64 });
    }
    const last = documents.at(-1)?.key ?? null;
    const ended = last === null || last === to || (documents.length === found.length && found.length < page.limit);
    const document: ScannedEntriesDocument = { instance, entries: documents, next: ended ? null : last };
    exchange.json(document);
  });
}

const instanceParameter = { description: 'Of a check: answered by POST /v1/checksums.', type: 'integer' } as const;

export const checksumRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/checksums',
    operation: 'checksums',
    summary: "This replica's digests of log and database at its last applied instance, and its check at `instance`.",
    query: { instance: { ...instanceParameter, description: 'Of a check; the newest one without it.' } },
    answer:
      '{"member","incarnation","version","role","cell","instance","entries","log","database","state","check":{"instance","deep",' +
      '"log","database","kept","entries","rotten","files","repaired","tookMs","at"}|null}.',
    handle: show,
  },
  {
    method: 'POST',
    path: '/v1/checksums',
    operation: 'startCheck',
    summary:
      'Logs an instance at which every replica digests all that it stores; the results are asked of each replica.',
    body: { json: startCheckSchema, optional: true },
    answer: '{"instance","epoch","deep"}.',
    handle: start,
  },
  {
    method: 'GET',
    path: '/v1/checksums/ranges',
    operation: 'checkRanges',
    summary: 'Digests by range of keys of one check: a difference lies in the ranges that differ.',
    query: { instance: instanceParameter },
    answer: '{"instance","ranges":[{"kind","to","records","digest"}]}.',
    problems: ['PAXOS_CHECK_GONE'],
    handle: ranges,
  },
  {
    method: 'GET',
    path: '/v1/checksums/entries',
    operation: 'checkEntries',
    summary: 'Entries as this replica stores them at the instance of one check.',
    query: {
      instance: instanceParameter,
      after: { description: 'Only keys after this one.', type: 'string' },
      to: { description: 'Only keys up to and with this one.', type: 'string' },
      limit: { description: 'Entries of one page, at most.', type: 'integer' },
      values: { description: 'With the values, in base64.', type: 'boolean' },
    },
    answer: '{"instance","entries":[{"key","revision","createRevision","version","bytes","digest","sound"}],"next"}.',
    problems: ['PAXOS_CHECK_GONE'],
    handle: entries,
  },
];
