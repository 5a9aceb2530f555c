/**
 * A live etcd, read over its HTTP JSON gateway (`/v3`, etcd 3.4 and later): keys and values of one revision, page by page.
 *
 * Its endpoints are asked in turn when one does not answer; each must belong to the same cluster. Reads are etcd's linearizable
 * ones: a member that lags answers only once it has the revision.
 */
import http from 'node:http';
import https from 'node:https';
import { OperatorError, RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import { inWords } from '../replica-http.ts';

export interface EtcdEntry {
  readonly key: Buffer;
  /** Empty where only keys were asked for. */
  readonly value: Buffer;
  /** It goes away by itself in etcd, when its lease ends. */
  readonly leased: boolean;
}

export interface EtcdPage {
  readonly clusterId: string;
  /** At which it was read. */
  readonly revision: number;
  /** In the range, this page and all others. */
  readonly count: number;
  readonly entries: readonly EtcdEntry[];
  readonly more: boolean;
}

export interface EtcdQuery {
  readonly prefix: string;
  /** The last key of the page before. */
  readonly after: Buffer | null;
  /** Null: the newest. */
  readonly revision: number | null;
  readonly limit: number;
  readonly keysOnly: boolean;
}

/** What an import reads from. */
export interface EtcdSource {
  /** @throws {UnreachableError}, {OperatorError} `PAXOS_ETCD_COMPACTED`, {RefusedError} when it does not let us. */
  page(query: EtcdQuery): Promise<EtcdPage>;
}

export interface EtcdOptions {
  readonly urls: readonly string[];
  readonly timeoutMs: number;
  /** `name:password`; null where etcd asks for none. */
  readonly user: string | null;
}

const answerBytesMax = 256 * 1024 * 1024;
/** Codes of gRPC, which the gateway passes on. */
const codes = { resourceExhausted: 8, outOfRange: 11, unauthenticated: 16, permissionDenied: 7, invalid: 3 } as const;

/** The page has more bytes than etcd gives in one answer: it is to be asked for in smaller ones. */
export class PageTooLargeError extends Error {
  override readonly name = 'PageTooLargeError';
}

export class EtcdGateway implements EtcdSource {
  readonly #options: EtcdOptions;
  #at = 0;
  #clusterId: string | null = null;
  #token: string | null = null;

  constructor(options: EtcdOptions) {
    this.#options = options;
  }

  async page({ after, keysOnly, limit, prefix, revision }: EtcdQuery): Promise<EtcdPage> {
    const first = after === null ? firstKey(prefix) : Buffer.concat([after, Buffer.of(0)]);
    const document = await this.#ask('/v3/kv/range', {
      key: first.toString('base64'),
      range_end: endOf(prefix).toString('base64'),
      limit: String(limit),
      ...(revision === null ? {} : { revision: String(revision) }),
      ...(keysOnly ? { keys_only: true } : {}),
    });
    return this.#pageFrom(document, revision);
  }

  #pageFrom(document: unknown, asked: number | null): EtcdPage {
    const { header, kvs = [], more = false, count = '0' } = (document ?? {}) as RangeDocument;
    const clusterId = header?.cluster_id;
    const revision = Number(header?.revision);
    if (typeof clusterId !== 'string' || !Number.isSafeInteger(revision) || !Array.isArray(kvs)) {
      throw new UnreachableError(`${this.#url} answers, but not as the gateway of an etcd does.`);
    }
    this.#clusterId ??= clusterId;
    if (clusterId !== this.#clusterId) {
      throw new RefusedError(`${this.#url} belongs to etcd cluster ${clusterId}, the others to ${this.#clusterId}.`, {
        facts: { url: this.#url, clusterId, expected: this.#clusterId },
        suggestions: ['etcdctl endpoint status --cluster'],
      });
    }
    const entries = kvs.map(({ key, lease, value }) => ({
      key: Buffer.from(key ?? '', 'base64'),
      value: Buffer.from(value ?? '', 'base64'),
      leased: lease !== undefined && lease !== '0',
    }));
    return { clusterId, revision: asked ?? revision, count: Number(count), entries, more };
  }

  get #url(): string {
    return this.#options.urls[this.#at % this.#options.urls.length] as string;
  }

  async #ask(path: string, body: object): Promise<unknown> {
    const failed: string[] = [];
    for (let turn = 0; turn < this.#options.urls.length; turn++) {
      try {
        return await this.#askOne(path, body);
      } catch (error) {
        if (!(error instanceof NotAnsweredError)) throw error;
        failed.push(`${this.#url}: ${error.message}`);
        this.#at++;
        this.#token = null;
      }
    }
    throw new UnreachableError(`etcd does not answer. ${failed.join('; ')}.`, {
      facts: { urls: this.#options.urls },
      suggestions: [`etcdctl --endpoints ${this.#options.urls.join(',')} endpoint health`],
    });
  }

  async #askOne(path: string, body: object): Promise<unknown> {
    const { user } = this.#options;
    if (user !== null && this.#token === null) this.#token = await this.#authenticate(user);
    const answer = await this.#post(path, body);
    if (answer.status === 200) return answer.document;
    const { code, message } = errorOf(answer.document);
    if (code === codes.unauthenticated && user !== null) {
      // Tokens end; with a new one it is asked again.
      this.#token = await this.#authenticate(user);
      const again = await this.#post(path, body);
      if (again.status === 200) return again.document;
    }
    throw this.#refusal(answer.status, code, message);
  }

  #refusal(status: number, code: number | null, message: string): Error {
    if (code === codes.outOfRange && /compacted/.test(message)) {
      return new OperatorError('PAXOS_ETCD_COMPACTED', `etcd has compacted the revision that is read (${message}).`, {
        facts: { url: this.#url },
      });
    }
    if (code === codes.resourceExhausted && /larger than max/.test(message)) return new PageTooLargeError(message);
    const denied = code === codes.permissionDenied || code === codes.unauthenticated || code === codes.invalid;
    if (denied) {
      return new RefusedError(`etcd at ${this.#url} refuses: ${message}.`, {
        facts: { url: this.#url, code },
        suggestions: ['PAXOSCTL_ETCD_USER=NAME:PASSWORD paxosctl kv import --from-etcd URL'],
      });
    }
    // No leader, a timeout inside etcd, a proxy: another endpoint may know.
    return new NotAnsweredError(`HTTP ${status}${message === '' ? '' : ` (${message})`}`);
  }

  async #authenticate(user: string): Promise<string> {
    const colon = user.indexOf(':');
    if (colon < 1) throw new UsageError('The user of etcd is written NAME:PASSWORD.');
    const credentials = { name: user.slice(0, colon), password: user.slice(colon + 1) };
    this.#token = null;
    const { document, status } = await this.#post('/v3/auth/authenticate', credentials);
    const { token } = (document ?? {}) as { token?: unknown };
    if (status === 200 && typeof token === 'string') return token;
    const { message } = errorOf(document);
    throw new RefusedError(`etcd at ${this.#url} does not take the user ${credentials.name}: ${message}.`, {
      facts: { url: this.#url, user: credentials.name },
    });
  }

  #post(path: string, body: object): Promise<{ readonly status: number; readonly document: unknown }> {
    const { timeoutMs } = this.#options;
    const url = `${this.#url}${path}`;
    const headers = {
      'content-type': 'application/json',
      ...(this.#token === null ? {} : { authorization: this.#token }),
    };
    const { request: send } = url.startsWith('https:') ? https : http;
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => {
        clearTimeout(timer);
        reject(new NotAnsweredError(inWords(error)));
      };
      const request = send(url, { method: 'POST', headers }, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('error', fail);
        response.on('data', (chunk: Buffer) => {
          timer.refresh();
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes > answerBytesMax) request.destroy(new Error('it answers without end'));
        });
        response.on('end', () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, document: parsed(Buffer.concat(chunks)) });
        });
      });
      const timer = setTimeout(() => request.destroy(new Error(`nothing came for ${timeoutMs} ms`)), timeoutMs);
      request.on('error', fail);
      request.end(JSON.stringify(body));
    });
  }
}

