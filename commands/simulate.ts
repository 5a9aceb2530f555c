import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/render/base-command.ts';
import { durationFlag, seedFlag } from '../src/render/flags.ts';
import { prose } from '../src/render/prose.ts';

export default class Simulate extends BaseCommand {
  static override summary = 'Run a whole cell in one thread under injected faults.';

  static override description =
    prose`Replicas, clients, disks, network and clocks are simulated from one seed: messages are lost, delayed and reordered, replicas crash and lose
what was not flushed, pause, and their clocks drift. The same seed gives the same run, down to the hash of its trace. After faults the cell heals and
has to make progress.

Exit code 4 when a property was violated, with the trace before it and the command that shows it again. Ctrl-C shows what was done so far. The number of
jobs changes how long it takes, and nothing else.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --seed 42',
    '<%= config.bin %> <%= command.id %> --seed 1 --runs 100 --jobs 2 --mode safety --json',
    '<%= config.bin %> <%= command.id %> --for 10m --jobs 2 --keep-going',
    '<%= config.bin %> <%= command.id %> --seed 7 --replicas 3 --hours 0.5',
  ];

  static override flags = {
    seed: seedFlag({ description: 'Decides everything that happens. [default: drawn, and shown]' }),
    runs: Flags.integer({ description: 'Seeds one after another, from --seed on. [default: 1]', min: 1 }),
    for: durationFlag({ description: 'Seed after seed until this much real time is over.', exclusive: ['runs'] }),
    jobs: Flags.integer({ description: 'Seeds at a time, a thread each.', default: 1, min: 1, max: 64 }),
    'keep-going': Flags.boolean({ description: 'Go on after a violation, and show all of them.' }),
    mode: Flags.option({
      options: ['safety', 'liveness'] as const,
      description: 'Only this part. [default: safety, healing, liveness in turn]',
    })(),
    replicas: Flags.integer({ description: 'Members of the cell.', default: 5, min: 1, max: 9 }),
    hours: Flags.string({ description: 'Simulated hours of each run.', default: '0.05' }),
    'trace-lines': Flags.integer({ description: 'Events shown before a violation.', default: 40, min: 0, max: 200 }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Simulate);
    const { parsePositive } = await import('../src/render/flags.ts');
    const { drawSeed, simulationScreen } = await import('../src/render/simulation-screen.ts');
    const { runSimulation } = await import('../src/simulator/run.ts');
    const { faultClasses } = await import('../src/simulator/fault-classes.ts');
    const { WorkerPool } = await import('../src/simulator/worker-pool.ts');
    const { jobs, mode, replicas, for: forMs = null } = flags;
    const seed = flags.seed ?? drawSeed();
    const runs = forMs === null ? (flags.runs ?? 1) : null;
    const hours = parsePositive('hours', flags.hours);
    const screen = simulationScreen({ seed, runs, forMs, jobs, version: this.config.version });
    const until = performance.now() + (forMs ?? 0);
    // The build puts the workers' program beside this folder.
    const runner = new WorkerPool({ jobs, entry: new URL('../simulator-worker.js', import.meta.url) });
    const result = await runSimulation({
      ...{ seed, runs, mode: mode ?? null, replicas, hours, runner },
      keepGoing: flags['keep-going'],
      more: () => forMs === null || performance.now() < until,
      signal: screen.signal,
      onProgress: screen.onProgress,
    });
    await runner.close();
    if (result.interrupted === true) process.exitCode = 130;
    if (!result.ok) process.exitCode = 4;
    await screen.done(result, { faultClasses, traceLines: flags['trace-lines'], json: this.jsonEnabled() });
    return result;
  }
}
