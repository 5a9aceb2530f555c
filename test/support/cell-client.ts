/**
 * A client of the test's own, over plain HTTP: what it reports about a request rests on the contract alone, not on the
 * client library that may be wrong in the same way as the server.
 *
 * Source: contract §2. `none` is believed only where the contract says so; whatever may have been sent is `unknown`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request as send } from 'undici';
import type { Random } from '../../src/core/random.ts';

export interface CellRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A read, or a write with a number of a session: sent again until it is answered. */
  readonly repeatable: boolean;
}

export interface CellAnswer {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Code of the problem document, where it is one. */
  readonly code: string | null;
  /** Who answered. */
  readonly url: string;
}

export type CellOutcome = CellAnswer | { readonly kind: 'none' | 'unknown'; readonly why: string };

export interface CellClientOptions {
  readonly urls: readonly string[];
  readonly random: Random;
  /** Sends the newest position mark along, and so must never be told of an older state. */
  readonly carriesMarks?: boolean;
  readonly attemptTimeoutMs?: number;
  /** Chance that a request goes to anybody instead of the master: redirects are used, and stale masters asked. */
  readonly wanders?: number;
}

/** An answer that no fault of this test explains: a bug. */
export class UnexpectedAnswer extends Error {}

const definite = new Set([200, 304, 404, 412]);
const redirectsMax = 8;

export class CellClient {
  readonly #options: CellClientOptions;
  readonly #agent = new Agent({
    connections: 4,
    pipelining: 1,
    keepAliveTimeout: 4_000,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  #target: string | null = null;
  #mark: string | null = null;

  constructor(options: CellClientOptions) {
    this.#options = options;
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /**
   * Tries until it is answered, its fate cannot be known any more, or the time is over.
   * @throws {UnexpectedAnswer} for refusals that no fault explains.
   */
  async perform(request: CellRequest, timeoutMs: number): Promise<CellOutcome> {
    const deadline = performance.now() + timeoutMs;
    let maybe = false;
    let why = 'not tried';
    while (performance.now() < deadline) {
      const outcome = await this.attempt(request, this.#choose());
      if (outcome.kind === 'answer') return outcome;
      ({ why } = outcome);
      this.#target = null;
      if (outcome.kind === 'unknown') {
        if (!request.repeatable) return outcome;
        maybe = true;
      }
      await sleep(20 + this.#options.random.below(40));
    }
    return { kind: maybe && request.method !== 'GET' ? 'unknown' : 'none', why };
  }

  #choose(): string {
    const { random, urls, wanders = 0.05 } = this.#options;
    return this.#target !== null && !random.chance(wanders) ? this.#target : random.pick(urls);
  }

  /** One request to `url` and where it redirects to. */
  async attempt(request: CellRequest, url: string): Promise<CellOutcome> {
    let at = url;
    for (let redirects = 0; redirects < redirectsMax; redirects++) {
      const outcome = await this.exchange(request, at);
      if (outcome.kind !== 'answer' || outcome.status !== 307) return outcome;
      const location = outcome.headers.location;
      if (typeof location !== 'string') throw new UnexpectedAnswer(`307 of ${at} without Location`);
      at = new URL(location).origin;
    }
    return { kind: 'none', why: `${redirectsMax} redirects in a row, the last to ${at}` };
  }

  /** One request to one replica, without following redirects. */
  async exchange(request: CellRequest, url: string): Promise<CellOutcome> {
    const { carriesMarks = false, attemptTimeoutMs = 1_000 } = this.#options;
    const { method, path, body, headers = {} } = request;
    const mark = carriesMarks ? this.#mark : null;
    try {
      const reply = await send(`${url}${path}`, {
        method,
        headers: mark === null ? headers : { ...headers, 'paxos-position': mark },
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(attemptTimeoutMs),
        ...(body === undefined ? {} : { body }),
      });
      return this.#judge(url, reply.statusCode, reply.headers, await reply.body.text());
    } catch (error) {
      if (error instanceof UnexpectedAnswer) throw error;
      const { code = '', name, message } = error as NodeJS.ErrnoException;
      const why = `${url}: ${code || name} ${message}`;
      return { kind: code === 'ECONNREFUSED' ? 'none' : 'unknown', why };
    }
  }

  #judge(url: string, status: number, headers: CellAnswer['headers'], body: string): CellOutcome {
    const problem = status >= 400 ? problemOf(body) : null;
    const answer: CellAnswer = { kind: 'answer', status, headers, body, code: problem?.code ?? null, url };
    if (status === 307) return answer;
    if (definite.has(status)) {
      if (status === 404 && answer.code !== 'PAXOS_KEY_NOT_FOUND') throw unexpected(answer);
      this.#target = url;
      const mark = headers['paxos-position'];
      if (typeof mark === 'string') this.#mark = mark;
      return answer;
    }
    if (status < 500 || problem === null || status === 500) throw unexpected(answer);
    return { kind: problem.outcome === 'none' ? 'none' : 'unknown', why: `${url}: ${problem.code}` };
  }
}

const unexpected = ({ url, status, body }: CellAnswer): UnexpectedAnswer =>
  new UnexpectedAnswer(`${url} answered ${status}: ${body.slice(0, 300)}`);

function problemOf(body: string): { readonly code: string; readonly outcome: string } | null {
  try {
    const { code, outcome } = JSON.parse(body);
    return typeof code === 'string' && typeof outcome === 'string' ? { code, outcome } : null;
  } catch {
    return null;
  }
}

export const keyPath = (key: string): string => `/v1/kv/${encodeURIComponent(key)}`;