interface RangeDocument {
  readonly header?: { readonly cluster_id?: unknown; readonly revision?: unknown };
  readonly kvs?: readonly { readonly key?: string; readonly value?: string; readonly lease?: string }[];
  readonly more?: boolean;
  readonly count?: string;
}

/** This endpoint could not; another one may. */
class NotAnsweredError extends Error {}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

function errorOf(document: unknown): { readonly code: number | null; readonly message: string } {
  const { code, error, message } = (document ?? {}) as Record<string, unknown>;
  const text = typeof message === 'string' ? message : typeof error === 'string' ? error : '';
  return { code: typeof code === 'number' ? code : null, message: text };
}

/** etcd's word for the first of all keys. */
const firstKey = (prefix: string): Buffer => (prefix === '' ? Buffer.of(0) : Buffer.from(prefix, 'utf8'));

/** Behind the last key with the prefix; a zero byte stands for the end of all. */
export function endOf(prefix: string): Buffer {
  const bytes = Buffer.from(prefix, 'utf8');
  for (let at = bytes.length - 1; at >= 0; at--) {
    const byte = bytes[at] as number;
    if (byte === 0xff) continue;
    return Buffer.concat([bytes.subarray(0, at), Buffer.of(byte + 1)]);
  }
  return Buffer.of(0);
}
