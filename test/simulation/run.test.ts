/** What becomes of many runs: their order, the first violation, interruptions, long runs. Cells are stood in for here. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import type { CellOptions, CellReport } from '../../src/simulator/cell.ts';
import { drawProfile } from '../../src/simulator/profile.ts';
import { faultKindsOf, longRunSeeds, runSimulation } from '../../src/simulator/run.ts';
import type { CellRunner, RunHooks } from '../../src/simulator/runner.ts';
import { WorkerPool } from '../../src/simulator/worker-pool.ts';

const profile = drawProfile(new Random(1), { replicas: 3, calm: false });

const reportOf = (seed: number | string, violated = false): CellReport => ({
  profile,
  simulatedMs: 3_600_000,
  events: 10,
  operations: 3,
  unknown: 1,
  traceHash: `hash-of-${seed}`,
  faults: { crash: 2 },
  violation: violated
    ? { property: 'agreement', message: `agreement: seed ${seed}`, facts: {}, atMs: 5, trace: ['the end'] }
    : null,
  strikes: [],
  halts: [],
  transitions: {},
  ...{ instances: 0, snapshots: 0, logFrom: 0 },
  healedAfterMs: 1,
});

/** Runs that end when the test says so, in whatever order. */
class HeldRunner implements CellRunner {
  readonly underWay = new Map<number | string, (report: CellReport | null) => void>();
  readonly givenUp: (number | string)[] = [];
  readonly lanes = 3;

  run({ seed }: CellOptions, { signal }: RunHooks = {}): Promise<CellReport | null> {
    return new Promise((resolve) => {
      this.underWay.set(seed, resolve);
      signal?.addEventListener('abort', () => {
        this.underWay.delete(seed);
        this.givenUp.push(seed);
        resolve(null);
      });
    });
  }

