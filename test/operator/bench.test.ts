import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { RefusedError, UnreachableError } from '../../src/errors/index.ts';
import { openLoop } from '../../src/operator/bench/arrivals.ts';
import { Latencies } from '../../src/operator/bench/latencies.ts';
import { profiles, rowFor } from '../../src/operator/bench/load.ts';
import { type BenchOptions, runBench } from '../../src/operator/bench/run.ts';
import type { BenchConnection } from '../../src/operator/bench/worker.ts';
import { endText } from '../../src/render/bench-view.ts';
import { latencyPlot } from '../../src/render/latency-plot.ts';

const revision = { revision: 1 };
const quick: BenchConnection = {
  put: async () => revision,
  get: async () => null,
  compareAndSwap: async () => revision,
  putAll: async (keys) => keys.map(() => null),
  close: async () => {},
};

async function bench(connection: Partial<BenchConnection>, options: Partial<BenchOptions> = {}) {
  const cell = { connect: async () => ({ ...quick, ...connection }), deletePrefix: async () => 0 };
  const result = await runBench(cell, {
    rows: [rowFor('put', 1, 10)],
    durationMs: 200,
    rate: null,
    signal: new AbortController().signal,
    onRow: () => {},
    ...options,
  });
  const [row] = result.rows;
  if (row === undefined) throw new Error('no row');
  return row;
}

