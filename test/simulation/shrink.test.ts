/** Small schedules from large ones: what is left fails in the same way, and nothing more can be left out. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import type { CellOptions, CellReport, Sabotage } from '../../src/simulator/cell.ts';
import { SimulatedCell } from '../../src/simulator/cell.ts';
import type { Strike } from '../../src/simulator/faults/strike.ts';
import { drawProfile } from '../../src/simulator/profile.ts';
import { type CellRunner, runnerHere } from '../../src/simulator/runner.ts';
import { cellOf, formatScenario, parseScenario, type Scenario, ScenarioError } from '../../src/simulator/scenario.ts';
import { type Shrunk, shrink } from '../../src/simulator/shrink.ts';

const profile = drawProfile(new Random(2), { replicas: 5, calm: false });

/** A cell that fails at the last strike that it needs, when all that it needs is there. */
class PretendedRunner implements CellRunner {
  readonly #fails: (cell: CellOptions, strikes: readonly Strike[]) => boolean;
  readonly #drawn: readonly Strike[];
  readonly lanes: number;
  runs = 0;

  constructor(
    drawn: readonly Strike[],
    fails: (cell: CellOptions, strikes: readonly Strike[]) => boolean,
    options: { readonly lanes?: number } = {},
  ) {
    this.#drawn = drawn;
    this.#fails = fails;
    this.lanes = options.lanes ?? 1;
  }

