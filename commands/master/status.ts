import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class MasterStatus extends CellCommand {
  static override summary = 'Show who is master.';

  static override description =
    prose`Who is master, since when, in which epoch, how long its lease still runs, and why mastership last moved.
Exit code 3 when there is none.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json --endpoints http://127.0.0.1:7401,http://127.0.0.1:7402',
  ];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(MasterStatus);
    const { masterStatus } = await import('../../src/operator/master.ts');
    const status = await masterStatus(flags);
    if (!this.jsonEnabled()) {
      const { showMaster } = await import('../../src/render/master-view.ts');
      await showMaster(status);
    }
    return status;
  }
}
