import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/render/base-command.ts';
import { seedFlag } from '../src/render/flags.ts';
import { prose } from '../src/render/prose.ts';

export default class Simulate extends BaseCommand {
  static override summary = 'Run a whole cell in one thread under injected faults.';

  static override description =
    prose`Replicas, clients, disks, network and clocks are simulated from one seed: messages are lost, delayed and reordered, replicas crash and lose
what was not flushed, pause, and their clocks drift. The same seed gives the same run, down to the hash of its trace. After faults the cell heals and
has to make progress.

Exit code 4 when a property was violated, with the command that shows it again.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --seed 42',
    '<%= config.bin %> <%= command.id %> --seed 1 --runs 100 --mode safety --json',
    '<%= config.bin %> <%= command.id %> --seed 7 --replicas 3 --hours 0.5',
  ];

  static override flags = {
    seed: seedFlag({ description: 'Decides everything that happens. [default: drawn, and shown]' }),
    runs: Flags.integer({ description: 'Seeds one after another, from --seed on.', default: 1, min: 1 }),
    mode: Flags.option({
      options: ['safety', 'liveness'] as const,
      description: 'Only this part. [default: safety, healing, liveness in turn]',
    })(),
    replicas: Flags.integer({ description: 'Members of the cell.', default: 5, min: 1, max: 9 }),
    hours: Flags.string({ description: 'Simulated hours of each run.', default: '0.05' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Simulate);
    const { parsePositive } = await import('../src/render/flags.ts');
    const { drawSeed, simulationScreen } = await import('../src/render/simulation-view.ts');
    const { runSimulation } = await import('../src/simulator/run.ts');
    const { runs, mode, replicas } = flags;
    const seed = flags.seed ?? drawSeed();
    const hours = parsePositive('hours', flags.hours);
    const screen = simulationScreen({ seed, runs, version: this.config.version });
    const result = await runSimulation({
      seed,
      runs,
      mode: mode ?? null,
      replicas,
      hours,
      onProgress: screen.onProgress,
    });
    if (!result.ok) process.exitCode = 4;
    await screen.done(result, this.jsonEnabled());
    return result;
  }
}
