import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { durationFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class NodeDrain extends CellCommand {
  static override summary = 'Keep mastership away from one replica for a while.';

  static override description =
    prose`Hands mastership over without a gap where the replica has it, and keeps it away until the time is up; it ends by itself. The cell remembers
it, over restarts of whomever. The replica goes on voting, so no fault tolerance is lost; where nobody else can lead, it leads.

Exit code 5 when no other voter could take mastership; nothing was changed then.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> n2 --for 30m',
    '<%= config.bin %> <%= command.id %> n2 --end',
    '<%= config.bin %> <%= command.id %> n2 --dry-run --json',
  ];

  static override args = {
    name: Args.string({ ignoreStdin: true, required: true, description: 'Name of the replica.' }),
  };

  static override flags = {
    for: durationFlag({ description: 'How long, 24h at the most (1h where absent).' }),
    end: Flags.boolean({ description: 'End it now.', exclusive: ['for'] }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(NodeDrain);
    const { drainMember } = await import('../../src/operator/master.ts');
    const { showDrained } = await import('../../src/render/master-view.ts');
    const dryRun = flags['dry-run'];
    this.mayHaveWritten('The drain may be recorded; see: paxosctl status.');
    const result = await drainMember(flags, {
      member: args.name,
      forMs: flags.end ? null : (flags.for ?? 3_600_000),
      dryRun,
    });
    if (dryRun && result.changed) process.exitCode = 10;
    if (!this.jsonEnabled()) await showDrained(result);
    return result;
  }
}
