import { CellCommand } from '../src/render/base-command.ts';

export default class Status extends CellCommand {
  static override summary = 'Show the cell at a glance.';

  static override description = 'Master, lease, epoch, and every member with its role, position and lag.';

  static override examples = ['<%= config.bin %> <%= command.id %> --endpoints http://127.0.0.1:7401'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Status);
    return flags;
  }
}
