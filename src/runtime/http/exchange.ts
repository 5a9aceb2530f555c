/**
 * One request and its answer. Answers at most once, counts as in flight from `hold` on, and is ended by its deadline.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type ProblemDetails,
  problemAnswer,
  type RawHeaders,
  writeAsciiJson,
  writeText,
  writeValue,
} from './answers.ts';
import type { Waiting } from './deadlines.ts';
import type { FrontState } from './front-state.ts';
import type { Fault } from './keys.ts';
import type { RouteCounts } from './metrics.ts';
import type { Query } from './query.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { ReplicaService, WriteOutcome } from './service.ts';

const json: RawHeaders = ['Content-Type', 'application/json'];

export class Exchange implements Waiting {
  readonly front: FrontState;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly headers: RequestHeaders;
  readonly counts: RouteCounts;
  /** What stands in the path for `{key}`, `{id}` or `{name}`: decoded for keys, raw otherwise. */
  readonly parameter: string;
  readonly query: Query;
  /** Of a request for one key; its problems name it. */
  readonly key: string | null;
  deadlineMs = 0;
  /** Position that this request waited for and that was applied then; 0 before. */
  waitedFor = 0;
  /** The client's mark is in the history that is applied here. */
  markServed = false;
  before: Waiting | null = null;
  after: Waiting | null = null;
  #startedMs = 0;
  #inFlight = false;
  #answered = false;
  #proposed = false;

  constructor(
    front: FrontState,
    req: IncomingMessage,
    res: ServerResponse,
    request: {
      readonly headers: RequestHeaders;
      readonly counts: RouteCounts;
      readonly parameter: string;
      readonly query: Query;
      readonly key: string | null;
    },
  ) {
    this.front = front;
    this.req = req;
    this.res = res;
    this.headers = request.headers;
    this.counts = request.counts;
    this.parameter = request.parameter;
    this.query = request.query;
    this.key = request.key;
  }

  get service(): ReplicaService {
    return this.front.service;
  }

  get answered(): boolean {
    return this.#answered;
  }

  /**
   * Before anything that waits. False when this replica has as much as it takes: the request is refused then, before
   * any work was done for it.
   */
  hold(): boolean {
    if (this.#inFlight) return true;
    const { front } = this;
    if (front.inFlight >= front.limits.requestsInFlightMax) {
      this.problem('PAXOS_OVERLOADED', 'Too many requests are in flight.', { retryAfterMs: 1000 });
      return false;
    }
    front.inFlight += 1;
    this.#inFlight = true;
    this.#startedMs = performance.now();
    front.deadlines.add(this);
    return true;
  }

  /** From here until {@link settled} the fate of a write is not known, and it counts as in flight. */
  proposed(): void {
    this.#proposed = true;
  }

  /** The service has answered for the proposal. */
  settled(): void {
    this.#proposed = false;
    if (this.#answered) {
      this.front.log({ kind: 'late-outcome', method: this.req.method });
      this.#release();
    } else if (this.res.destroyed || this.req.socket.destroyed) {
      // The client went away after it had sent everything: for it the outcome is unknown.
      this.front.log({ kind: 'client-gone', method: this.req.method, outcome: 'unknown' });
      this.abandon();
    }
  }

  /** The client went away: nothing is to be answered any more. */
  abandon(): void {
    if (this.#answered) return;
    this.#answered = true;
    if (!this.#proposed) this.#release();
  }

  expire(): void {
    if (this.#proposed) {
      this.problem('PAXOS_OUTCOME_UNKNOWN', 'The write was proposed, and no outcome was known within the time limit.', {
        facts: { afterMs: this.front.limits.answerTimeoutMs },
      });
    } else {
      this.problem('PAXOS_NO_MASTER', 'The request could not be served within the time limit.', {
        facts: { afterMs: this.front.limits.answerTimeoutMs },
        retryAfterMs: 1000,
      });
    }
  }

  /** What follows may take longer than any request may wait: no deadline ends it, and it counts as in flight no more. */
  unheld(): void {
    this.#release();
  }

  #release(): void {
    if (!this.#inFlight) return;
    this.#inFlight = false;
    this.front.inFlight -= 1;
    this.front.deadlines.delete(this);
  }

  /** False when the request was answered before, or its client has gone. */
  #begin(status: number): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    this.counts.answered(status);
    if (this.#inFlight) {
      this.counts.waited(performance.now() - this.#startedMs);
      // An unsettled proposal stays counted: it still takes room behind us.
      if (this.#proposed) this.front.deadlines.delete(this);
      else this.#release();
    }
    return !this.res.destroyed;
  }

  /**
   * `answer` as the log may call it: the log goes on whatever becomes of an answer, so that nothing is thrown at it. What
   * was asked for may have been done, and the client is told that it does not know.
   */
  outcome(answer: (outcome: WriteOutcome) => void): (outcome: WriteOutcome) => void {
    return (outcome) => {
      try {
        answer(outcome);
      } catch (error) {
        this.front.log({ kind: 'answer-failed', method: this.req.method, error: String(error) });
        if (this.#answered) this.res.destroy();
        else this.problem('PAXOS_INTERNAL', 'The answer could not be written.');
      }
    };
  }

  #position(): string {
    return this.service.position(this.markServed ? null : this.headers.paxosPosition);
  }

  json(document: unknown, status = 200, headers: RawHeaders = json): void {
    this.text(status, headers, JSON.stringify(document));
  }

  text(status: number, headers: RawHeaders, body: string): void {
    if (this.#begin(status)) writeText(this.res, status, headers, body, this.#position());
  }

  asciiJson(body: string, etag: string): void {
    if (this.#begin(200)) writeAsciiJson(this.res, body, etag, this.#position());
  }

  /** `headers` without length and position. */
  value(headers: string[], value: Uint8Array): void {
    if (!this.#begin(200)) return;
    const position = this.#position();
    if (position !== '') headers.push('Paxos-Position', position);
    writeValue(this.res, headers, value);
  }

  /** The head of an answer of `bytes` bytes, which the caller writes; null when nobody waits for it any more. */
  stream(headers: RawHeaders, bytes: number): ServerResponse | null {
    if (!this.#begin(200)) return null;
    const position = this.#position();
    const all = [...headers, 'Content-Length', String(bytes)];
    if (position !== '') all.push('Paxos-Position', position);
    this.res.writeHead(200, all);
    return this.res;
  }

  /** The head of an answer that goes on until its caller ends it; null when nobody waits for it any more. */
  events(): ServerResponse | null {
    if (!this.#begin(200)) return null;
    const position = this.#position();
    const headers = ['Content-Type', 'text/event-stream', 'Cache-Control', 'no-store', 'X-Accel-Buffering', 'no'];
    if (position !== '') headers.push('Paxos-Position', position);
    this.res.writeHead(200, headers);
    this.res.flushHeaders();
    return this.res;
  }

  problem(code: string, detail: string, details?: ProblemDetails): void {
    const { key } = this;
    const all = key === null ? details : { ...details, facts: { key, ...details?.facts } };
    const answer = problemAnswer(code, detail, all);
    if (this.#begin(answer.status)) writeText(this.res, answer.status, answer.headers, answer.body, this.#position());
  }

  fault(fault: Fault): void {
    this.problem(fault.code, fault.detail);
  }

  /** Path and query go along exactly as the client sent them. */
  redirect(to: { readonly name: string; readonly url: string }): void {
    this.problem('PAXOS_NOT_MASTER', `This replica is not the master; ${to.name} is.`, {
      status: 307,
      outcome: 'none',
      headers: ['Location', to.url.replace(/\/+$/, '') + this.req.url],
      facts: { master: { name: to.name, url: to.url } },
    });
  }

  /** As {@link problem}, and the connection is of no further use: its next bytes would not be a request. */
  problemAndClose(code: string, detail: string): void {
    this.res.shouldKeepAlive = false;
    this.problem(code, detail);
  }

  /**
   * As {@link problemAndClose}, to a client that is still sending: the answer is written whole, and what arrives is
   * thrown away for a moment before the connection is closed, since closing at once would reset it and the client
   * would never see the answer.
   */
  problemAndLinger(code: string, detail: string, lingerMs = 500): void {
    const answer = problemAnswer(code, detail);
    if (!this.#begin(answer.status)) return;
    const { req, res } = this;
    const position = this.#position();
    const headers = [
      ...answer.headers,
      'Content-Length',
      String(Buffer.byteLength(answer.body)),
      'Connection',
      'close',
    ];
    if (position !== '') headers.push('Paxos-Position', position);
    res.shouldKeepAlive = false;
    res.writeHead(answer.status, headers);
    res.write(answer.body);
    const end = () => {
      clearTimeout(timer);
      res.end();
    };
    const timer = setTimeout(end, lingerMs);
    req.resume();
    req.once('close', end);
    req.once('end', end);
  }
}
