/** An upgrade under many writers: nothing is lost, no read goes back, and how long no write was acknowledged is told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';
import { buildNewVersion, newVersion, type OtherVersion, UpgradeCell } from '../support/upgrade-cell.ts';

let other: OtherVersion;
beforeAll(async () => {
  other = await buildNewVersion();
});
afterAll(() => other.remove());

const writersCount = 64;

/** Each writer counts up its own key and reads it back now and then: what it reads is never less than what was acknowledged. */
class Load {
  readonly acknowledged = new Map<string, number>();
  readonly wrong: string[] = [];
  longestGapMs = 0;
  total = 0;
  #last = performance.now();
  #stopping = false;
  readonly #all: Promise<void>[];

  constructor(cell: CellProcess) {
    this.#all = Array.from({ length: writersCount }, (_, writer) => this.#write(cell, writer));
  }

  async #write(cell: CellProcess, writer: number): Promise<void> {
    const client = new CellClient({ urls: cell.urls, random: new Random(`writer ${writer}`), wanders: 0 });
    const path = keyPath(`counter/${writer}`);
    for (let n = 1; !this.#stopping; n++) {
      const put = await client.perform({ method: 'PUT', path, body: String(n), repeatable: true }, 20_000);
      if (put.kind !== 'answer' || put.status !== 200) continue;
      const now = performance.now();
      this.longestGapMs = Math.max(this.longestGapMs, now - this.#last);
      this.#last = now;
      this.total++;
      this.acknowledged.set(path, n);
      if (n % 8 !== 0) continue;
      const got = await client.perform({ method: 'GET', path, repeatable: true }, 20_000);
      if (got.kind === 'answer' && Number(got.body) < n) this.wrong.push(`${path}: ${got.body} after ${n}`);
    }
    await client.close();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#all);
  }
}

describe.each([3, 5])('an upgrade of %i replicas under 64 writers', (replicas) => {
  it('loses nothing and reads nothing old', { timeout: 180_000 }, async () => {
    await withCell({ replicas }, async (cell) => {
      const upgrade = await UpgradeCell.of(cell, other);
      try {
        const load = new Load(cell);
        await until('all writers have written', () => load.acknowledged.size === writersCount);
        load.longestGapMs = 0;
        const ran = await upgrade.upgrade(undefined, '60s');
        const { longestGapMs, total } = load;
        await load.stop();
        expect(ran.code, ran.stderr).toBe(0);
        expect(load.wrong).toEqual([]);
        const reader = new CellClient({ urls: cell.urls, random: new Random('reader'), wanders: 0 });
        for (const [path, n] of load.acknowledged) {
          const got = await reader.perform({ method: 'GET', path, repeatable: true }, 20_000);
          expect(got.kind === 'answer' ? Number(got.body) : -1, path).toBeGreaterThanOrEqual(n);
        }
        await reader.close();
        expect(await upgrade.versions()).toEqual(Array.from({ length: replicas }, () => newVersion));
        process.stderr.write(`${replicas} replicas: ${total} writes, longest gap ${Math.round(longestGapMs)} ms\n`);
      } finally {
        upgrade.close();
      }
    });
  });
});
