/**
 * Gathers calls that are made at the same time into few requests: what came while the last ones were under way goes into
 * the next, as with the log's own flushes. Never waits for more to come beyond the present turn of the event loop.
 *
 * Reads and writes go in batches of their own, so that reads can always be sent again.
 */
import { OutcomeUnknownError } from '../errors/cell-errors.ts';
import { errorFromProblem, type Problem } from '../errors/problem.ts';
import type { BatchDocument, BatchOperationBody, BatchResultDocument } from '../formats/http-body.ts';

export interface BatcherOptions {
  readonly send: (
    operations: readonly BatchOperationBody[],
    options: { readonly repeatable: boolean },
  ) => Promise<BatchDocument>;
  /** Operations of one request. */
  readonly operationsMax: number;
  /** Rough bytes of one request. */
  readonly bytesMax: number;
  /** Requests of one kind under way. */
  readonly inFlightMax: number;
  /** How long an operation that was refused without effect is put into later batches. */
  readonly timeoutMs: number;
}

export type BatchSuccess = Extract<BatchResultDocument, { ok: true }>;

interface Waiting {
  readonly operation: BatchOperationBody;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly resolve: (result: BatchSuccess) => void;
  readonly reject: (error: unknown) => void;
}

export class Batcher {
  readonly #reads: Lane;
  readonly #writes: Lane;
  readonly #timeoutMs: number;

  constructor(options: BatcherOptions) {
    this.#reads = new Lane(options, true);
    this.#writes = new Lane(options, false);
    this.#timeoutMs = options.timeoutMs;
  }

  /** @throws {OperatorError} of this operation alone. */
  run(operation: BatchOperationBody, bytes: number): Promise<BatchSuccess> {
    const lane = operation.op === 'get' ? this.#reads : this.#writes;
    return new Promise((resolve, reject) => {
      lane.add({ operation, bytes, deadlineMs: performance.now() + this.#timeoutMs, resolve, reject });
    });
  }
}

class Lane {
  readonly #options: BatcherOptions;
  readonly #repeatable: boolean;
  #queue: Waiting[] = [];
  #inFlight = 0;
  #scheduled = false;

  constructor(options: BatcherOptions, repeatable: boolean) {
    this.#options = options;
    this.#repeatable = repeatable;
  }

  add(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0 || this.#inFlight >= this.#options.inFlightMax) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#queue.length > 0 && this.#inFlight < this.#options.inFlightMax) this.#send(this.#take());
    });
  }

  #take(): Waiting[] {
    const { operationsMax, bytesMax } = this.#options;
    let count = 0;
    let bytes = 0;
    while (count < this.#queue.length && count < operationsMax) {
      bytes += this.#queue[count]!.bytes;
      if (bytes > bytesMax && count > 0) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #send(batch: readonly Waiting[]): void {
    this.#inFlight += 1;
    const operations = batch.map((it) => it.operation);
    this.#options.send(operations, { repeatable: this.#repeatable }).then(
      ({ results }) => {
        this.#inFlight -= 1;
        for (const [i, waiting] of batch.entries()) this.#settle(waiting, results[i]);
        this.#schedule();
      },
      (error: unknown) => {
        this.#inFlight -= 1;
        for (const { reject } of batch) reject(error);
        this.#schedule();
      },
    );
  }

  #settle(waiting: Waiting, result: BatchResultDocument | undefined): void {
    if (result === undefined) {
      waiting.reject(new OutcomeUnknownError('The batch was answered without a result for this operation.'));
      return;
    }
    if (result.ok) {
      waiting.resolve(result);
      return;
    }
    const { code, detail, status, outcome } = result.error;
    // As if never sent, because mastership moved or too much was waiting: it goes along with a later batch.
    const again = outcome === 'none' && status === 503 && performance.now() < waiting.deadlineMs;
    if (again) {
      setTimeout(() => this.add(waiting), 20);
      return;
    }
    const problem: Problem = { type: 'about:blank', title: code, status, detail, code, outcome };
    waiting.reject(errorFromProblem(problem));
  }
}
