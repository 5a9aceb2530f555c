/** Clients of the benchmarks that go on through elections: what is counted, and what ends a run. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';

const load = (file: string) => import(new URL(`../../bench/load/${file}`, import.meta.url).href);
const { fits, keyName, makeValue } = await load('keys-and-values.mjs');
const { PatientClients } = await load('patient-clients.mjs');

type Done = (error: Error | null, value?: string) => void;

/** A cell whose master may go, and comes back as another member. */
class FakeCell {
  master: string | null = 'n1';
  value = (key: string): string => makeValue(key, 0, 100);
  readonly written: string[] = [];

  leaderAtOnce = (): Promise<string | null> => Promise.resolve(this.master);

  connect = (member: string) =>
    Promise.resolve({
      put: (_key: string, value: string, done: Done) => this.#answer(member, done, () => this.written.push(value)),
      get: (key: string, done: Done) => this.#answer(member, done, () => undefined, this.value(key)),
      close: () => undefined,
    });

  #answer(member: string, done: Done, work: () => void, value?: string): void {
    setImmediate(() => {
      if (member !== this.master) return done(new Error('the server closed the connection'));
      work();
      done(null, value);
    });
  }
}

const clientsOf = (cell: FakeCell) => new PatientClients({ cell, writers: 2, readers: 1, filled: 10, valueBytes: 100 });

describe('clients that go on whatever happens to the cell', () => {
  it('find the next master, and count the time without one into what they waited', async () => {
    const cell = new FakeCell();
    const clients = clientsOf(cell);
    const { writes, reads } = await clients.during(async () => {
      await until('something is written', () => cell.written.length > 10);
      cell.master = null;
      const before = cell.written.length;
      await sleep(100);
      expect(cell.written.length).toBe(before);
      cell.master = 'n2';
      await until('more is written', () => cell.written.length > before + 10);
    });
    expect(writes.max).toBeGreaterThan(90);
    expect(writes.p50).toBeLessThan(90);
    expect(reads.rate).toBeGreaterThan(0);
    await clients.stop();
    expect(cell.written.every((it) => fits(keyName('p', Number(it.slice(1, 8))), it, 100))).toBe(true);
  });

  it('end the run when a read gives what was never written', async () => {
    const cell = new FakeCell();
    cell.value = () => 'x'.repeat(100);
    const clients = clientsOf(cell);
    await expect(clients.during(() => sleep(5_000))).rejects.toThrow(/was never written/);
    await expect(clients.stop()).rejects.toThrow(/was never written/);
  });
});
