import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class VerifyDataDir extends BaseCommand {
  static override summary = 'Check the data directory of a replica that is not running.';

  static override description =
    prose`Reads every file: the manifest and whose directory it is, both copies of the promise, every record of the log, every part of the snapshots
and the checksum of the database in them, whether the files agree about how far they go, and files that do not belong. Not a byte is changed, and no
cell is asked.

Exit code 0: all is well. 4: something is damaged or does not belong. 28: a process uses the directory. Of a running replica the files are
checked by: verify checksums --deep.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> /var/lib/paxosctl',
    '<%= config.bin %> <%= command.id %> ./n1 --json',
  ];

  static override args = {
    dir: Args.string({ ignoreStdin: true, required: true, description: 'The data directory.' }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(VerifyDataDir);
    const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
    const { verifyDataDirectory } = await import('../../src/runtime/data-directory-report.ts');
    const { showDataDirectory } = await import('../../src/render/data-directory-view.ts');
    const report = await verifyDataDirectory(args.dir, await createOfflineWorld());
    if (!report.ok) process.exitCode = 4;
    if (!this.jsonEnabled()) await showDataDirectory(report);
    return report;
  }
}
