/**
 * A closed loop: each connection sends its next operation when the last was answered.
 *
 * A row counts only if every single answer was good, and if what was acknowledged last can be read back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSecondsOf } from '../measure/process-usage.mjs';
import { fits, keyName, makeValue } from './keys-and-values.mjs';
import { call } from './promises.mjs';

/** Before the clock starts: connections get warm, queues find their length. */
const rampSecondsMax = 0.5;
const drainMsMax = 20_000;
const readBackMax = 16;

/** One connection with keys of its own, so that it knows what each of them must hold. */
class Worker {
  #connection;
  #keys;
  #run;
  #sequence = 0;
  #key = '';
  #value = '';
  #token = null;
  #startedAt = 0;
  /** The last acknowledged write, or null. */
  last = null;

  constructor(connection, keys, run) {
    this.#connection = connection;
    this.#keys = keys;
    this.#run = run;
  }

  get connection() {
    return this.#connection;
  }

  /** A swap begins with the token of the one key that it keeps to. */
  async prepare() {
    if (this.#run.operation === 'swap') this.#token = await call(this.#connection, 'token', this.#keys[0]);
  }

  next() {
    const run = this.#run;
    if (run.stopped) return run.finished();
    this.#sequence += 1;
    this.#startedAt = performance.now();
    if (run.operation === 'get') {
      this.#key = this.#keys[Math.floor(Math.random() * this.#keys.length)];
      this.#connection.get(this.#key, this.#gotten);
    } else if (run.operation === 'put') {
      this.#key = this.#keys[this.#sequence % this.#keys.length];
      this.#value = makeValue(this.#key, this.#sequence, run.valueBytes);
      this.#connection.put(this.#key, this.#value, this.#written);
    } else {
      this.#key = this.#keys[0];
      this.#value = makeValue(this.#key, this.#sequence, run.valueBytes);
      this.#connection.swap(this.#key, this.#value, this.#token, this.#written);
    }
  }

  #gotten = (error, value) => {
    if (error !== null) return this.#run.failed(error);
    if (!fits(this.#key, value, this.#run.valueBytes)) {
      return this.#run.failed(
        new Error(`read of ${this.#key} gave ${value.length} bytes that were never written there`),
      );
    }
    this.#run.answered(performance.now() - this.#startedAt);
    this.next();
  };

  #written = (error, token) => {
    if (error !== null) return this.#run.failed(error);
    this.#token = token;
    this.last = { key: this.#key, value: this.#value };
    this.#run.answered(performance.now() - this.#startedAt);
    this.next();
  };
}

/** What the workers of one run share. */
class Run {
  recording = false;
  stopped = false;
  latenciesMs = [];
  #open;
  #settle;
  /** Resolves when every worker has its last answer; rejects with the first bad one. */
  drained;

  constructor({ operation, valueBytes, connections }) {
    this.operation = operation;
    this.valueBytes = valueBytes;
    this.#open = connections;
    this.drained = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.drained.catch(() => {});
  }

  answered(latencyMs) {
    if (this.recording) this.latenciesMs.push(latencyMs);
  }

  finished() {
    this.#open -= 1;
    if (this.#open === 0) this.#settle.resolve();
  }

  failed(error) {
    this.stopped = true;
    this.#settle.reject(error);
  }
}

/**
 * Runs `operation` ('put', 'get' or 'swap') on `connections` connections, dealt out to `targets` in turn, for `seconds`; with
 * `beside` until the work that it begins has ended, measured from its beginning.
 *
 * Gives operations, seconds, sorted latencies (ms), CPU seconds of all members and of this process in that time.
 * @throws {Error} when any answer was bad, or a write that was acknowledged cannot be read.
 */
export async function runClosedLoop(options) {
  const { cell, targets, operation, connections, letter, keysEach, valueBytes, seconds, beside = null } = options;
  const run = new Run({ operation, valueBytes, connections });
  const workers = [];
  try {
    for (let i = 0; i < connections; i += 1) {
      const keys = Array.from({ length: keysEach }, (_, k) => keyName(letter, i * keysEach + k));
      workers.push(new Worker(await cell.connect(targets[i % targets.length]), keys, run));
    }
    for (const worker of workers) await worker.prepare();
    for (const worker of workers) worker.next();
    await passes(run, beside === null ? Math.min(rampSecondsMax, seconds / 4) : rampSecondsMax);
    const before = readClocks(cell);
    run.recording = true;
    if (beside === null) await passes(run, seconds);
    else await Promise.race([beside(), run.drained]);
    run.recording = false;
    const after = readClocks(cell);
    run.stopped = true;
    await Promise.race([run.drained, refuseAfter(drainMsMax)]);
    if (operation !== 'get') await readBack(workers);
    if (run.latenciesMs.length === 0) throw new Error('not a single answer in the time given');
    return {
      operations: run.latenciesMs.length,
      seconds: after.wall - before.wall,
      latenciesMs: Float64Array.from(run.latenciesMs).sort(),
      serverCpuSeconds: before.server === null || after.server === null ? null : after.server - before.server,
      generatorCpuSeconds: after.generator - before.generator,
    };
  } finally {
    run.stopped = true;
    for (const worker of workers) worker.connection.close();
  }
}

/** Ends early, with the error, when a worker fails. */
async function passes(run, seconds) {
  const aborter = new AbortController();
  const time = sleep(seconds * 1000, undefined, { signal: aborter.signal }).catch(() => {});
  try {
    await Promise.race([time, run.drained]);
  } finally {
    aborter.abort();
  }
}

function refuseAfter(ms) {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`answers were still missing after ${ms} ms`)), ms).unref();
  });
}

function readClocks(cell) {
  const own = process.cpuUsage();
  return {
    wall: performance.now() / 1000,
    server: cpuSecondsOf(cell.members),
    generator: (own.user + own.system) / 1e6,
  };
}

async function readBack(workers) {
  const step = Math.max(1, Math.floor(workers.length / readBackMax));
  for (let i = 0; i < workers.length; i += step) {
    const { connection, last } = workers[i];
    if (last === null) throw new Error(`connection ${i + 1} got no answer at all`);
    const value = await call(connection, 'get', last.key);
    if (value !== last.value) throw new Error(`${last.key} does not hold what was acknowledged last`);
  }
}
