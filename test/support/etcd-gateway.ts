/**
 * The HTTP JSON gateway of an etcd as far as a copy needs it: ranges at a revision, pages, compaction, users, and ways to fail. What it
 * answers was compared with etcd 3.4 (`test/cell/etcd.test.ts` asks the same of a real one, where one is installed).
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Kept {
  readonly value: Buffer;
  readonly revision: number;
  readonly lease: string;
}

interface RangeBody {
  readonly key: string;
  readonly range_end: string;
  readonly limit?: string;
  readonly revision?: string;
  readonly keys_only?: boolean;
}

export class EtcdStandIn {
  clusterId = '11807607886975534962';
  revision = 1;
  /** Reads below it are refused. */
  compacted = 0;
  /** `name:password`; null: nobody is asked who he is. */
  user: string | null = null;
  /** An answer with more bytes of values than this is refused, as gRPC refuses a message. */
  answerBytesMax = Number.POSITIVE_INFINITY;
  /** Before each range; what it returns takes the place of the answer. */
  intercept: (() => { readonly status: number; readonly document: object } | null) | null = null;
  ranges = 0;
  /** Every state that ever was, by revision: small ones only. */
  readonly #states: Map<string, Kept>[] = [new Map(), new Map()];
  readonly #server: Server;
  #tokens = 0;
  #token = '';

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}');
        if (request.url === '/v3/auth/authenticate') return this.#authenticate(body, response);
        if (request.url === '/v3/kv/range') return this.#range(body, request.headers.authorization, response);
        answer(response, 404, { error: 'Not Found' });
      });
    });
  }

  static async start(): Promise<EtcdStandIn> {
    const it = new EtcdStandIn();
    await new Promise<void>((resolve) => void it.#server.listen(0, '127.0.0.1', resolve));
    return it;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }

  /** All at one revision, as in a transaction. */
  put(entries: Readonly<Record<string, string>> | readonly (readonly [Buffer, Buffer])[], lease = '0'): void {
    const next = new Map(this.#states[this.revision]);
    this.revision++;
    const pairs = Array.isArray(entries)
      ? (entries as readonly (readonly [Buffer, Buffer])[])
      : Object.entries(entries).map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const);
    for (const [key, value] of pairs) next.set(key.toString('latin1'), { value, revision: this.revision, lease });
    this.#states.push(next);
  }

  delete(key: string): void {
    const next = new Map(this.#states[this.revision]);
    this.revision++;
    next.delete(Buffer.from(key).toString('latin1'));
    this.#states.push(next);
  }

  /** Tokens that were given are worth nothing any more. */
  endTokens(): void {
    this.#token = '';
  }

  #authenticate({ name, password }: { name?: string; password?: string }, response: ServerResponse): void {
    if (`${name}:${password}` !== this.user) {
      const text = 'etcdserver: authentication failed, invalid user ID or password';
      return answer(response, 400, { error: text, message: text, code: 3 });
    }
    this.#token = `token-${++this.#tokens}`;
    answer(response, 200, { header: this.#header(), token: this.#token });
  }

  #header(): object {
    const { clusterId: cluster_id, revision } = this;
    return { cluster_id, member_id: '15170997320306254322', revision: String(revision), raft_term: '2' };
  }

  #range(body: RangeBody, authorization: string | undefined, response: ServerResponse): void {
    this.ranges++;
    const instead = this.intercept?.() ?? null;
    if (instead !== null) return answer(response, instead.status, instead.document);
    const fail = (text: string, code: number) => answer(response, 400, { error: text, message: text, code });
    if (this.user !== null && authorization === undefined) return fail('etcdserver: user name is empty', 3);
    if (this.user !== null && (authorization !== this.#token || this.#token === '')) {
      return answer(response, 401, { error: 'etcdserver: invalid auth token', code: 16 });
    }
    const revision = Number(body.revision ?? this.revision);
    if (revision < this.compacted) return fail('etcdserver: mvcc: required revision has been compacted', 11);
    const from = Buffer.from(body.key, 'base64');
    const end = Buffer.from(body.range_end, 'base64');
    const isEnd = end.length === 1 && end[0] === 0;
    const all = [...(this.#states[revision] ?? [])]
      .map(([key, kept]) => ({ key: Buffer.from(key, 'latin1'), kept }))
      .filter(({ key }) => Buffer.compare(key, from) >= 0 && (isEnd || Buffer.compare(key, end) < 0))
      .sort((a, b) => Buffer.compare(a.key, b.key));
    const limit = Number(body.limit ?? 0) || all.length;
    const page = all.slice(0, limit);
    const bytes = body.keys_only === true ? 0 : page.reduce((sum, { kept }) => sum + kept.value.length, 0);
    if (bytes > this.answerBytesMax) {
      return fail(`grpc: received message larger than max (${bytes} vs. ${this.answerBytesMax})`, 8);
    }
    const kvs = page.map(({ key, kept }) => ({
      key: key.toString('base64'),
      mod_revision: String(kept.revision),
      ...(kept.lease === '0' ? {} : { lease: kept.lease }),
      ...(body.keys_only === true || kept.value.length === 0 ? {} : { value: kept.value.toString('base64') }),
    }));
    // As the gateway does, without what has its default.
    answer(response, 200, {
      header: this.#header(),
      ...(kvs.length === 0 ? {} : { kvs }),
      ...(all.length > limit ? { more: true } : {}),
      ...(all.length === 0 ? {} : { count: String(all.length) }),
    });
  }
}

function answer(response: ServerResponse, status: number, document: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document));
}
