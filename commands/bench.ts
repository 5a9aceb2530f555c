import * as Flags from '@oclif/core/flags';
import { UsageError } from '../src/errors/index.ts';
import { CellCommand } from '../src/render/base-command.ts';
import { durationFlag } from '../src/render/flags.ts';
import { prose } from '../src/render/prose.ts';

export default class Bench extends CellCommand {
  static override summary = 'Put load on a live cell and show what it does.';

  static override description =
    prose`Each connection does one operation after another: a closed loop, which asks less of a cell that is slow. With --rate operations
arrive at that rate, whatever the cell does, and a latency counts from when the operation was to begin, so that a stall
counts for everybody who would have waited behind it.

Keys are written below a scratch prefix of this run and deleted at the end, also after Ctrl-C. On a terminal the latencies are drawn
as a curve; --plot draws them elsewhere too.

put, get; cas swaps a value under the condition that nobody else has; mixed is four reads to one write, read-heavy nineteen;
batch is 100 puts in one request, each with its own outcome. REFUSED was turned away early with no effect; ERRORS, by code, had none
either; of what is unknown nobody can say. What is refused is sent again until --timeout, and only then counted.

--profile runs rows that belong together: paper is Table 1 of "Paxos Made Live", beside the figures of 2007; mixed and read-heavy
at 1, 16 and 64 connections; batch with 1, 10 and 100 puts a request.

The figures are of this machine, this minute and a generator on the same machine: compare only what ran side by side.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --op put --connections 64 --duration 10s --size 100',
    '<%= config.bin %> <%= command.id %> --op mixed --rate 2000 --connections 128 --plot',
    '<%= config.bin %> <%= command.id %> --profile paper --duration 5s',
    '<%= config.bin %> <%= command.id %> --op get --connections 1000 --batched --json',
  ];

  static override flags = {
    op: Flags.option({
      options: ['put', 'get', 'cas', 'mixed', 'read-heavy', 'batch'] as const,
      default: 'put',
      description: 'What to do.',
    })(),
    connections: Flags.integer({ description: 'Workers at a time.', default: 16, min: 1, max: 10_000 }),
    duration: durationFlag({ description: 'Of each row.', default: 5_000, defaultHelp: async () => '5s' }),
    size: Flags.integer({ description: 'Bytes of a value.', default: 100, min: 0, max: 262_144 }),
    rate: Flags.integer({
      description: 'Operations a second that arrive whatever the cell does (an open loop).',
      helpValue: 'N',
      min: 1,
      max: 1_000_000,
    }),
    profile: Flags.option({
      options: ['paper', 'mixed', 'read-heavy', 'batch'] as const,
      description: 'Rows that belong together, instead of --op, --connections and --size.',
      exclusive: ['op', 'connections', 'size'],
    })(),
    batched: Flags.boolean({ description: 'Let the client gather what the workers do at the same time.' }),
    plot: Flags.boolean({ description: 'Draw the latencies as a curve; the default on a terminal.', allowNo: true }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Bench);
    if (flags.rate !== undefined && flags.profile === 'paper') {
      throw new UsageError('--rate: The tests of the paper are closed loops; give --op with a rate.');
    }
    if (flags.batched && (flags.op === 'batch' || flags.profile === 'batch')) {
      throw new UsageError('--batched: What is sent as batches has been gathered already.');
    }
    const { benchCell, profiles, rowFor } = await import('../src/operator/bench/bench-cell.ts');
    const { benchScreen, showBench } = await import('../src/render/bench-view.ts');
    const { connections, size, rate = null, plot = process.stdout.isTTY === true } = flags;
    const rows = flags.profile === undefined ? [rowFor(flags.op, connections, size)] : profiles[flags.profile];
    const screen = benchScreen();
    try {
      const { duration: durationMs, batched: batch } = flags;
      const result = await benchCell(flags, {
        rows,
        durationMs,
        rate,
        batch,
        signal: screen.signal,
        onRow: screen.onRow,
      });
      screen.stop();
      if (result.interrupted) process.exitCode = 130;
      else if (result.failure !== null) process.exitCode = result.failure.exitCode;
      if (!this.jsonEnabled()) await showBench(result, { plot });
      return result;
    } finally {
      screen.stop();
    }
  }
}
