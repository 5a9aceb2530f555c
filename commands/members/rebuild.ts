import { MembersCommand, memberArgs, memberFlags } from '../../src/render/members-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class MembersRebuild extends MembersCommand {
  static override summary = 'Rebuild a member whose disk was lost, damaged or put back.';

  static override description =
    prose`Its incarnation ends with one logged change, which admits the next one without a vote; another gives it the vote once it has
everything from the others. The replica is started as ever, with an empty directory or with the old one, which is set aside whole. A
member that is well is left alone. With "node start --rebuild" the same happens without this command.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> n3',
    '<%= config.bin %> <%= command.id %> n3 --timeout 10m',
    '<%= config.bin %> <%= command.id %> n3 --dry-run --json',
  ];

  static override args = memberArgs;

  static override flags = memberFlags;

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(MembersRebuild);
    const { withMembers } = await import('../../src/operator/members/port.ts');
    const { rebuildMember } = await import('../../src/operator/members/workflows.ts');
    return this.change(`Rebuilding ${args.name}`, flags, (change, onProgress) =>
      withMembers(flags, (port) => rebuildMember({ port, timeoutMs: flags.timeout, onProgress }, args.name, change)),
    );
  }
}