  async run(cell: CellOptions): Promise<CellReport> {
    // Later ones may end first.
    for (let turns = this.runs++ % 3; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    const strikes = cell.script?.strikes ?? this.#drawn;
    const atMs = strikes.at(-1)?.atMs ?? 100;
    return {
      profile: { ...profile, ...cell.script?.profile },
      simulatedMs: atMs,
      events: 1,
      operations: 1,
      unknown: 0,
      traceHash: '',
      faults: {},
      strikes,
      halts: [],
      transitions: {},
      violation: this.#fails(cell, strikes)
        ? { property: 'agreement', message: 'agreement: it broke', facts: {}, atMs, trace: [] }
        : null,
      ...{ instances: 0, snapshots: 0, logFrom: 0 },
      healedAfterMs: null,
    };
  }

  async close(): Promise<void> {}
}

const strikes: readonly Strike[] = Array.from({ length: 60 }, (_, i) => ({
  atMs: 1_000.123 * (i + 1),
  kind: 'pause' as const,
  seed: `strike ${i}`,
  with: { member: `n${(i % 5) + 1}`, forMs: 12.3456, first: 'io' },
}));
const seedsOf = ({ script }: Shrunk): string[] => script.strikes.map(({ seed }) => seed);
const scenario: Scenario = { title: '', expect: 'none', cell: { seed: 9, replicas: 5, hours: 0.05, mode: null } };
const has = (struck: readonly Strike[], ...wanted: string[]): boolean =>
  wanted.every((seed) => struck.some((strike) => strike.seed === seed));

describe('a shrunk schedule', () => {
  test('has only the strikes that are needed, however far apart', async () => {
    const fails = (_: CellOptions, struck: readonly Strike[]): boolean =>
      has(struck, 'strike 3', 'strike 31', 'strike 58');
    const runner = new PretendedRunner(strikes, fails);
    const shrunk = (await shrink({ scenario, runner })) as Shrunk;
    expect(seedsOf(shrunk)).toEqual(['strike 3', 'strike 31', 'strike 58']);
    expect(shrunk).toMatchObject({ minimal: true, before: { strikes: 60 }, size: { strikes: 3, replicas: 1 } });
    expect(shrunk.runs).toBeLessThan(400);
  });

  test('keeps the fault of the network, the size and the time that it needs, and makes the rest calm and round', async () => {
    const fails = ({ script }: CellOptions, struck: readonly Strike[]): boolean =>
      struck.some(({ atMs }) => atMs > 700) && (script === undefined || needs(script.profile ?? {}));
    const needs = ({ network, replicas = 0 }: Partial<typeof profile>): boolean =>
      (network?.duplication ?? 0) > 0 && replicas >= 3;
    const drawn = { ...profile.network, duplication: 0.123_456 };
    const runner = new PretendedRunner(strikes, fails);
    const original = { ...scenario, profile: { ...profile, network: drawn }, strikes };
    const { script, minimal } = (await shrink({ scenario: original, runner })) as Shrunk;
    expect(minimal).toBe(true);
    expect(script.profile).toMatchObject({ replicas: 3, clients: 1, limits: {}, clockStepMs: 0 });
    expect(script.profile.network).toMatchObject({ loss: 0, duplication: 0.1, reorder: 0, corruption: 0 });
    expect(script.strikes).toHaveLength(1);
    const [only] = script.strikes;
    expect(only?.atMs).toBeLessThan(1_001);
    expect(only?.with).toMatchObject({ forMs: 10 });
    expect(script.cell).toMatchObject({ mode: 'safety', replicas: 3 });
    expect(script.cell.hours).toBeLessThan(0.001);
  });

  test('is the same whatever the number of jobs', async () => {
    // Two ways to fail: which of them is kept must not depend on who is faster.
    const fails = (_: CellOptions, struck: readonly Strike[]): boolean =>
      has(struck, 'strike 5', 'strike 40') || has(struck, 'strike 22', 'strike 51');
    const [one, four] = await Promise.all(
      [1, 4].map((lanes) => shrink({ scenario, runner: new PretendedRunner(strikes, fails, { lanes }) })),
    );
    expect(four?.script).toEqual(one?.script);
  });

  test('fails with the same property as the original, not with any', async () => {
    const other = new PretendedRunner(strikes, () => true);
    const run = async (cell: CellOptions): Promise<CellReport> => {
      const report = await other.run(cell);
      if (report.strikes.length > 10 || report.violation === null) return report;
      return { ...report, violation: { ...report.violation, property: 'durability' } };
    };
    const shrunk = (await shrink({ scenario, runner: { lanes: 1, run, close: async () => {} } })) as Shrunk;
    expect(shrunk.size.strikes).toBe(11);
  });

  test('is the best so far when the time is over', async () => {
    const runner = new PretendedRunner(strikes, (_, struck) => has(struck, 'strike 7', 'strike 50'));
    const shrunk = (await shrink({ scenario, runner, more: () => runner.runs < 12 })) as Shrunk;
    expect(shrunk.minimal).toBe(false);
    expect(shrunk.size.strikes).toBeLessThan(60);
    expect(has(shrunk.script.strikes, 'strike 7', 'strike 50')).toBe(true);
  });

  test('does not exist for a run that holds', async () => {
    expect(await shrink({ scenario, runner: new PretendedRunner(strikes, () => false) })).toBeNull();
  });
});

describe('a sabotaged cell', () => {
  /** Nobody waits for operations in one that goes on: most candidates do. */
  const cellOfSeed = (sabotage: Sabotage, seed: number) =>
    ({ seed, replicas: 3, hours: 8 / 3600, mode: 'safety', operationsMin: 0, sabotage }) as const;

  const shrinkReal = async (sabotage: Sabotage, seed: number): Promise<Shrunk> => {
    const cell = cellOfSeed(sabotage, seed);
    let runs = 120;
    const shrunk = await shrink({
      scenario: { ...scenario, cell },
      runner: runnerHere,
      more: () => runs-- > 0,
    });
    expect(shrunk).not.toBeNull();
    return shrunk as Shrunk;
  };

  /** A failure of more events takes too long to be shown again and again. */
  const eventsMax = 2_500;

  /** The first that fails after more than `above` strikes, up to `most`; which one that is changes with every fault kind. */
  const seedThatFails = async (sabotage: Sabotage, above: number, most: number): Promise<number> => {
    for (let seed = 1; seed <= 100; seed++) {
      const { violation, strikes, events } = await new SimulatedCell(cellOfSeed(sabotage, seed)).run();
      const isFit = strikes.length > above && strikes.length <= most && events <= eventsMax;
      if (violation !== null && isFit) return seed;
    }
    throw new Error('no seed fails');
  };

  test('shrinks to a few strikes that still break it, and breaks in the same way from the file', async () => {
    const { script, before, size, report } = await shrinkReal(
      'disks-forget',
      await seedThatFails('disks-forget', 5, 20),
    );
    expect(before.strikes).toBeGreaterThan(5);
    expect(size.strikes).toBeLessThanOrEqual(before.strikes / 2);
    // Strikes that are needed may fall late: then it takes as long as before, and no longer than the slack that a script is given.
    expect(size.simulatedMs).toBeLessThanOrEqual(before.simulatedMs * 1.25 + 500);
    const again = await new SimulatedCell(cellOf(parseScenario(formatScenario(script)))).run();
    expect(again.traceHash).toBe(report.traceHash);
    expect(again.violation?.property).toBe(report.violation.property);
    // Without the sabotage the same schedule does no harm: it would go into the corpus like this.
    const { sabotage: _, ...sound } = script.cell;
    expect((await new SimulatedCell(cellOf({ ...script, cell: sound })).run()).violation).toBeNull();
  }, 90_000);
});

describe('a scenario file', () => {
  const file: Scenario = {
    title: 'two strikes',
    expect: 'none',
    cell: { seed: 'x', replicas: 3, hours: 0.01, mode: 'safety' },
    profile: { leaseMs: 500 },
    strikes: strikes.slice(0, 2),
  };

  test('reads as it was written', () => {
    expect(parseScenario(formatScenario(file))).toEqual(file);
    const { strikes: _, profile: __, ...drawn } = file;
    expect(parseScenario(formatScenario(drawn))).toEqual(drawn);
    expect(cellOf(drawn)).not.toHaveProperty('script');
  });

  test.each([
    ['{', /not JSON/],
    ['[]', /must be an object/],
    [formatScenario(file).replace('paxosctl-scenario', 'a-scenario'), /"format" must be paxosctl-scenario/],
    [formatScenario(file).replace('"version": 1', '"version": 2'), /knows version 1/],
    [formatScenario(file).replace('"hours":0.01', '"hours":"long"'), /"hours" must be number/],
    [formatScenario(file).replace('"expect"', '"expects"'), /"expect" must be string/],
    [formatScenario(file).replace('"pause"', '"paws"'), /strike 1: this version knows no fault "paws"/],
    [formatScenario(file).replace('"strikes"', '"struck"'), /no field is called struck/],
  ])('is refused: %#', (text, message) => {
    expect(() => parseScenario(text)).toThrow(ScenarioError);
    expect(() => parseScenario(text)).toThrow(message);
  });
});
