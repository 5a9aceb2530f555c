import { MembersCommand, memberArgs, memberFlags } from '../../src/render/members-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class MembersRemove extends MembersCommand {
  static override summary = 'Remove a member.';

  static override description =
    prose`The master hands mastership over first. Refused (exit code 5) when the members that answer at that moment and are caught up would be
fewer than the new quorum, and when a cell that survives a failure would survive none: --allow-no-spare overrides this alone. The
process of a removed member ends with 23 as soon as a majority of the others has it on disk that it is out; its data directory stays as it is.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> n5',
    '<%= config.bin %> <%= command.id %> n5 --dry-run',
  ];

  static override args = memberArgs;

  static override flags = memberFlags;

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(MembersRemove);
    const { withMembers } = await import('../../src/operator/members/port.ts');
    const { removeMember } = await import('../../src/operator/members/workflows.ts');
    return this.change(`Removing ${args.name}`, flags, (change, onProgress) =>
      withMembers(flags, (port) => removeMember({ port, timeoutMs: flags.timeout, onProgress }, args.name, change)),
    );
  }
}
