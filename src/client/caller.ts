/**
 * A request to the cell, wherever its master is: follows redirects, tries other endpoints, waits for a master, and sends
 * again only what is safe to send again. See docs/adr/0007-client-retries.md.
 *
 * Keeps: a write that may have had an effect is sent again only under the same number of a session; and one that must not
 * be sent twice goes only to a replica that has answered, so that one which hangs cannot make its fate unknown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OutcomeUnknownError, UnreachableError } from '../errors/cell-errors.ts';
import type { OperatorError } from '../errors/operator-error.ts';
import { errorFromProblem, type Problem, problemFrom } from '../errors/problem.ts';
import { type Candidate, findMaster, type KnownCell } from './find-master.ts';
import type { MarkStore } from './marks.ts';
import { parseJson } from './parse-json.ts';
import { type Reply, type Transport, TransportError, type TransportRequest } from './transport.ts';

export interface Call extends TransportRequest {
  /** Sending it twice does no harm: a read, or a write with a number of a session. */
  readonly repeatable: boolean;
  /** Any replica may answer: whoever does is not taken for the master. */
  readonly anywhere?: boolean;
}

export interface CallerOptions {
  readonly endpoints: readonly string[];
  readonly transport: Transport;
  readonly marks: MarkStore;
  /** The cell that was met at these endpoints before: its members are asked too, and must be of it. */
  readonly cell?: KnownCell | null;
  /** How long one attempt of a repeatable call may take before another endpoint is asked. */
  readonly attemptTimeoutMs: number;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

const backoffMsMin = 10;
const backoffMsMax = 500;
/** Left of the time of a call, below which an attempt was hardly made. */
const cutShortMs = 2;
/** Redirects in a row before it pauses: during a handover two replicas may point at each other. */
const redirectsMax = 4;
/** How long the first look for a master waits for each replica; each look of the same call twice as long as the one before. */
const lookMsMin = 500;
/** With less than this left, a write that was held up so far and must not be sent twice is not sent any more. */
const lastChanceMs = 50;

/** Refusals that another endpoint, or a later time, may not repeat. All have outcome 'none'. */
const passing: ReadonlySet<string> = new Set([
  'PAXOS_NO_MASTER',
  'PAXOS_NOT_MASTER',
  'PAXOS_OVERLOADED',
  'PAXOS_STOPPING',
  'PAXOS_NOT_APPLIED',
  'PAXOS_NOT_SERVING',
  'PAXOS_REPLICA_STOPPED',
  'PAXOS_TOO_MANY_CONNECTIONS',
  'PAXOS_REQUEST_TIMEOUT',
]);

export class Caller {
  readonly #options: CallerOptions;
  /** Origins that are worth a try: the given endpoints, then masters that redirects named. */
  readonly #known: string[];
  #master: string | null = null;
  #next = 0;
  /** Origins that have answered anything. */
  readonly #answered = new Set<string>();
  #looking: Promise<string | null> | null = null;
  #cell: KnownCell | null;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.#known = [...options.endpoints];
    this.#cell = options.cell ?? null;
  }

  /** The cell as far as it is known. */
  get cell(): KnownCell | null {
    return this.#cell;
  }

  /** The origin that last answered as master, or was named as one. */
  get master(): string | null {
    return this.#master;
  }

  /** Origins that are known, given endpoints first. */
  get known(): readonly string[] {
    return this.#known;
  }

