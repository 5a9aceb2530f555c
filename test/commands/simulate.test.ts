/** `paxosctl simulate` as an operator sees it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { progressText } from '../../src/render/simulation-screen.ts';
import { type SimulationView, simulationText } from '../../src/render/simulation-view.ts';
import { formatScenario, parseScenario } from '../../src/simulator/scenario.ts';
import { cli, startCli } from './run-cli.ts';

const short = ['--seed', '4', '--replicas', '3', '--hours', '0.0002'];

describe('paxosctl simulate', () => {
  test('says on stderr what it does and on stdout what came of it', async () => {
    const { code, stdout, stderr } = await cli(['simulate', ...short, '--runs', '2', '--jobs', '2']);
    expect(stderr).toMatch(/^Simulating seed 4 \(2 runs, 2 at a time, paxosctl /);
    expect(stdout).toMatch(/^result +no violation\nseed +4 … 5: 2 seeds/);
    expect(stdout).toMatch(/simulated hours in .* × real time, .* simulated hours a minute/);
    expect(code).toBe(0);
  }, 60_000);

  test('shows what was done when it is interrupted, and ends with 130', async () => {
    const running = startCli(['simulate', '--seed', '4', '--hours', '500', '--json']);
    await expect.poll(() => running.output().stderr, { timeout: 20_000 }).toMatch(/Simulating seed 4/);
    running.process.kill('SIGINT');
    const { code, stdout } = await running.result;
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, runs: 0, interrupted: true, unfinished: { runs: 1 } });
  }, 60_000);

  test.each([
    [['--runs', '2', '--shrink'], /--runs/],
    [['--seed', '2', '--scenario', 'some.json'], /--scenario/],
    [['--scenario', 'no-such-file.json'], /no-such-file\.json cannot be read/],
    [['--output', 'some.json'], /--shrink/],
    [['--jobs', '0'], /--jobs|0/],
    [['--hours', 'long'], /--hours/],
  ])('refuses %j', async (flags, message) => {
    const { code, stderr } = await cli(['simulate', ...flags]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('paxosctl simulate, with a scenario', () => {
  // Sabotaged clocks: a master serves ten times longer than its lease, which one lost master is enough to show.
  const scenario = formatScenario({
    title: 'wild clocks',
    expect: 'lease-exclusion',
    cell: { seed: 2, replicas: 3, hours: 0.01, mode: 'safety', sabotage: 'clocks-run-wild' },
  });

  test('shrinks it into a file that fails in the same way', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'paxosctl-scenario-'));
    try {
      const [large, small] = [path.join(folder, 'large.json'), path.join(folder, 'small.json')];
      writeFileSync(large, scenario);
      const shrunk = await cli(['simulate', '--scenario', large, '--shrink', '--for', '20s', '--output', small]);
      expect(shrunk.stderr).toMatch(/^Shrinking seed 2 \(at most 20\.0s, paxosctl /);
      expect(shrunk.stdout).toMatch(/^Shrunk in .* and \d+ runs, until /);
      expect(shrunk.stdout).toContain(`simulate --scenario ${small}\n`);
      expect(shrunk.code).toBe(4);
      const { stdout, code } = await cli(['simulate', '--scenario', small, '--json']);
      const { found } = parseScenario(readFileSync(small, 'utf8'));
      const violation = { property: 'lease-exclusion', replay: `paxosctl simulate --scenario ${small}` };
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, traceHash: found?.traceHash, violation });
      expect(code).toBe(4);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 90_000);

  test('has nothing to shrink when it holds', async () => {
    const { code, stdout } = await cli(['simulate', ...short, '--mode', 'liveness', '--shrink']);
    expect(stdout).toMatch(/^Nothing to shrink/);
    expect(code).toBe(0);
  }, 60_000);

  test('says what is wrong with a file', async () => {
    const { code, stderr } = await cli(['simulate', '--scenario', '-'], { stdin: scenario.replace('"mode"', '"mod"') });
    expect(stderr).toMatch(/"cell": "mode" must be string or null/);
    expect(code).toBe(2);
  });
});

describe('a scenario that does not show any more what it is there for', () => {
  test('says so, and ends with 0', async () => {
    const cell = { seed: 4, replicas: 3, hours: 0.0002, mode: 'safety' } as const;
    const stdin = formatScenario({ title: 'mended since', expect: 'agreement', cell });
    const { code, stdout } = await cli(['simulate', '--scenario', '-'], { stdin });
    expect(stdout).toMatch(/^result +no violation\nexpected +a violation of agreement, which this run does not show\n/);
    expect(code).toBe(0);
    const asJson = await cli(['simulate', '--scenario', '-', '--json'], { stdin });
    expect(JSON.parse(asJson.stdout)).toMatchObject({ ok: true, expected: 'agreement' });
  }, 60_000);
});

describe('what a simulation found, for people', () => {
  const found: SimulationView = {
    ok: false,
    seed: 40,
    mode: 'safety, healing, liveness',
    runs: 3,
    simulatedHours: 0.15,
    events: 1_234_567,
    operations: 900,
    unknown: 12,
    operatorSequences: 0,
    traceHash: '00112233aabbccdd',
    faults: { crash: 1_234, pause: 5, 'network-loss': 99 },
    neverFired: ['suspend'],
    transitions: { 'follower → candidate': 7, 'candidate → master': 0 },
    violation: {
      seed: 42,
      property: 'agreement',
      means: 'Two values were chosen.',
      message: 'agreement: n2 takes 7 as chosen; only 6 are',
      facts: { chosen: '\u001b[31mdigest' },
      atMs: 61_234.5,
      trace: ['   61000.000 ms  n1   fault: crash', '   61234.500 ms  n2   message accept n1'],
      replay: 'paxosctl simulate --seed 42',
      shrink: 'paxosctl simulate --seed 42 --shrink',
    },
  };
  const faultClasses = { process: ['crash', 'pause', 'suspend'], messages: ['network-loss'] };
  const text = simulationText(found, { elapsedMs: 60_000, faultClasses, traceLines: 1, width: 100 });

  test('names the property, its meaning, the facts, the trace and two commands', () => {
    expect(text).toMatch(/^result +VIOLATION of agreement\nseed +40 … 42: 3 seeds/);
    expect(text).toContain('0.150 simulated hours in 1m00s: 9 × real time, 0.1 simulated hours a minute');
    expect(text).toContain('912 operations: 900 answered, 12 unknown; 1,234,567 events');
    expect(text).toContain('Two values were chosen.');
    expect(text).toContain('n2 takes 7 as chosen; only 6 are');
    expect(text).toMatch(/The last 1 events before it\n +61234\.500 ms {2}n2/);
    expect(text).toMatch(
      /To see it again:\n.* simulate --seed 42\nTo make it small:\n.* simulate --seed 42 --shrink\n$/,
    );
  });

  test('lists faults by class, and what never struck', () => {
    expect(text).toMatch(/^process +crash +1,234 +pause +5$/m);
    expect(text).toMatch(/^messages +loss +99$/m);
    expect(text).toMatch(/^never +suspend$/m);
    expect(text).toContain('Moves of the state machines: 1 of 2; never:\n  candidate → master');
  });

  test('lets no byte of a trace or a fact reach the terminal as it is', () => {
    expect(text).not.toContain('\u001b');
    expect(text).toContain('\\x1b[31mdigest');
  });

  test('tells how far it is, and how long it will take', () => {
    const now = { done: 2, doneParts: 2.5, simulatedMs: 450_000, operations: 1_500, violations: 0, violatedSeed: null };
    expect(progressText(now, { runs: 10, forMs: null, elapsedMs: 10_000 })).toBe(
      '2 of 10 seeds, 0.13 simulated hours (0.8 a minute), 1,500 operations, 30.0s left',
    );
    expect(
      progressText({ ...now, violations: 1, violatedSeed: 7 }, { runs: null, forMs: 60_000, elapsedMs: 10_000 }),
    ).toBe('2 seeds, 0.13 simulated hours (0.8 a minute), 1,500 operations, 1 violation (last: seed 7), 50.0s left');
  });
});
