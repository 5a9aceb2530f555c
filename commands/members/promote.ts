import * as Args from '@oclif/core/args';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { allowNoSpareFlag, runMembersCommand } from '../../src/render/members-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class MembersPromote extends CellCommand {
  static override summary = 'Give a member without a vote its vote.';

  static override description =
    prose`Waits until it has caught up and its checksum agrees with the master's. The wait ends when it makes no progress for --timeout.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> n4',
    '<%= config.bin %> <%= command.id %> n4 --timeout 10m',
  ];

  static override args = {
    name: Args.string({ ignoreStdin: true, required: true, description: 'The member.' }),
  };

  static override flags = {
    'dry-run': dryRunFlag,
    'allow-no-spare': allowNoSpareFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(MembersPromote);
    const { withMembers } = await import('../../src/operator/members/port.ts');
    const { promoteMember } = await import('../../src/operator/members/workflows.ts');
    this.mayHaveWritten('The same command goes on where this one stopped; see: paxosctl members list.');
    return runMembersCommand(
      { title: `Promoting ${args.name}`, dryRun: flags['dry-run'], json: this.jsonEnabled() },
      (onProgress) =>
        withMembers(flags, (port) =>
          promoteMember({ port, timeoutMs: flags.timeout, onProgress }, args.name, {
            dryRun: flags['dry-run'],
            allowNoSpare: flags['allow-no-spare'],
          }),
        ),
    );
  }
}
