import * as Flags from '@oclif/core/flags';
import { UsageError } from '../src/errors/index.ts';
import { BaseCommand } from '../src/render/base-command.ts';
import { durationFlag, replicasFlag, seedFlag } from '../src/render/flags.ts';
import { quotedWord } from '../src/render/own-name.ts';
import { prose } from '../src/render/prose.ts';
import type { Scenario } from '../src/simulator/scenario.ts';

const shrinkMs = 5 * 60_000;
const drawnBy = ['seed', 'runs', 'mode', 'replicas', 'hours', 'keep-going', 'operators'];

export default class Simulate extends BaseCommand {
  static override summary = 'Run a whole cell in one thread under injected faults.';

  static override description =
    prose`Replicas, clients, disks, network and clocks are simulated from one seed: messages are lost, delayed and reordered, replicas crash and lose
what was not flushed, pause, and their clocks drift. The same seed gives the same run, down to the hash of its trace. After faults the cell heals and
has to make progress.

Exit code 4 when a property was violated, with the trace before it and the command that shows it again. Ctrl-C shows what was done so far. The number of
jobs changes how long it takes, and nothing else.

--shrink makes a failing run small: fewer faults, less time, fewer replicas, round numbers. What is left is a scenario, a file that --scenario runs.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --seed 42',
    '<%= config.bin %> <%= command.id %> --seed 1 --runs 100 --jobs 2 --mode safety --json',
    '<%= config.bin %> <%= command.id %> --for 10m --jobs 2 --keep-going',
    '<%= config.bin %> <%= command.id %> --seed 7 --replicas 3 --hours 0.5',
    '<%= config.bin %> <%= command.id %> --replicas drawn --for 5m',
    '<%= config.bin %> <%= command.id %> --operators often --for 5m --jobs 2',
    '<%= config.bin %> <%= command.id %> --seed 7 --shrink --output lost-write.json',
    '<%= config.bin %> <%= command.id %> --scenario lost-write.json',
  ];

  static override flags = {
    seed: seedFlag({ description: 'Decides everything that happens. [default: drawn, and shown]' }),
    runs: Flags.integer({ description: 'Seeds one after another, from --seed on. [default: 1]', min: 1 }),
    for: durationFlag({
      description:
        'No new seed is begun after this much real time. Without --runs: seed after seed until then. With --shrink [5m]: the best so far.',
    }),
    jobs: Flags.integer({ description: 'Seeds at a time, a thread each.', default: 1, min: 1, max: 64 }),
    'keep-going': Flags.boolean({ description: 'Go on after a violation, and show all of them.' }),
    mode: Flags.option({
      options: ['safety', 'liveness', 'beyond-repair'] as const,
      description: 'Only this part. [default: safety, healing, liveness in turn]',
    })(),
    operators: Flags.option({
      options: ['never', 'drawn', 'often', 'upgrades', 'generations'] as const,
      description:
        'Cells in which operators change the members: none, about every second one, or all, often; or all are upgraded, or made anew from backups. [default: drawn]',
    })(),
    replicas: replicasFlag({ description: 'Members of the cell; drawn: 1, 3, 5 or 7, by the seed. [default: 5]' }),
    hours: Flags.string({ description: 'Simulated hours of each run. [default: 0.05]' }),
    'trace-lines': Flags.integer({ description: 'Events shown before a violation.', default: 40, min: 0, max: 200 }),
    scenario: Flags.string({
      description: 'Run what this file says.',
      helpValue: 'FILE',
      helpGroup: 'SCENARIO',
      exclusive: drawnBy,
    }),
    shrink: Flags.boolean({
      description: 'Make the failing seed or scenario small.',
      helpGroup: 'SCENARIO',
      exclusive: ['runs', 'keep-going'],
    }),
    output: Flags.string({
      description: 'Write what --shrink found to this file. [default: standard output]',
      helpValue: 'FILE',
      helpGroup: 'SCENARIO',
      dependsOn: ['shrink'],
    }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Simulate);
    const { parsePositive } = await import('../src/render/flags.ts');
    const screens = await import('../src/render/simulation-screen.ts');
    const { cellOptions, replayCommand, runSimulation, simulationDefaults } = await import('../src/simulator/run.ts');
    const { faultClasses } = await import('../src/simulator/fault-classes.ts');
    const { cellOf } = await import('../src/simulator/scenario.ts');
    const { WorkerPool } = await import('../src/simulator/worker-pool.ts');
    const { version } = this.config;
    const { jobs, mode = null, operators = null } = flags;
    const replicas = flags.replicas === 'drawn' ? null : (flags.replicas ?? simulationDefaults.replicas);
    const forMs = flags.for ?? (flags.shrink ? shrinkMs : null);
    const hours = flags.hours === undefined ? simulationDefaults.hours : parsePositive('hours', flags.hours);
    const file = flags.scenario;
    const scenario = file === undefined ? null : await this.#readScenario(file);
    const seed = scenario?.cell.seed ?? flags.seed ?? screens.drawSeed();
    const drawn = { seed, mode, replicas, hours, operators };
    const replay = file === undefined ? replayCommand(seed, drawn) : replayScenario(file);
    // The build puts the workers' program beside this folder.
    const runner = new WorkerPool({ jobs, entry: new URL('../simulator-worker.js', import.meta.url) });
    const shown = { faultClasses, traceLines: flags['trace-lines'], json: this.jsonEnabled() };
    if (flags.shrink) {
      const { runShrink } = await import('../src/simulator/shrink-run.ts');
      const { formatScenario } = await import('../src/simulator/scenario.ts');
      const screen = screens.shrinkScreen({ seed, forMs: forMs ?? shrinkMs, jobs, version });
      const result = await runShrink({
        ...{ runner, from: replay, replay: replayScenario(flags.output ?? 'FILE'), version },
        scenario: scenario ?? { title: '', expect: '', cell: cellOptions(drawn, 0) },
        ...{ more: screen.more, signal: screen.signal, onProgress: screen.onProgress },
      });
      await runner.close();
      const text = result.scenario === undefined ? null : formatScenario(result.scenario);
      await screen.done(result, { ...shown, text, output: flags.output ?? null });
      return this.#ended(result);
    }
    const runs = flags.runs ?? (forMs === null || scenario !== null ? simulationDefaults.runs : null);
    const screen = screens.simulationScreen({ seed, runs, forMs, jobs, version });
    const outcome = await runSimulation({
      ...{ ...drawn, runs, runner, keepGoing: flags['keep-going'] },
      ...(scenario === null ? {} : { mode: scenario.cell.mode, scenario: { cell: cellOf(scenario), replay } }),
      ...{ more: screen.more, signal: screen.signal, onProgress: screen.onProgress },
    });
    await runner.close();
    const result = scenario === null ? outcome : { ...outcome, expected: scenario.expect };
    await screen.done(result, shown);
    return this.#ended(result);
  }

  /** Numbers as they are: rounded, a scenario would be another one. */
  override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  }

  #ended<Result extends { readonly ok: boolean; readonly interrupted?: true }>(result: Result): Result {
    if (result.interrupted === true) process.exitCode = 130;
    if (!result.ok) process.exitCode = 4;
    return result;
  }

  async #readScenario(file: string): Promise<Scenario> {
    const { parseScenario, ScenarioError } = await import('../src/simulator/scenario.ts');
    const text = (await this.readFileOrStdin(file)).toString();
    try {
      return parseScenario(text);
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      throw new UsageError(`File ${file} is no scenario: ${error.message}`, { cause: error });
    }
  }
}

const replayScenario = (file: string): string => `paxosctl simulate --scenario ${quotedWord(file)}`;
