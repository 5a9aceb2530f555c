import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class MasterTransfer extends CellCommand {
  static override summary = 'Hand mastership to another replica without a gap.';

  static override description =
    prose`The master stops proposing, waits until the successor has everything, and gives up its lease to it. Requests meanwhile wait; none is
refused. Exit code 5 when the successor is not up or not caught up; nothing was changed then.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --to n2 --json',
    '<%= config.bin %> <%= command.id %> --to n2 --dry-run',
  ];

  static override flags = {
    to: Flags.string({ description: 'The next master; by default the master chooses.' }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(MasterTransfer);
    const { transferMaster } = await import('../../src/operator/master.ts');
    const { showTransfer } = await import('../../src/render/master-view.ts');
    this.mayHaveWritten('The hand-over may go on; see: paxosctl master status.');
    const result = await transferMaster(flags, { to: flags.to, dryRun: flags['dry-run'] });
    if (result.dryRun) process.exitCode = 10;
    if (!this.jsonEnabled()) await showTransfer(result);
    return result;
  }
}
