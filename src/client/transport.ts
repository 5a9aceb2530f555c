/**
 * One request to one endpoint: no retries, no redirects. What it adds to undici is whether a failed request may have
 * reached the other side, which decides whether it may be sent again.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { ReplyStream } from './reply-stream.ts';
import { TransportError } from './transport-error.ts';

export { TransportError };

export interface TransportRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Path and query, encoded. */
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array;
  /** An answer of status 200 goes on for as long as it is read. */
  readonly streams?: boolean;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Of a request that asked for it, in the place of `body`. */
  readonly stream: ReplyStream | null;
}

export interface TransportOptions {
  /** To each endpoint. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
}

/** Answers above this are cut; listings are paged far below it. */
const replyBytesMax = 64 * 1024 * 1024;

export class Transport {
  readonly #pools = new Map<string, Pool>();
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  #pool(origin: string): Pool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      const { connections, connectTimeoutMs } = this.#options;
      pool = new Pool(origin, {
        connections,
        pipelining: 1,
        // Timers of ours end requests: undici's are coarse, and tell not what had been sent.
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: { timeout: connectTimeoutMs },
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  /** @throws {TransportError} when no complete answer came within `timeoutMs`; of one that goes on, its head. */
  send(origin: string, request: TransportRequest, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(resolve, reject, timeoutMs, request.streams === true);
      const { method, path, headers, body = null } = request;
      try {
        this.#pool(origin).dispatch({ method, path, headers, body }, exchange);
      } catch (error) {
        exchange.onResponseError(null, error as Error);
      }
    });
  }

  /** Ends what is open; requests in flight fail. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: TransportError) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #streams: boolean;
  #stream: ReplyStream | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #settled = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(
    resolve: (reply: Reply) => void,
    reject: (error: TransportError) => void,
    timeoutMs: number,
    streams: boolean,
  ) {
    this.#resolve = resolve;
    this.#streams = streams;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#fail(`no answer within ${Math.round(timeoutMs)} ms`), timeoutMs);
  }

  /** The last moment before bytes are written: an exchange that has ended by then never leaves. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) {
      controller.abort(new Error('ended before it was sent'));
      return;
    }
    this.#controller = controller;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    this.#headers = headers;
    if (!this.#streams || status !== 200 || this.#settled) return;
    this.#stream = new ReplyStream(controller);
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#resolve({ status, headers, body: Buffer.alloc(0), stream: this.#stream });
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#stream !== null) return this.#stream.push(chunk);
    this.#length += chunk.length;
    if (this.#length > replyBytesMax) this.#fail(`an answer of more than ${replyBytesMax} bytes`);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#stream?.end(null);
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#status, headers: this.#headers, body, stream: null });
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.#stream?.end(new TransportError(inWords(error), true, error));
    this.#fail(inWords(error), error);
  }

  #fail(message: string, cause?: Error): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    const sent = this.#controller !== null;
    this.#reject(new TransportError(message, sent, cause));
    this.#controller?.abort(cause ?? new Error(message));
  }
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  UND_ERR_SOCKET: 'connection closed',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name does not resolve',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to it',
};

function inWords(error: Error & { code?: string; errors?: readonly Error[] }): string {
  // Several addresses were tried: the first says enough.
  const { code } = error.errors?.[0] === undefined ? error : (error.errors[0] as Error & { code?: string });
  return (code === undefined ? undefined : words[code]) ?? error.message;
}
