/**
 * Writers that put one key after another while something happens to the cell, and a checker at the end: every write that was
 * acknowledged is there, whatever became of those whose fate is unknown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from './cell-client.ts';

const writers = 3;
/** Of each writer between two writes: there are some at every moment, and the processors are left to what is tried. */
const pauseMs = 10;
const requestMs = 15_000;

export class CountingLoad {
  readonly #urls: readonly string[];
  readonly #acknowledged: string[] = [];
  readonly #clients: CellClient[] = [];
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();

  /** `urls` of members that stay, or of whoever may answer. */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: writers }, (_, at) => this.#write(at)));
  }

  #client(seed: number): CellClient {
    const client = new CellClient({ urls: this.#urls, random: new Random(seed), carriesMarks: true });
    this.#clients.push(client);
    return client;
  }

  async #write(writer: number): Promise<void> {
    const client = this.#client(writer);
    for (let n = 0; !this.#stopped; n++) {
      const key = `w${writer}-${n}`;
      const outcome = await client.perform(
        { method: 'PUT', path: keyPath(key), body: `value of ${key}`, repeatable: false },
        requestMs,
      );
      if (outcome.kind === 'answer' && outcome.status === 200) this.#acknowledged.push(key);
      await sleep(pauseMs);
    }
  }

  /** Ends the load and reads everything back. Returns what is missing. */
  async stopAndCheck(urls: readonly string[] = this.#urls): Promise<readonly string[]> {
    this.#stopped = true;
    await this.#running;
    const client = new CellClient({ urls, random: new Random(99) });
    this.#clients.push(client);
    const missing: string[] = [];
    for (const key of this.#acknowledged) {
      const outcome = await client.perform({ method: 'GET', path: keyPath(key), repeatable: true }, requestMs);
      const there = outcome.kind === 'answer' && outcome.status === 200 && outcome.body === `value of ${key}`;
      if (!there) missing.push(`${key}: ${JSON.stringify(outcome).slice(0, 120)}`);
    }
    await Promise.all(this.#clients.map((each) => each.close()));
    return missing;
  }
}
