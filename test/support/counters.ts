/** Writers that count up their own keys and read back: nothing acknowledged is lost, and nothing older is read than was acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from './cell-client.ts';

const requestMs = 20_000;
/** Every so many writes it reads. */
const readEvery = 8;

export class Counters {
  readonly #urls: readonly string[];
  readonly #acknowledged = new Map<string, number>();
  readonly #wrong: string[] = [];
  readonly #all: readonly Promise<void>[];
  #last = performance.now();
  #stopping = false;
  /** Between two acknowledged writes of anybody, ms. */
  longestGapMs = 0;
  total = 0;

  /** @param pauseMs of each writer between two writes. */
  constructor(urls: readonly string[], writers: number, pauseMs = 0) {
    this.#urls = urls;
    this.#all = Array.from({ length: writers }, (_, writer) => this.#write(writer, pauseMs));
  }

  /** Writers that have been acknowledged something. */
  get begun(): number {
    return this.#acknowledged.size;
  }

  async #write(writer: number, pauseMs: number): Promise<void> {
    const client = new CellClient({ urls: this.#urls, random: new Random(`writer ${writer}`), wanders: 0 });
    const path = keyPath(`counter/${writer}`);
    for (let n = 1; !this.#stopping; n++) {
      const put = await client.perform({ method: 'PUT', path, body: String(n), repeatable: true }, requestMs);
      if (put.kind === 'answer' && put.status === 200) {
        const now = performance.now();
        this.longestGapMs = Math.max(this.longestGapMs, now - this.#last);
        this.#last = now;
        this.total++;
        this.#acknowledged.set(path, n);
        if (n % readEvery === 0) await this.#read(client, path, n);
      }
      if (pauseMs > 0) await sleep(pauseMs);
    }
    await client.close();
  }

  async #read(client: CellClient, path: string, least: number): Promise<void> {
    const got = await client.perform({ method: 'GET', path, repeatable: true }, requestMs);
    if (got.kind === 'answer' && !(Number(got.body) >= least)) this.#wrong.push(`${path}: ${got.body} after ${least}`);
  }

  /** Ends the writers and reads everything back. Returns every read that was older than what had been acknowledged before it. */
  async stop(): Promise<readonly string[]> {
    this.#stopping = true;
    await Promise.all(this.#all);
    const reader = new CellClient({ urls: this.#urls, random: new Random('reader'), wanders: 0 });
    for (const [path, n] of this.#acknowledged) {
      const got = await reader.perform({ method: 'GET', path, repeatable: true }, requestMs);
      const read = got.kind === 'answer' ? Number(got.body) : -1;
      if (!(read >= n)) this.#wrong.push(`${path}: ${read} at the end, ${n} was acknowledged`);
    }
    await reader.close();
    return this.#wrong;
  }
}
