import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../src/render/base-command.ts';
import { durationFlag } from '../src/render/flags.ts';
import { prose } from '../src/render/prose.ts';

export default class Bench extends CellCommand {
  static override summary = 'Put load on a live cell and show what it does.';

  static override description =
    prose`Each connection does one operation after another. Keys are written below a scratch prefix of this run and deleted at
the end, also after Ctrl-C. --profile paper runs the rows of Table 1 of "Paxos Made Live", beside the figures of 2007.

The figures are of this machine, this minute and a generator on the same machine: compare only what ran side by side.
cas swaps a value under the condition that nobody else has; mixed is four reads to one write.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --op put --connections 64 --duration 10s --size 100',
    '<%= config.bin %> <%= command.id %> --profile paper --duration 5s',
    '<%= config.bin %> <%= command.id %> --op get --connections 1000 --batched --json',
  ];

  static override flags = {
    op: Flags.option({
      options: ['put', 'get', 'cas', 'mixed'] as const,
      default: 'put',
      description: 'What to do.',
    })(),
    connections: Flags.integer({ description: 'Workers at a time.', default: 16, min: 1, max: 10_000 }),
    duration: durationFlag({ description: 'Of each row.', default: 5_000, defaultHelp: async () => '5s' }),
    size: Flags.integer({ description: 'Bytes of a value.', default: 100, min: 0, max: 262_144 }),
    profile: Flags.option({
      options: ['paper'] as const,
      description: 'Rows that belong together, instead of --op.',
    })(),
    batched: Flags.boolean({ description: 'Let the client gather what the workers do at the same time.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Bench);
    const { benchCell, paperProfile, rowFor } = await import('../src/operator/bench-cell.ts');
    const { benchScreen, showBench } = await import('../src/render/bench-view.ts');
    const rows = flags.profile === 'paper' ? paperProfile : [rowFor(flags.op, flags.connections, flags.size)];
    const screen = benchScreen();
    try {
      const { duration: durationMs, batched: batch } = flags;
      const result = await benchCell(flags, { rows, durationMs, batch, signal: screen.signal, onRow: screen.onRow });
      screen.stop();
      if (result.interrupted) process.exitCode = 130;
      if (!this.jsonEnabled()) await showBench(result);
      return result;
    } finally {
      screen.stop();
    }
  }
}
