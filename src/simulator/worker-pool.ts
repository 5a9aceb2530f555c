/**
 * Runs cells in worker threads, so that all cores work and the main thread stays free for people: progress, Ctrl-C.
 *
 * Keeps: a thread runs one cell at a time, and a cell sees nothing of the others, so a run is the same in any thread. What is
 * given up takes its thread along, since a run cannot be asked to stop between two events.
 */
import { Worker } from 'node:worker_threads';
import type { CellOptions, CellReport } from './cell.ts';
import type { CellRunner, Pulse, RunHooks } from './runner.ts';

export type FromWorker =
  | { readonly kind: 'report'; readonly report: CellReport }
  | ({ readonly kind: 'pulse' } & Pulse);

interface Task {
  readonly options: CellOptions;
  readonly hooks: RunHooks;
  readonly resolve: (report: CellReport | null) => void;
  readonly reject: (error: unknown) => void;
}

export class WorkerPool implements CellRunner {
  readonly lanes: number;
  /** The built `worker.ts`. */
  readonly #entry: URL;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Task>();
  readonly #waiting: Task[] = [];
  #closed = false;

  /** Threads are started when they are first needed. */
  constructor(options: { readonly jobs: number; readonly entry: URL }) {
    this.lanes = options.jobs;
    this.#entry = options.entry;
  }

  run(options: CellOptions, hooks: RunHooks = {}): Promise<CellReport | null> {
    return new Promise((resolve, reject) => {
      if (this.#closed || hooks.signal?.aborted === true) return resolve(null);
      const task: Task = { options, hooks, resolve, reject };
      hooks.signal?.addEventListener('abort', () => this.#giveUp(task), { once: true });
      this.#waiting.push(task);
      this.#go();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const task of [...this.#waiting, ...this.#busy.values()]) this.#giveUp(task);
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()));
  }

  #go(): void {
    while (this.#waiting.length > 0 && this.#busy.size < this.lanes) {
      const task = this.#waiting.shift() as Task;
      const worker = this.#idle.pop() ?? this.#start();
      this.#busy.set(worker, task);
      worker.ref();
      worker.postMessage(task.options);
    }
  }

  #start(): Worker {
    // Flags of the main thread (loaders of a test, a profiler) are not for the workers.
    const worker = new Worker(this.#entry, { execArgv: [] });
    worker.on('message', (message: FromWorker) => {
      const task = this.#busy.get(worker);
      if (task === undefined) return;
      if (message.kind === 'pulse') return task.hooks.onPulse?.(message);
      this.#busy.delete(worker);
      worker.unref();
      this.#idle.push(worker);
      task.resolve(message.report);
      this.#go();
    });
    const broken = (error: unknown): void => {
      const task = this.#busy.get(worker);
      this.#forget(worker);
      task?.reject(error);
      this.#go();
    };
    worker.on('error', broken);
    worker.on('exit', (code) => broken(new Error(`A simulating thread ended with ${code}.`)));
    return worker;
  }

  #forget(worker: Worker): void {
    this.#busy.delete(worker);
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  #giveUp(task: Task): void {
    const at = this.#waiting.indexOf(task);
    if (at >= 0) this.#waiting.splice(at, 1);
    for (const [worker, running] of this.#busy) {
      if (running !== task) continue;
      this.#forget(worker);
      void worker.terminate();
    }
    task.resolve(null);
    if (!this.#closed) this.#go();
  }
}
