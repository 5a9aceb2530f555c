/** What clients notice when the master goes: by `kill -9`, with all others, by a clean stop, by being frozen for a while. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { type CellAnswer, CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, leaseMs, withCell } from '../support/cell-process.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { staleReadsRace } from '../support/stale-reads.ts';
import { until } from '../support/until.ts';

const three = { replicas: 3 };

function clientOf(cell: CellProcess, label = 'client'): CellClient {
  return new CellClient({ urls: cell.urls, random: new Random(label), wanders: 0 });
}

async function put(client: CellClient, key: string, value: string): Promise<CellAnswer> {
  const outcome = await client.perform({ method: 'PUT', path: keyPath(key), body: value, repeatable: true }, 20_000);
  if (outcome.kind !== 'answer' || outcome.status !== 200) throw new Error(`put: ${JSON.stringify(outcome)}`);
  return outcome;
}

async function get(client: CellClient, key: string): Promise<string | null> {
  const outcome = await client.perform({ method: 'GET', path: keyPath(key), repeatable: true }, 20_000);
  if (outcome.kind !== 'answer') throw new Error(`get: ${outcome.why}`);
  return outcome.status === 200 ? outcome.body : null;
}

describe('kill -9 of the master', () => {
  it('is over for clients within a lease and a second, and loses nothing', async () => {
    await withCell(three, async (cell) => {
      const client = clientOf(cell);
      const gapsMs: number[] = [];
      for (let round = 0; round < 3; round++) {
        const master = await cell.master();
        await put(client, `before-${round}`, `old ${round}`);
        const killed = performance.now();
        await master.kill();
        await put(client, `after-${round}`, `new ${round}`);
        gapsMs.push(performance.now() - killed);
        expect(await get(client, `before-${round}`)).toBe(`old ${round}`);
        master.start();
        await cell.agreement();
      }
      await client.close();
      // The best of three, because other tests share the processors; none may take much longer.
      expect(Math.min(...gapsMs), `gaps ${gapsMs.map(Math.round)}`).toBeLessThan(leaseMs + 1_000);
      expect(Math.max(...gapsMs)).toBeLessThan(10_000);
    });
  });
});

describe('kill -9 of all replicas', () => {
  it('loses no acknowledged write', async () => {
    await withCell(three, async (cell) => {
      const client = clientOf(cell);
      const acknowledged = new Map<string, string>();
      for (let round = 0; round < 2; round++) {
        const writers = Array.from({ length: 4 }, async (_, writer) => {
          const own = clientOf(cell, `writer ${writer}`);
          for (let n = 0; ; n++) {
            const key = `${round}/${writer}/${n}`;
            const outcome = await own.perform(
              { method: 'PUT', path: keyPath(key), body: key, repeatable: false },
              5_000,
            );
            if (outcome.kind !== 'answer') break;
            acknowledged.set(key, key);
          }
          await own.close();
        });
        await until('a hundred writes are acknowledged', () => acknowledged.size >= 100 * (round + 1));
        await cell.killAll();
        await Promise.all(writers);
        cell.startAll();
        await cell.master();
        for (const [key, value] of acknowledged) expect(await get(client, key)).toBe(value);
      }
      await cell.agreement();
      await client.close();
    });
  });
});

describe('a clean stop of the master', () => {
  it('hands over in much less than a lease, and refuses no request', async () => {
    await withCell(three, async (cell) => {
      const gapsMs: number[] = [];
      // Until one is: other tests share the processors.
      while (gapsMs.length < 8 && Math.min(...gapsMs) >= leaseMs / 2) {
        const master = await cell.master();
        gapsMs.push(await gapOfStop(cell, master));
        master.start();
        await cell.agreement();
      }
      expect(Math.min(...gapsMs), `gaps ${gapsMs.map(Math.round)}`).toBeLessThan(leaseMs / 2);
    });
  });
});

/** Stops the master under four writers. The longest time without an acknowledged write, in ms; every refusal is an error. */
async function gapOfStop(cell: CellProcess, master: ReplicaChild): Promise<number> {
  let acknowledged = 0;
  let lastAt = performance.now();
  let gapMs = 0;
  let over = false;
  const refusals: string[] = [];
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    const client = clientOf(cell, `writer ${writer}`);
    let target = master.url;
    for (let n = 0; !over; n++) {
      const request = { method: 'PUT', path: keyPath(`${writer}/${n}`), body: 'x', repeatable: false } as const;
      const outcome = await client.attempt(request, target);
      if (outcome.kind === 'answer') {
        acknowledged++;
        gapMs = Math.max(gapMs, performance.now() - lastAt);
        lastAt = performance.now();
        target = outcome.url;
      } else if (outcome.kind === 'none' && outcome.why.startsWith(`${master.url}: ECONNREFUSED`)) {
        // It is gone for good: here, or as the one that another replica knew last.
        target = cell.others(master)[0]!.url;
        await sleep(1);
      } else {
        refusals.push(`${outcome.kind}: ${outcome.why}`);
      }
    }
    await client.close();
  });
  await until('writes flow', () => acknowledged >= 50);
  gapMs = 0;
  const exit = await master.terminate();
  const after = acknowledged;
  await until('writes flow again', () => acknowledged >= after + 50);
  over = true;
  await Promise.all(writers);
  expect(exit).toEqual({ code: 0, signal: null });
  expect(refusals).toEqual([]);
  return gapMs;
}

describe('a master that is frozen for several leases (SIGSTOP)', () => {
  it('serves no stale read when it goes on', async () => {
    await withCell(three, async (cell) => {
      const random = new Random('stale reads');
      for (const leases of [0.9, 2.5, 4]) await staleReadsRace(cell, leases * leaseMs, random);
      await cell.agreement();
    });
  });
});
