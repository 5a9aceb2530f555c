import { CellCommand } from '../../src/render/base-command.ts';

export default class MembersList extends CellCommand {
  static override summary = 'The members of the cell: who votes, which incarnation, where.';

  static override description = 'As the log has them. How each one is doing, status tells.';

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(MembersList);
    const { listMembers } = await import('../../src/operator/members/workflows.ts');
    const { showMembers } = await import('../../src/render/members-view.ts');
    const members = await listMembers(flags);
    if (!this.jsonEnabled()) await showMembers(members);
    return members;
  }
}
