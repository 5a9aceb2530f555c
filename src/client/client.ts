/**
 * The cell as an object: finds the master by itself, retries what is safe, and tells "did not happen" from "unknown".
 */

import { ConditionFailedError, OutcomeUnknownError, UnreachableError, UsageError } from '../errors/cell-errors.ts';
import type { OperatorError } from '../errors/operator-error.ts';
import { errorFromProblem, problemFrom } from '../errors/problem.ts';
import type { BackupChangeBody, BackupChangeDocument } from '../formats/backup-body.ts';
import type {
  BatchDocument,
  BatchOperationBody,
  BatchResultDocument,
  DrainBody,
  DrainedDocument,
  DryRunDocument,
  ListDocument,
  MembersChangeBody,
  MembersChangeDocument,
  MultiOpBody,
  MultiOpDocument,
  PutDocument,
  ReplicaStatusDocument,
  SessionDocument,
  StartedCheckDocument,
  TransferDocument,
} from '../formats/http-body.ts';
import type { UpgradeStateDocument, UpgradeWriteBody, UpgradeWriteDocument } from '../formats/upgrade-body.ts';
import { Batcher } from './batcher.ts';
import { type Call, Caller } from './caller.ts';
import { type CellStatusDocument, cellStatus } from './cell-status.ts';
import { revisionCondition, single, writeHeaders } from './conditions.ts';
import type { KnownCell } from './find-master.ts';
import { CellLocks } from './locks.ts';
import { MemoryMarks } from './marks.ts';
import {
  type CallOptions,
  type ClientOptions,
  type DeleteResult,
  type ListOptions,
  originOf,
  type ReadOptions,
  type WriteOptions,
} from './options.ts';
import { parseJson } from './parse-json.ts';
import { ClientSession, type SessionNumber } from './session.ts';
import { type Entry, encodeKey, entryFrom, fitsPath, valueBytes, valueFields } from './text.ts';
import { type Reply, Transport, TransportError } from './transport.ts';
import { type WatchedChange, type WatchOptions, watchChanges } from './watch.ts';

const json = { 'content-type': 'application/json' };
/** Operations and bytes of one gathered request; larger ones delay their first operation more than they save. */
const gathered = { operationsMax: 256, bytesMax: 512 * 1024, inFlightMax: 4 };