  /**
   * The answer of a master, status 2xx or 304.
   * @throws {OperatorError} of the kind that the answer stands for; {UnreachableError} when no master answered in time,
   *   and nothing was done; {OutcomeUnknownError} when a write may have had an effect.
   */
  async call(call: Call, timeoutMs: number): Promise<Reply> {
    const attempts = new Attempts(timeoutMs, this.#options.random);
    for (;;) {
      if (attempts.leftMs() <= 0) throw attempts.giveUp(this.#known);
      const origin = await this.#target(call, attempts);
      const left = attempts.leftMs();
      // What is begun with no time left ends as unknown: better to have done nothing.
      const tooLate = !call.repeatable && attempts.hesitated && left < Math.min(lastChanceMs, timeoutMs / 4);
      if (left <= 0 || tooLate) throw attempts.giveUp(this.#known);
      if (origin === null) {
        await attempts.pause(null);
        continue;
      }
      const outcome = await this.#attempt(origin, call, left);
      if (outcome instanceof TransportError) {
        await this.#unanswered(origin, call, outcome, attempts);
        continue;
      }
      if (outcome.status < 300 || outcome.status === 304) {
        if (call.anywhere !== true) this.#master = origin;
        return outcome;
      }
      if (outcome.status === 307 && this.#follow(outcome)) {
        attempts.redirects += 1;
        if (attempts.redirects % redirectsMax === 0) await attempts.pause(null);
        continue;
      }
      await this.#refused(origin, call, outcome, attempts);
    }
  }

  async #attempt(origin: string, call: Call, leftMs: number): Promise<Reply | TransportError> {
    const { transport, marks, attemptTimeoutMs } = this.#options;
    const mark = marks.newest();
    const request = mark === null ? call : { ...call, headers: { ...call.headers, 'paxos-position': mark } };
    try {
      const reply = await transport.send(
        origin,
        request,
        call.repeatable ? Math.min(leftMs, attemptTimeoutMs) : leftMs,
      );
      this.#answered.add(origin);
      const seen = reply.headers['paxos-position'];
      // Whoever sends a client elsewhere has not judged its mark: one of its own would make the client forget what it has seen.
      const judged = reply.status < 300 || reply.status === 304;
      if (typeof seen === 'string' && judged) marks.saw(seen);
      return reply;
    } catch (error) {
      if (error instanceof TransportError) return error;
      throw error;
    }
  }

  /** Where to send it; null when it may go nowhere yet. */
  async #target(call: Call, attempts: Attempts): Promise<string | null> {
    const master = this.#master;
    const next = this.#known[this.#next % this.#known.length] as string;
    if (call.anywhere === true) return master ?? next;
    if (master !== null && (call.repeatable || this.#answered.has(master))) return master;
    // When one endpoint was given, a call that may be repeated begins there at once.
    if (call.repeatable && this.#known.length === 1 && attempts.failures === 0) return next;
    this.#looking ??= this.#look(attempts).finally(() => {
      this.#looking = null;
    });
    return (await this.#looking) ?? (call.repeatable ? next : null);
  }

  /** The master, else a replica that answered: it says who is, or why nobody. */
  async #look(attempts: Attempts): Promise<string | null> {
    const { transport, attemptTimeoutMs } = this.#options;
    const limit = Math.min(lookMsMin * 2 ** attempts.looks, attemptTimeoutMs, Math.max(1, attempts.leftMs()));
    const named = this.#master;
    const found = await findMaster(transport, this.#candidates(attempts.broken), limit);
    const { master, answered } = found;
    for (const origin of answered) {
      this.#answered.add(origin);
      if (!this.#known.includes(origin)) this.#known.push(origin);
    }
    for (const { origin, why } of found.silent) attempts.unheard(origin, why);
    attempts.looks += 1;
    attempts.broken = null;
    this.#cell = found.cell ?? this.#cell;
    // Meanwhile another call may have met the master.
    if (master !== null || this.#master === named) this.#master = master;
    return this.#master ?? answered[this.#next % Math.max(1, answered.length)] ?? null;
  }

  /** Not the one that just failed, unless nobody else is known: it may say that it is master, and break all the same. */
  #candidates(broken: string | null): Candidate[] {
    const given = this.#master === null ? this.#known : [this.#master, ...this.#known];
    const { id, members } = this.#cell ?? { id: null, members: [] };
    const all = [
      ...given.map((origin) => ({ origin, cell: null })),
      ...members.filter((it) => !given.includes(it)).map((origin) => ({ origin, cell: id })),
    ];
    const others = all.filter(({ origin }) => origin !== broken);
    return others.length === 0 ? all : others;
  }

  /** The next call goes elsewhere. */
  #leave(origin: string): void {
    if (this.#master === origin) this.#master = null;
    if (this.#known[this.#next % this.#known.length] === origin) this.#next += 1;
  }

  #follow(reply: Reply): boolean {
    const { location } = reply.headers;
    const origin = typeof location === 'string' && URL.canParse(location) ? new URL(location).origin : null;
    if (origin === null || !/^https?:/.test(origin)) return false;
    if (!this.#known.includes(origin)) this.#known.push(origin);
    this.#master = origin;
    return true;
  }

  async #unanswered(origin: string, call: Call, error: TransportError, attempts: Attempts): Promise<void> {
    this.#leave(origin);
    if (error.sent && !call.repeatable) {
      throw new OutcomeUnknownError(`The write was sent to ${origin}, and no answer came: ${error.message}.`, {
        facts: { endpoint: origin, reason: error.message },
        cause: error,
      });
    }
    if (error.sent && call.method !== 'GET') attempts.mayHaveHappened = true;
    attempts.failed(origin, error.message, null);
    attempts.broken = origin;
    // Everybody is tried once before the first pause.
    if (attempts.failures % this.#known.length === 0) await attempts.pause(null);
  }

  async #refused(origin: string, call: Call, reply: Reply, attempts: Attempts): Promise<void> {
    const problem = problemFrom(reply.status, parseJson(reply.body));
    const { code, outcome } = problem;
    if (outcome === 'unknown' && call.repeatable && code !== 'PAXOS_SESSION_EXPIRED') {
      attempts.mayHaveHappened ||= call.method !== 'GET';
    } else if (outcome !== 'none' || !passing.has(code)) {
      throw errorFromProblem(problem);
    }
    attempts.failed(origin, problem.detail, errorFromProblem(problem));
    // One that is overloaded is still the master: elsewhere there is only a redirect back.
    if (code !== 'PAXOS_OVERLOADED') this.#leave(origin);
    await attempts.pause(retryAfterMs(problem, reply));
  }
}

/** What became of the attempts of one call. */
class Attempts {
  redirects = 0;
  failures = 0;
  looks = 0;
  /** Where the last attempt ended without an answer, until the next look. */
  broken: string | null = null;
  mayHaveHappened = false;
  readonly #startedMs = performance.now();
  readonly #timeoutMs: number;
  readonly #random: () => number;
  readonly #why = new Map<string, string>();
  #last: OperatorError | null = null;
  #pauses = 0;

  constructor(timeoutMs: number, random: () => number) {
    this.#timeoutMs = timeoutMs;
    this.#random = random;
  }

  /** Something went wrong already. */
  get hesitated(): boolean {
    return this.failures > 0 || this.#pauses > 0;
  }

  leftMs(): number {
    return this.#timeoutMs - (performance.now() - this.#startedMs);
  }

  failed(origin: string, why: string, error: OperatorError | null): void {
    this.failures += 1;
    this.unheard(origin, why);
    this.#last = error;
  }

  /** It did not answer who is master. */
  unheard(origin: string, why: string): void {
    // An attempt that the end of the call cut short says nothing about the endpoint, an earlier one did.
    if (this.leftMs() > cutShortMs || !this.#why.has(origin)) this.#why.set(origin, why);
  }

  /** Longer each time, up to a limit, and drawn from its upper half so that clients do not come back all at once. */
  async pause(askedMs: number | null): Promise<void> {
    const grown = Math.min(backoffMsMax, backoffMsMin * 2 ** this.#pauses);
    this.#pauses += 1;
    const ms = Math.max(grown, Math.min(askedMs ?? 0, backoffMsMax)) * (0.5 + this.#random() / 2);
    await sleep(Math.max(0, Math.min(ms, this.leftMs())));
  }

  giveUp(known: readonly string[]): OperatorError {
    const endpoints = known.map((url) => ({ url, why: this.#why.get(url) ?? 'not asked' }));
    const what = endpoints.map(({ url, why }) => `${url}: ${why}`).join('; ');
    const facts = { endpoints, timeoutMs: this.#timeoutMs };
    if (this.mayHaveHappened) {
      return new OutcomeUnknownError(`The write was sent, and its fate could not be learned in time (${what}).`, {
        facts,
      });
    }
    const message = `No master answered within ${this.#timeoutMs} ms (${what}).`;
    const code = this.#last === null ? 'PAXOS_UNREACHABLE' : (this.#last.code as 'PAXOS_NO_MASTER');
    return new UnreachableError(message, { facts, code, ...(this.#last === null ? {} : { cause: this.#last }) });
  }
}

function retryAfterMs(problem: Problem, reply: Reply): number | null {
  const fact = problem.facts?.retryAfterMs;
  if (typeof fact === 'number') return fact;
  const seconds = Number(reply.headers['retry-after']);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}