describe('latencies', () => {
  it('are summed up within three digits', () => {
    const latencies = new Latencies();
    for (let ms = 1; ms <= 1000; ms += 1) latencies.record(ms);
    const { mean, p50, p90, p99, p999, max } = latencies.summary();
    for (const [is, wanted] of [
      [mean, 500.5],
      [p50, 500],
      [p90, 900],
      [p99, 990],
      [p999, 999],
      [max, 1000],
    ] as const) {
      expect(Math.abs(is - wanted) / wanted).toBeLessThan(0.002);
    }
  });

  it('are zeros, and no curve, of no operations', () => {
    expect(new Latencies().summary()).toEqual({ mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
    expect(new Latencies().curve()).toEqual([]);
  });

  it('make a curve that goes no further than there are operations', () => {
    const latencies = new Latencies();
    for (let at = 0; at < 100; at += 1) latencies.record(at < 95 ? 1 : 50);
    const curve = latencies.curve();
    expect(curve[0]).toEqual({ percentile: 0, ms: 1 });
    expect(curve.at(-1)?.percentile).toBe(99);
    expect(curve.at(-1)?.ms).toBeCloseTo(50, 0);
    expect(curve.map(({ ms }) => ms)).toEqual(curve.map(({ ms }) => ms).sort((a, b) => a - b));
  });
});

describe('operations at a rate', () => {
  it('are due evenly, however late they are taken, and none after the end', () => {
    const arrivals = openLoop({ startMs: 100, untilMs: 110, rate: 500, graceMs: 1000 });
    expect([0, 105, 105, 400, 400, 400].map((nowMs) => arrivals.take(nowMs))).toEqual([100, 102, 104, 106, 108, null]);
    expect(arrivals.left()).toBe(0);
  });

  it('are as many as were asked for, wherever the clock stands', () => {
    for (let startMs = 1.1; startMs < 1e6; startMs *= 1.3) {
      expect(openLoop({ startMs, untilMs: startMs + 200, rate: 200, graceMs: 1 }).left()).toBe(40);
    }
  });

  it('are left when nobody was free for them in time', () => {
    const arrivals = openLoop({ startMs: 0, untilMs: 10, rate: 1000, graceMs: 5 });
    arrivals.take(0);
    expect(arrivals.take(15)).toBeNull();
    expect(arrivals.left()).toBe(9);
  });

  it('count a stall for all that would have waited behind it, where a closed loop counts it once', async () => {
    const stalling = () => {
      let calls = 0;
      return {
        put: async () => {
          calls += 1;
          await sleep(calls === 2 ? 100 : 1);
          return revision;
        },
      };
    };
    const closed = await bench(stalling());
    const open = await bench(stalling(), { rate: 200 });
    expect(closed).toMatchObject({ loop: 'closed', rate: null });
    expect(closed.latencyMs.p50).toBeLessThan(20);
    expect(open).toMatchObject({ loop: 'open', rate: 200, operations: 40, unsent: 0 });
    // Twenty of forty operations fell due during the stall; the later half of the stall lies behind ten of them.
    expect(open.latencyMs.p90).toBeGreaterThan(50);
    expect(open.startedLateMs.p90).toBeGreaterThan(40);
  });

  it('never take less time than they took, though timers may fire early', async () => {
    const now = performance.now.bind(performance);
    // A clock that is slow beside the timers: all of them fire long before their time.
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() / 2);
    try {
      const row = await bench({ put: async () => sleep(4, revision) }, { rate: 100, durationMs: 100 });
      expect(row.curve[0]?.ms).toBeGreaterThan(1);
    } finally {
      clock.mockRestore();
    }
  });

  it('are counted as unsent when the cell does not keep up at all', async () => {
    const slow = await bench({ put: async () => sleep(60, revision) }, { rate: 1000, durationMs: 100 });
    expect(slow.operations).toBeLessThan(10);
    expect(slow.operations + slow.unsent).toBe(100);
  });
});

describe('a cell that does not answer', () => {
  it('is found out before anything is counted or deleted', async () => {
    let calls = 0;
    const away = async () => {
      calls += 1;
      throw new RefusedError('Nobody there.');
    };
    await expect(bench({ get: away, put: away })).rejects.toThrow('Nobody there.');
    expect(calls).toBe(1);
  });
});

describe('what became of operations', () => {
  it('is told apart: refused, failed, unknown', async () => {
    let calls = 0;
    const row = await bench({
      put: async () => {
        calls += 1;
        if (calls === 1) throw new RefusedError('Enough to do.', { code: 'PAXOS_OVERLOADED' });
        if (calls === 2) throw new RefusedError('No.', { code: 'PAXOS_NO_SPACE' as never, outcome: 'none' });
        if (calls === 3) throw new RefusedError('Gone.', { outcome: 'unknown' });
        return sleep(1, revision);
      },
    });
    expect(row).toMatchObject({ refused: 1, errors: { PAXOS_NO_SPACE: 1 }, unknown: 1 });
    expect(row.operations).toBe(calls - 3);
  });

  it('is counted by the put in a batch, and by the request in its latency', async () => {
    const row = await bench(
      {
        putAll: async (keys) =>
          sleep(
            5,
            keys.map((_, at) => (at === 0 ? new RefusedError('No.') : null)),
          ),
      },
      { rows: [rowFor('batch', 1, 10, 10)] },
    );
    expect(row.operations).toBe(row.refused * 9);
  });
});

describe('a cell that is lost meanwhile', () => {
  const lost = async (): Promise<never> => {
    throw new UnreachableError('Nobody answers.');
  };
  const options = {
    rows: [rowFor('put', 1, 10), rowFor('get', 1, 10)],
    durationMs: 50,
    rate: null,
    signal: new AbortController().signal,
    onRow: () => {},
  };

  it('leaves the rows so far, why it ended, and how its scratch keys are deleted', async () => {
    let asked = 0;
    // The first connection looks whether there is a cell.
    const connect = async () => (++asked > 2 ? lost() : quick);
    const { rows, cleanedUp, failure, prefix } = await runBench({ connect, deletePrefix: lost }, options);
    expect([rows.length, cleanedUp, failure?.code]).toEqual([1, null, 'PAXOS_UNREACHABLE']);
    expect(failure?.suggestions).toContain(`paxosctl kv delete --prefix ${prefix} --yes`);
    const told = endText({ rows, cleanedUp, failure, interrupted: false });
    expect(told).toMatch(/Nobody answers.*rows that ran to their end.*Scratch keys may be left.*kv delete --prefix/s);
  });

  it('in its first row ends it with that error, which says how its scratch keys are deleted', async () => {
    let asked = 0;
    const connect = async () => (++asked > 1 ? lost() : quick);
    const error = await runBench({ connect, deletePrefix: lost }, options).catch((caught) => caught);
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error.suggestions.at(-1)).toMatch(/^paxosctl kv delete --prefix paxosctl-bench/);
  });
});

describe('profiles', () => {
  it('have rows that differ in one thing', () => {
    expect(profiles.batch.map(({ load }) => load.operationsEach)).toEqual([1, 10, 100]);
    expect(profiles.mixed.map(({ load }) => load.connections)).toEqual([1, 16, 64]);
    expect(profiles.paper.every(({ paper }) => paper !== null)).toBe(true);
  });
});

describe('the curve for a terminal', () => {
  it('has milliseconds on the left and percentiles below', () => {
    const latencies = new Latencies();
    for (let at = 0; at < 1000; at += 1) latencies.record(at < 950 ? 1 : 100);
    const lines = latencyPlot('put', latencies.curve()).split('\n');
    expect(lines[0]).toBe('put: latency in ms by percentile');
    expect(lines.at(1)).toMatch(/^\s*100 [┤┼]/);
    expect(lines.at(-3)).toMatch(/^\s*1\.00 [┤┼]/);
    expect(lines.at(-2)).toMatch(/^\s+0%\s+50%\s+90%\s+99%\s+99\.9%$/);
  });

  it('says so when there is nothing to draw', () => {
    expect(latencyPlot('put', [])).toContain('too few');
  });
});
