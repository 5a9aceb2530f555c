/**
 * Who waits for what at one replica: the submissions of this turn, and the callbacks of all that is under way.
 *
 * Keeps: each `done` is called exactly once; "none" only for what was never proposed, or what the core says had no effect
 * (pitfall P41).
 */
import type { Effect } from '../core/consensus/effect.ts';
import type { Epoch, Instance, RequestId } from '../core/consensus/identity.ts';
import type { Submission } from '../core/consensus/input.ts';
import { unreachable } from '../core/invariant.ts';
import type { ChangeOutcome, SubmitCallback, SubmitOutcome } from './log-replica-options.ts';
import type { Logger } from './logger.ts';
import { OpenRequests } from './open-requests.ts';

export class LogAnswers<Result> {
  readonly #logger: Logger;
  readonly #callbacks = new OpenRequests<SubmitCallback<Result>>();
  readonly #changes = new Map<RequestId, (outcome: ChangeOutcome) => void>();
  #nextRequest = 1;
  #submissions: Submission[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Submissions that wait for an instance or for their answer. */
  get open(): number {
    return this.#callbacks.size;
  }

  /** Returns whether it is the first of this turn. */
  submit(item: Uint8Array, done: SubmitCallback<Result>): boolean {
    const request = this.#nextRequest++ as RequestId;
    this.#callbacks.add(request, done);
    this.#submissions.push({ request, item });
    return this.#submissions.length === 1;
  }

  /** Those of this turn; from now on they count as proposed. */
  takeSubmissions(): readonly Submission[] {
    const submissions = this.#submissions;
    this.#submissions = [];
    return submissions;
  }

  change(done: (outcome: ChangeOutcome) => void): RequestId {
    const request = this.#nextRequest++ as RequestId;
    this.#changes.set(request, done);
    return request;
  }

  /** `result` is absent where the application made nothing of the item. */
  applied(request: RequestId, result: Result | undefined, at: { instance: Instance; epoch: Epoch }): void {
    if (result === undefined) this.#answer(request, { kind: 'none', reason: 'refused' });
    else this.#answer(request, { kind: 'applied', result, instance: at.instance, epoch: at.epoch });
  }

  changed(request: RequestId, outcome: ChangeOutcome): void {
    const done = this.#changes.get(request);
    if (done === undefined) return;
    this.#changes.delete(request);
    this.#tell(() => done(outcome));
  }

  settle(requests: readonly RequestId[], reason: Extract<Effect, { kind: 'settle' }>['reason']): void {
    const outcome = outcomeOf(reason);
    for (const request of requests) this.#answer(request, outcome);
  }

  /** Everybody who still waits: what was never proposed had no effect. */
  endAll(none: 'stopped' | 'not-master', unknown: 'stopped' | 'mastership-lost'): void {
    const unproposed = new Set(this.takeSubmissions().map(({ request }) => request));
    for (const [request, callback] of this.#callbacks.takeAll()) {
      const kept = unproposed.has(request as RequestId);
      this.#tell(() => callback(kept ? { kind: 'none', reason: none } : { kind: 'unknown', reason: unknown }));
    }
    const changes = [...this.#changes.values()];
    this.#changes.clear();
    for (const done of changes) this.#tell(() => done('unknown'));
  }

  #answer(request: RequestId, outcome: SubmitOutcome<Result>): void {
    if (this.#changes.has(request)) return this.changed(request, outcome.kind === 'unknown' ? 'unknown' : 'refused');
    const callback = this.#callbacks.take(request);
    if (callback !== null) this.#tell(() => callback(outcome));
  }

  /** Telling a caller is no part of the log: what goes wrong there must not stop a replica. */
  #tell(answer: () => void): void {
    try {
      answer();
    } catch (error) {
      this.#logger.error({ err: error }, 'an answer could not be given');
    }
  }
}

function outcomeOf(reason: Extract<Effect, { kind: 'settle' }>['reason']): SubmitOutcome<never> {
  switch (reason) {
    case 'unknown':
      return { kind: 'unknown', reason: 'mastership-lost' };
    case 'overloaded':
      return { kind: 'none', reason };
    case 'configuration-refused':
      return { kind: 'none', reason: 'refused' };
    case 'not-master':
    case 'replaced':
      return { kind: 'none', reason: 'not-master' };
    default:
      return unreachable(reason);
  }
}
