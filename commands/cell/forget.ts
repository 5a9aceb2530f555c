import * as Args from '@oclif/core/args';
import { BaseCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class CellForget extends BaseCommand {
  static override summary = 'Forget what this tool remembers of a cell.';

  static override description =
    prose`paxosctl remembers which cell it met at which endpoint and how far that cell was, so that another cell at the same address, or an older
state of the same one, is noticed before anything is done. Forget it only when the change is wanted: a cell that was rolled back by
mistake is not noticed afterwards. Nothing of the cell itself is touched.

Exit code 6 when nothing was known of it.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> http://127.0.0.1:7401',
    '<%= config.bin %> <%= command.id %> 288a029b770c055874142f9f0295001c --json',
  ];

  static override args = {
    name: Args.string({
      ignoreStdin: true,
      required: true,
      description: 'Id or name of the cell, or an endpoint at which it was met.',
    }),
  };

  static override flags = { 'dry-run': dryRunFlag };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(CellForget);
    const { forgetCell } = await import('../../src/operator/connect.ts');
    const { writeResult } = await import('../../src/render/output.ts');
    if (flags['dry-run']) {
      const cell = await forgetCell(args.name, { dryRun: true });
      process.exitCode = 10;
      if (!this.jsonEnabled()) await writeResult(`cell ${cell} would be forgotten\n`);
      return { dryRun: true, wouldChange: true, cell };
    }
    const forgotten = await forgetCell(args.name);
    if (!this.jsonEnabled()) await writeResult(`cell ${forgotten} is forgotten\n`);
    return { forgotten };
  }
}
