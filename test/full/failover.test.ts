/** What `test/cell/` shows a few times, often enough to believe it: failover times, hand-overs, stale reads, formations. */
import { expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { leaseMs, withCell } from '../support/cell-process.ts';
import { formUnderFire } from '../support/form-under-fire.ts';
import { staleReadsRace } from '../support/stale-reads.ts';

const seed = process.env.PAXOSCTL_TORTURE_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
const hour = { timeout: 3_600_000 };
const say = (line: string): void => void process.stderr.write(`${line}\n`);

it('a master that is frozen and goes on, a hundred times, serves no stale read', hour, async () => {
  say(`stale reads, PAXOSCTL_TORTURE_SEED=${seed}`);
  await withCell({ replicas: 3 }, async (cell) => {
    const random = new Random(seed);
    let reads = 0;
    for (let race = 0; race < 100; race++) {
      const leases = random.betweenLogarithmic(0.1, 6);
      reads += (await staleReadsRace(cell, leases * leaseMs, random.fork(`race ${race}`))).reads;
    }
    await cell.agreement();
    say(`${reads} reads at masters that were frozen`);
    expect(reads).toBeGreaterThan(1_000);
  });
});

it('kill -9 of the master, forty times: the median is within a lease and a second', hour, async () => {
  await withCell({ replicas: 3 }, async (cell) => {
    const client = new CellClient({ urls: cell.urls, random: new Random(seed), wanders: 0 });
    const put = (value: string) =>
      client.perform({ method: 'PUT', path: keyPath('k'), body: value, repeatable: true }, 20_000);
    const gapsMs: number[] = [];
    for (let kill = 0; kill < 40; kill++) {
      const master = await cell.master();
      expect(await put(`before ${kill}`)).toMatchObject({ status: 200 });
      const killed = performance.now();
      await master.kill();
      expect(await put(`after ${kill}`)).toMatchObject({ status: 200 });
      gapsMs.push(performance.now() - killed);
      master.start();
      await cell.agreement();
    }
    await client.close();
    gapsMs.sort((a, b) => a - b);
    say(
      `failover: median ${gapsMs[20]!.toFixed(0)} ms, p95 ${gapsMs[37]!.toFixed(0)} ms, max ${gapsMs[39]!.toFixed(0)} ms`,
    );
    expect(gapsMs[20]).toBeLessThan(leaseMs + 1_000);
  });
});

it('killed at any moment of the formation, sixty times, the same commands form the same cell', hour, async () => {
  say(`formations, PAXOSCTL_TORTURE_SEED=${seed}`);
  for (let round = 0; round < 60; round++) {
    const random = new Random(`${seed}/formation ${round}`);
    await withCell({ replicas: round % 3 === 2 ? 5 : 3, started: false }, (cell) => formUnderFire(cell, random));
  }
});
