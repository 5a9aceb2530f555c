import { MembersCommand, memberArgs, memberFlags } from '../../src/render/members-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class MembersPromote extends MembersCommand {
  static override summary = 'Give a member without a vote its vote.';

  static override description =
    prose`Waits until it has caught up and its checksum agrees with the master's. The wait ends when it makes no progress for --timeout.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> n4',
    '<%= config.bin %> <%= command.id %> n4 --timeout 10m',
  ];

  static override args = memberArgs;

  // A further vote never costs the last spare.
  static override flags = { 'dry-run': memberFlags['dry-run'] };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(MembersPromote);
    const { withMembers } = await import('../../src/operator/members/port.ts');
    const { promoteMember } = await import('../../src/operator/members/workflows.ts');
    return this.change(`Promoting ${args.name}`, flags, (change, onProgress) =>
      withMembers(flags, (port) => promoteMember({ port, timeoutMs: flags.timeout, onProgress }, args.name, change)),
    );
  }
}
