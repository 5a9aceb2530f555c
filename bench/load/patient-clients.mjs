/**
 * Clients that go on whatever happens to the cell: each looks for the master anew and tries again until its operation is done, as
 * clients in production do. What it takes counts from the first try: an election is in it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../measure/statistics.mjs';
import { fits, keyName, makeValue } from './keys-and-values.mjs';
import { callWithin } from './promises.mjs';

const keysEach = 16;
const tryMsMax = 2_000;
const lookAgainMs = 20;
/** Of a reader, between an answer and its next question: reads are sampled, not the load. */
const readEveryMs = 10;

const figures = (latenciesMs, seconds) => {
  const sorted = Float64Array.from(latenciesMs).sort();
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: sorted.at(-1), rate: sorted.length / seconds };
};

export class PatientClients {
  #cell;
  #valueBytes;
  #filled;
  #stopped = false;
  #writesMs = [];
  #readsMs = [];
  #clients = [];
  #leader = null;
  #looking = null;

  /** `filled`: so many keys of letter `n` are there. */
  constructor({ cell, writers, readers, filled, valueBytes }) {
    this.#filled = filled;
    this.#cell = cell;
    this.#valueBytes = valueBytes;
    for (let i = 0; i < writers; i += 1) this.#clients.push(this.#write(i));
    for (let i = 0; i < readers; i += 1) this.#clients.push(this.#read(i));
    for (const client of this.#clients) client.catch(() => undefined);
  }

  /** Until `work` has ended. Gives { writes, reads }, each with p50, p99, max (ms) and rate (/s). */
  async during(work) {
    this.#writesMs = [];
    this.#readsMs = [];
    const startedMs = performance.now();
    await Promise.race([work(), this.#failed()]);
    const seconds = (performance.now() - startedMs) / 1000;
    return { seconds, writes: figures(this.#writesMs, seconds), reads: figures(this.#readsMs, seconds) };
  }

  /** @throws {Error} when a read gave what was never written. */
  async stop() {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  /** Only ever rejects: clients do not end before they are told to. */
  #failed() {
    return Promise.all(this.#clients).then(() => new Promise(() => undefined));
  }

  async #write(index) {
    const ask = this.#asker();
    for (let sequence = 1; !this.#stopped; sequence += 1) {
      const key = keyName('p', index * keysEach + (sequence % keysEach));
      const startedMs = performance.now();
      await ask('put', key, makeValue(key, sequence, this.#valueBytes));
      this.#writesMs.push(performance.now() - startedMs);
    }
  }

  /** Of keys that were filled, which nobody writes. */
  async #read(index) {
    const ask = this.#asker();
    for (let sequence = 0; !this.#stopped; sequence += 1) {
      const key = keyName('n', (index * 977 + sequence * 131) % this.#filled);
      const startedMs = performance.now();
      const value = await ask('get', key);
      if (value !== null && !fits(key, value, this.#valueBytes))
        throw new Error(`read of ${key} gave what was never written`);
      this.#readsMs.push(performance.now() - startedMs);
      await sleep(readEveryMs);
    }
  }

  /** One connection, made anew to whoever is master after each failure. */
  #asker() {
    let connection = null;
    return async (operation, ...rest) => {
      for (;;) {
        try {
          connection ??= await this.#cell.connect(await this.#master(), tryMsMax);
          return await callWithin(tryMsMax, connection, operation, ...rest);
        } catch {
          connection?.close();
          connection = null;
          this.#leader = null;
          if (this.#stopped) return null;
        }
      }
    };
  }

  /** All that look for it at one time look together. */
  async #master() {
    if (this.#leader !== null) return this.#leader;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #look() {
    for (;;) {
      this.#leader = await this.#cell.leaderAtOnce();
      if (this.#leader !== null || this.#stopped) return this.#leader;
      await sleep(lookAgainMs);
    }
  }
}