  async end(seed: number | string, violated = false): Promise<void> {
    this.underWay.get(seed)?.(reportOf(seed, violated));
    this.underWay.delete(seed);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {}
}

const inOrder = { runner: { lanes: 1, run: async ({ seed }) => reportOf(seed), close: async () => {} } } satisfies {
  runner: CellRunner;
};

describe('many seeds', () => {
  test('give one result in whatever order they end', async () => {
    const runner = new HeldRunner();
    const shuffled = runSimulation({ seed: 1, runs: 4, runner });
    for (const seed of [3, 1, 4, 2]) await runner.end(seed);
    expect(await shuffled).toEqual(await runSimulation({ seed: 1, runs: 4, ...inOrder }));
    expect((await shuffled).traceHash).not.toBe((await runSimulation({ seed: 2, runs: 4, ...inOrder })).traceHash);
  });

  test('end at the first violation: later ones are given up at once, an earlier one may still be the first', async () => {
    const runner = new HeldRunner();
    const result = runSimulation({ seed: 1, runs: 100, runner });
    await runner.end(2, true);
    expect([...runner.underWay.keys()], 'only the earlier one goes on').toEqual([1]);
    expect(runner.givenUp).toEqual([3]);
    await runner.end(1, true);
    expect(await result).toMatchObject({ ok: false, runs: 1, violation: { seed: 1, property: 'agreement' } });
  });

  test('count nothing of what lies behind the first violation', async () => {
    const runner = new HeldRunner();
    const result = runSimulation({ seed: 1, runs: 100, runner });
    await runner.end(3);
    await runner.end(2, true);
    await runner.end(1);
    expect(await result).toMatchObject({ ok: false, runs: 2, operations: 6, violation: { seed: 2 } });
  });

  test('go on when they are told to, and show every violation', async () => {
    const runner: CellRunner = { ...inOrder.runner, run: async ({ seed }) => reportOf(seed, Number(seed) % 2 === 0) };
    const result = await runSimulation({ seed: 1, runs: 5, keepGoing: true, runner });
    expect(result).toMatchObject({ ok: false, runs: 5, violation: { seed: 2 } });
    expect(result.violations?.map(({ seed }) => seed)).toEqual([2, 4]);
  });

  test('say how to see a violation again and how to make it small', async () => {
    const runner: CellRunner = { ...inOrder.runner, run: async ({ seed }) => reportOf(seed, seed === 'a b/1') };
    const { violation } = await runSimulation({ seed: 'a b', runs: 3, mode: 'safety', hours: 0.2, runner });
    expect(violation?.replay).toBe(
      `paxosctl simulate --seed 'a b/1' --mode safety --replicas ${profile.replicas} --hours 0.2`,
    );
    expect(violation?.shrink).toBe(`${violation?.replay} --shrink`);
    expect(violation?.means).toMatch(/^Two values/);
  });

  test('interrupted, tell what was done and what was under way', async () => {
    const runner = new HeldRunner();
    const stop = new AbortController();
    const result = runSimulation({ seed: 1, runs: 9, runner, signal: stop.signal });
    await runner.end(2);
    stop.abort();
    expect(await result).toMatchObject({ ok: true, interrupted: true, runs: 1, unfinished: { runs: 3 } });
    expect(runner.givenUp).toEqual([1, 3, 4]);
  });
});

describe('a long run', () => {
  const runs = longRunSeeds;
  const allFaultKinds = faultKindsOf(null);
  const faults = Object.fromEntries(allFaultKinds.map((kind) => [kind, 1]));
  const striking = (faultsOf: (seed: number) => Record<string, number>): { readonly runner: CellRunner } => ({
    runner: { ...inOrder.runner, run: async ({ seed }) => ({ ...reportOf(seed), faults: faultsOf(Number(seed)) }) },
  });

  test('fails when a kind of fault never fired', async () => {
    const { pause: _, ...others } = faults;
    const result = await runSimulation({ seed: 1, runs, ...striking(() => others) });
    expect(result).toMatchObject({ ok: false, neverFired: ['pause'], violation: { property: 'fault-coverage' } });
    expect(result.violation?.replay).toBe(`paxosctl simulate --seed 1 --runs ${runs}`);
  });

  test('is content when each fired somewhere; a shorter one does not ask', async () => {
    const rare = await runSimulation({ seed: 1, runs, ...striking((seed) => (seed === 7 ? faults : {})) });
    expect(rare).toMatchObject({ ok: true, neverFired: [] });
    const short = await runSimulation({ seed: 1, runs: runs - 1, ...striking(() => ({})) });
    expect(short).toMatchObject({ ok: true, neverFired: allFaultKinds });
  });
});

describe('worker threads', () => {
  const entry = pathToFileURL(path.resolve(import.meta.dirname, '../../dist/simulator-worker.js'));
  const few = { seed: 31, runs: 3, replicas: 3, hours: 0.0005, mode: 'safety' } as const;

  test('find the same as one thread', async () => {
    const runner = new WorkerPool({ jobs: 2, entry });
    const pulses: number[] = [];
    const result = await runSimulation({ ...few, runner, onProgress: ({ doneParts }) => pulses.push(doneParts) });
    await runner.close();
    expect(result).toEqual(JSON.parse(JSON.stringify(await runSimulation(few))));
    expect(pulses.at(-1)).toBe(3);
  }, 60_000);

  test('are given up in the middle of a run', async () => {
    const runner = new WorkerPool({ jobs: 1, entry });
    const stop = new AbortController();
    const cell = { seed: 1, replicas: 3, hours: 100, mode: 'safety' } as const;
    const onPulse = (): void => stop.abort();
    expect(await runner.run(cell, { signal: stop.signal, onPulse })).toBeNull();
    // The next run gets a thread of its own.
    expect(await runner.run({ ...cell, hours: 0.0001, mode: 'liveness' })).toMatchObject({ violation: null });
    await runner.close();
  }, 60_000);

  test('that break are an error of whoever runs them', async () => {
    const runner = new WorkerPool({ jobs: 1, entry: new URL('data:text/javascript,process.exit(3)') });
    await expect(runner.run({ seed: 1, replicas: 3, hours: 1, mode: null })).rejects.toThrow(/ended with 3/);
    await runner.close();
  });
});