export class PaxosClient {
  readonly #transport: Transport;
  readonly #caller: Caller;
  readonly #batcher: Batcher | null;
  readonly #timeoutMs: number;
  readonly #sessions = new Set<ClientSession>();
  /** Locks of sessions; {@link openSession} opens one that takes them. */
  readonly locks = new CellLocks(async (call, options) => parsed(await this.#call(call, options)));

  /** @throws {UsageError} for an endpoint that is no URL of http or https. */
  constructor(options: ClientOptions) {
    const endpoints = options.endpoints.map(originOf);
    if (endpoints.length === 0) throw new UsageError('No endpoints are given.');
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#transport = new Transport({
      connections: options.connections ?? 64,
      connectTimeoutMs: options.connectTimeoutMs ?? 1000,
    });
    this.#caller = new Caller({
      endpoints: [...new Set(endpoints)],
      transport: this.#transport,
      marks: options.marks ?? new MemoryMarks(),
      cell: options.cell ?? null,
      attemptTimeoutMs: options.attemptTimeoutMs ?? 3000,
      random: options.random ?? Math.random,
    });
    this.#batcher =
      options.batch === true
        ? new Batcher({
            ...gathered,
            timeoutMs: this.#timeoutMs,
            send: (operations, { repeatable }) => this.#batch(operations, null, {}, repeatable),
          })
        : null;
  }

  /** Origin of the master as far as it is known; null before the first answer. */
  get master(): string | null {
    return this.#caller.master;
  }

  /** The cell as its replicas described it; null before one was asked. */
  get cell(): KnownCell | null {
    return this.#caller.cell;
  }

  /**
   * @throws {ConditionFailedError} when a condition does not hold; nothing was written.
   * @throws {OutcomeUnknownError} when the write may have taken effect.
   */
  async put(key: string, value: string | Uint8Array, options: WriteOptions = {}): Promise<PutDocument> {
    return this.putNumbered(null, key, value, options);
  }

  /** As {@link put}; for sessions, which number their writes. */
  async putNumbered(
    number: SessionNumber | null,
    key: string,
    value: string | Uint8Array,
    options: WriteOptions,
  ): Promise<PutDocument> {
    if (number === null && this.#gathers(options)) {
      const fields = valueFields(value);
      const operation = { op: 'put', key, ...fields, ...revisionCondition(options) } as const;
      const done = await this.#gather(operation, key.length + value.length);
      const { revision, instance, epoch } = done as PutDocument;
      return { revision, instance, epoch };
    }
    if (!fitsPath(key)) return this.#pathlessPut(number, key, value, options);
    const headers = writeHeaders(number, options, 'match');
    const body = valueBytes(value);
    const reply = await this.#call(
      { method: 'PUT', path: kvPath(key), headers, body, repeatable: number !== null },
      options,
    );
    return parsed<PutDocument>(reply);
  }

  /** Null when the key is absent. */
  async get(key: string, options: ReadOptions = {}): Promise<Entry | null> {
    const stale = options.consistency === 'stale';
    if (!stale && this.#gathers(options)) {
      const found = await this.#gather({ op: 'get', key }, key.length);
      return found.op === 'get' && found.found ? entryFrom(found) : null;
    }
    if (!fitsPath(key)) {
      const { results } = await this.multiOp(single({ op: 'get', key }), options);
      const [found] = results;
      return found?.op === 'get' && found.found ? entryFrom(found) : null;
    }
    const path = `${kvPath(key)}${stale ? '?consistency=stale' : ''}`;
    let reply: Reply;
    try {
      reply = await this.#call({ method: 'GET', path, headers: {}, repeatable: true, anywhere: stale }, options);
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
    return {
      key,
      value: reply.body,
      revision: Number(String(reply.headers.etag).replaceAll('"', '')),
      createRevision: Number(reply.headers['paxos-create-revision']),
      version: Number(reply.headers['paxos-version']),
    };
  }

  /**
   * Of an absent key it is no error: `deleted` is false then.
   * @throws {ConditionFailedError} | {OutcomeUnknownError} as {@link put}.
   */
  async delete(key: string, options: WriteOptions = {}): Promise<DeleteResult> {
    return this.deleteNumbered(null, key, options);
  }

  /** As {@link delete}; for sessions, which number their writes. */
  async deleteNumbered(number: SessionNumber | null, key: string, options: WriteOptions): Promise<DeleteResult> {
    if (number === null && this.#gathers(options)) {
      const done = await this.#gather({ op: 'delete', key, ...revisionCondition(options) }, key.length);
      const deleted = done.op === 'delete' && done.deleted;
      return { deleted, revision: deleted && 'revision' in done ? done.revision : null };
    }
    if (!fitsPath(key)) {
      const { results, revision } = await this.#conditional(number, key, { op: 'delete', key }, options);
      const deleted = results[0]?.op === 'delete' && results[0].deleted;
      return { deleted, revision: deleted ? revision : null };
    }
    const headers = writeHeaders(number, options, 'match');
    try {
      const reply = await this.#call(
        { method: 'DELETE', path: kvPath(key), headers, repeatable: number !== null },
        options,
      );
      return { deleted: true, revision: parsed<PutDocument>(reply).revision };
    } catch (error) {
      if (isAbsent(error)) return { deleted: false, revision: null };
      throw error;
    }
  }

  /** In the order of the UTF-8 bytes of the keys. */
  async *list(options: ListOptions = {}): AsyncGenerator<Entry, void, void> {
    let after = options.after ?? null;
    let revision: number | null = null;
    for (;;) {
      const page: ListDocument = await this.listPage(options, after, revision);
      if (options.consistent === true) revision = page.revision;
      for (const document of page.entries) yield entryFrom(document);
      if (page.next === null) return;
      after = page.next;
    }
  }

  /** One page of {@link list}: `after` the last key of the page before, at `revision` where that is not null. */
  async listPage(options: ListOptions, after: string | null, revision: number | null): Promise<ListDocument> {
    const query = new URLSearchParams();
    if (options.prefix !== undefined) query.set('prefix', options.prefix);
    if (after !== null) query.set('after', after);
    if (options.pageSize !== undefined) query.set('limit', String(options.pageSize));
    if (revision !== null) query.set('revision', String(revision));
    const stale = options.consistency === 'stale';
    if (stale) query.set('consistency', 'stale');
    const text = query.toString();
    const path = text === '' ? '/v1/kv' : `/v1/kv?${text}`;
    const reply = await this.#call({ method: 'GET', path, headers: {}, repeatable: true, anywhere: stale }, options);
    return parsed<ListDocument>(reply);
  }

  /**
   * Every change from a revision on, in order, none missed and none twice, until `signal` or the end of the iteration.
   * @throws {ConditionFailedError} `PAXOS_REVISION_GONE` when the cell no longer keeps what comes next.
   */
  watch(options: WatchOptions = {}): AsyncGenerator<WatchedChange, void, void> {
    return watchChanges((call) => this.#call(call, options), options);
  }

  /** Tests, then `then` or `else`, atomically. A guard that does not hold is an answer, not an error. */
  async multiOp(
    body: MultiOpBody,
    options: Omit<WriteOptions, 'ifRevision' | 'ifAbsent'> = {},
  ): Promise<MultiOpDocument> {
    return this.multiOpNumbered(null, body, options);
  }

  /** As {@link multiOp}; for sessions, which number their writes. */
  async multiOpNumbered(
    number: SessionNumber | null,
    body: MultiOpBody,
    options: Omit<WriteOptions, 'ifRevision' | 'ifAbsent'>,
  ): Promise<MultiOpDocument> {
    if (number === null && this.#gathers(options)) {
      const {
        ok: _,
        op: __,
        ...document
      } = (await this.#gather({ op: 'multiop', ...body }, 256)) as {
        ok: true;
        op: 'multiop';
      } & MultiOpDocument;
      return document;
    }
    const text = JSON.stringify(body);
    const headers = { ...json, ...writeHeaders(number, options, 'none') };
    // A MultiOp that only reads has no effect that could happen twice.
    const reads = [...(body.then ?? []), ...(body.else ?? [])].every((it) => it.op === 'get');
    const repeatable = number !== null || reads;
    const reply = await this.#call({ method: 'POST', path: '/v1/multiop', headers, body: text, repeatable }, options);
    return parsed<MultiOpDocument>(reply);
  }

  /** Independent operations in one request; one result each, in order. Throws only when the request as a whole failed. */
  async batch(
    operations: readonly BatchOperationBody[],
    options: Omit<WriteOptions, 'ifRevision' | 'ifAbsent'> = {},
  ): Promise<readonly BatchResultDocument[]> {
    const repeatable = operations.every((it) => it.op === 'get');
    return (await this.#batch(operations, null, options, repeatable)).results;
  }

  /** As {@link batch}; each operation takes one number, from `first` on. */
  async batchNumbered(
    first: SessionNumber,
    operations: readonly BatchOperationBody[],
    options: Omit<WriteOptions, 'ifRevision' | 'ifAbsent'>,
  ): Promise<readonly BatchResultDocument[]> {
    return (await this.#batch(operations, first, options, true)).results;
  }

  /** What a put would do now, as the master sees it; nothing is written. */
  putDryRun(key: string, value: string | Uint8Array, options: WriteOptions = {}): Promise<DryRunDocument> {
    const operation = { op: 'put', key, ...valueFields(value) } as const;
    return this.multiOpDryRun(single(operation, options), options);
  }

  deleteDryRun(key: string, options: WriteOptions = {}): Promise<DryRunDocument> {
    return this.multiOpDryRun(single({ op: 'delete', key }, options), options);
  }

  async multiOpDryRun(
    body: MultiOpBody,
    options: Omit<WriteOptions, 'ifRevision' | 'ifAbsent'> = {},
  ): Promise<DryRunDocument> {
    const headers = { ...json, ...writeHeaders(null, options, 'none') };
    const path = '/v1/multiop?dryRun=true';
    const call: Call = { method: 'POST', path, headers, body: JSON.stringify(body), repeatable: true };
    return parsed<DryRunDocument>(await this.#call(call, options));
  }

  /** One replica's own view. Asks exactly this endpoint, once. @throws {UnreachableError} when it does not answer. */
  async status(endpoint: string, options: CallOptions = {}): Promise<ReplicaStatusDocument> {
    return (await this.ask(endpoint, '/v1/status', options)) as ReplicaStatusDocument;
  }

  /**
   * A JSON document of exactly this replica, in whatever role it is: no redirects, no retries.
   * @throws {UnreachableError} when it does not answer; another {OperatorError} for an answer that is a problem.
   */
  ask(endpoint: string, path: string, options: CallOptions = {}): Promise<unknown> {
    return this.tell(endpoint, { method: 'GET', path }, options);
  }

  /** As {@link ask}, for what is asked of one replica and changes something there. */
  async tell(
    endpoint: string,
    { method, path, body }: { readonly method: Call['method']; readonly path: string; readonly body?: object },
    options: CallOptions = {},
  ): Promise<unknown> {
    const origin = originOf(endpoint);
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    let reply: Reply;
    try {
      const request =
        body === undefined
          ? { method, path, headers: {} }
          : { method, path, headers: json, body: JSON.stringify(body) };
      reply = await this.#transport.send(origin, request, timeoutMs);
    } catch (error) {
      if (error instanceof TransportError) throw unreachable(origin, error);
      throw error;
    }
    const answer = parseJson(reply.body);
    if (reply.status !== 200) throw errorFromProblem(problemFrom(reply.status, answer));
    return answer;
  }

  /** Asks every member about itself and puts the answers together (the document of `paxosctl status`). */
  cellStatus(options: CallOptions = {}): Promise<CellStatusDocument> {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    return cellStatus(this.#caller.known, (url, ms) => this.status(url, { timeoutMs: ms }), timeoutMs);
  }

  /** The cell's level and its journal of upgrades, as the master has them. */
  async upgradeState(options: CallOptions = {}): Promise<UpgradeStateDocument> {
    const call: Call = { method: 'GET', path: '/v1/upgrade', headers: {}, repeatable: true };
    return parsed<UpgradeStateDocument>(await this.#call(call, options));
  }

  /**
   * Changes the journal where all tests hold. Sent again it finds that its own tests no longer do, so a caller that was not
   * answered reads the state again.
   */
  async writeUpgrade(body: UpgradeWriteBody, options: CallOptions = {}): Promise<UpgradeWriteDocument> {
    return this.#post<UpgradeWriteDocument>({ path: '/v1/upgrade', body: body, repeatable: false }, options);
  }

  /** Hands mastership over, to a voter of the master's choice where `to` is absent. */
  async transfer(
    request: { readonly to?: string; readonly dryRun?: boolean } = {},
    options: CallOptions = {},
  ): Promise<TransferDocument> {
    return this.#post<TransferDocument>(
      { path: '/v1/master/transfer', body: request, repeatable: request.dryRun === true },
      options,
    );
  }

  /**
   * Logs an instance at which every replica digests all that it stores. Sent again it names another instance, which does
   * no harm; what each replica found is asked of it: `GET /v1/checksums?instance=`.
   */
  async startCheck(
    request: { readonly deep?: boolean } = {},
    options: CallOptions = {},
  ): Promise<StartedCheckDocument> {
    return this.#post<StartedCheckDocument>({ path: '/v1/checksums', body: request, repeatable: true }, options);
  }

  /**
   * One step of a change of the membership, carried out or only judged by the master. It may be asked again: what was done is
   * done. @throws {RefusedError} with the reason; nothing was changed then.
   */
  async changeMembers(body: MembersChangeBody, options: CallOptions = {}): Promise<MembersChangeDocument> {
    return this.#post<MembersChangeDocument>({ path: '/v1/members', body: body, repeatable: true }, options);
  }

  /** As {@link changeMembers}; of a name that is no member nothing is changed. */
  async removeMember(
    name: string,
    { dryRun = false, allowNoSpare = false }: { readonly dryRun?: boolean; readonly allowNoSpare?: boolean } = {},
    options: CallOptions = {},
  ): Promise<MembersChangeDocument> {
    const path = `/v1/members/${encodeURIComponent(name)}?dryRun=${dryRun}&allowNoSpare=${allowNoSpare}`;
    const call: Call = { method: 'DELETE', path, headers: {}, repeatable: true };
    return parsed<MembersChangeDocument>(await this.#call(call, options));
  }

  /** Keeps mastership away from a member; `forMs` null ends that. Again is as good as once. */
  async drain(request: DrainBody, options: CallOptions = {}): Promise<DrainedDocument> {
    return this.#post<DrainedDocument>({ path: '/v1/drain', body: request, repeatable: true }, options);
  }

  /** Changes what the cell knows and does about backups: each is safe to send again. */
  async changeBackups(request: BackupChangeBody, options: CallOptions = {}): Promise<BackupChangeDocument> {
    return this.#post<BackupChangeDocument>({ path: '/v1/backups', body: request, repeatable: true }, options);
  }

  /** A session: its writes are safe to send again, and are, across failovers. Close it, or the client. */
  async openSession(options: CallOptions & { readonly ttlMs?: number } = {}): Promise<ClientSession> {
    const body = JSON.stringify(options.ttlMs === undefined ? {} : { ttlMs: options.ttlMs });
    // Sent again it may open a second session, which ends by itself.
    const call: Call = { method: 'POST', path: '/v1/sessions', headers: json, body, repeatable: true };
    const aliveMs = performance.now();
    const { session, ttlMs } = parsed<SessionDocument>(await this.#call(call, options));
    const opened = new ClientSession(this, { id: session, ttlMs: ttlMs ?? 60_000, aliveMs }, () =>
      this.#sessions.delete(opened),
    );
    this.#sessions.add(opened);
    return opened;
  }

  /** For sessions: proves that the client lives. */
  async keepSession(id: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/sessions/${encodeURIComponent(id)}/keep-alive`;
    await this.#call({ method: 'POST', path, headers: json, body: '', repeatable: true }, options);
  }

  /** For sessions: ends it in the cell. */
  async endSession(id: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/sessions/${encodeURIComponent(id)}`;
    await this.#call({ method: 'DELETE', path, headers: {}, repeatable: true }, options);
  }

  /** Ends connections; calls in flight fail. Sessions are left to end by themselves, unless they were closed. */
  async close(): Promise<void> {
    for (const session of this.#sessions) session.stop();
    await this.#transport.close();
  }

  #call(call: Call, options: CallOptions): Promise<Reply> {
    return this.#caller.call(call, options.timeoutMs ?? this.#timeoutMs);
  }

  async #post<T>(
    { path, body, repeatable }: { readonly path: string; readonly body: object; readonly repeatable: boolean },
    options: CallOptions,
  ): Promise<T> {
    const call: Call = { method: 'POST', path, headers: json, body: JSON.stringify(body), repeatable };
    return parsed<T>(await this.#call(call, options));
  }

  #gathers(options: WriteOptions): boolean {
    const { timeoutMs, ifEpoch, sequencer } = options;
    return this.#batcher !== null && timeoutMs === undefined && ifEpoch === undefined && sequencer === undefined;
  }

  #gather(operation: BatchOperationBody, bytes: number) {
    return (this.#batcher as Batcher).run(operation, bytes);
  }

  async #batch(
    operations: readonly BatchOperationBody[],
    first: SessionNumber | null,
    options: WriteOptions,
    repeatable: boolean,
  ): Promise<BatchDocument> {
    const call: Call = {
      method: 'POST',
      path: '/v1/batch',
      headers: { ...json, ...writeHeaders(first, options, 'none') },
      body: JSON.stringify({ operations }),
      repeatable,
    };
    return parsed<BatchDocument>(await this.#call(call, options));
  }

  async #pathlessPut(
    number: SessionNumber | null,
    key: string,
    value: string | Uint8Array,
    options: WriteOptions,
  ): Promise<PutDocument> {
    const done = await this.#conditional(number, key, { op: 'put', key, ...valueFields(value) }, options);
    const [put] = done.results;
    const revision = put?.op === 'put' ? put.revision : done.revision;
    return { revision, instance: done.instance, epoch: done.epoch };
  }

  async #conditional(
    number: SessionNumber | null,
    _key: string,
    operation: Extract<NonNullable<MultiOpBody['then']>[number], { op: 'put' | 'delete' }>,
    options: WriteOptions,
  ): Promise<MultiOpDocument> {
    const done = await this.multiOpNumbered(number, single(operation, options), options);
    if (!done.succeeded) throw new ConditionFailedError('The condition does not hold; nothing was written.');
    return done;
  }
}

/** As the constructor; reads well where a client is made. */
export const connect = (options: ClientOptions): PaxosClient => new PaxosClient(options);

const kvPath = (key: string): string => `/v1/kv/${encodeKey(key)}`;

const isAbsent = (error: unknown): boolean => (error as { code?: unknown }).code === 'PAXOS_KEY_NOT_FOUND';

/** The document of an answer of status 200. Something that is none came from something that is no replica. */
function parsed<Document>(reply: Reply): Document {
  const document = parseJson(reply.body);
  if (typeof document === 'object' && document !== null) return document as Document;
  throw new OutcomeUnknownError(`The answer with status ${reply.status} is no JSON document of a replica.`);
}

function unreachable(origin: string, error: TransportError): OperatorError {
  return new UnreachableError(`${origin} does not answer: ${error.message}.`, {
    facts: { endpoint: origin },
    cause: error,
  });
}
