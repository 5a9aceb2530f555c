import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class SnapshotRehearse extends CellCommand {
  static override summary = 'Try a backup: restore it into a scratch cell and compare.';

  static override description =
    prose`Reads the file whole, makes a cell of one out of it in a temporary folder on this machine, starts it, reads it out again, and compares the
digests of all entries. The scratch cell has an identity of its own and is gone afterwards; the cell that the file is of is not touched, only told,
so that status and doctor know when a backup was last tried.

Exit code 4: the file is no good backup, or what came back is not what was saved. Of a directory the newest backup is taken.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> backup.snapshot',
    '<%= config.bin %> <%= command.id %> /mnt/backups --scratch /mnt/large --timeout 10m --json',
  ];

  static override args = {
    file: Args.string({ ignoreStdin: true, required: true, description: 'The backup, or a directory of a schedule.' }),
  };

  static override flags = {
    scratch: Flags.string({
      description: 'Where the scratch cell is made: it needs twice the size of the backup.',
      defaultHelp: async () => 'the temporary folder of the system',
      helpValue: 'DIRECTORY',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(SnapshotRehearse);
    const { rehearseFile, scratchDefault } = await import('../../src/operator/rehearse-backup.ts');
    const { rehearseBackup } = await import('../../src/runtime/backups/backup-rehearsal.ts');
    const { silentLogger } = await import('../../src/runtime/logger.ts');
    const { createNodeWorld } = await import('../../src/adapters/node-world.ts');
    const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
    const { ownVersion } = await import('../../src/render/own-version.ts');
    const { rehearsedText } = await import('../../src/render/backup-view.ts');
    const { startProgress } = await import('../../src/render/progress.ts');
    const progress = startProgress('Rehearsing');
    try {
      const version = await ownVersion(this.config.root);
      const worlds = {
        offline: await createOfflineWorld(),
        world: await createNodeWorld(silentLogger),
        logger: silentLogger,
      };
      const onStep = (what: string): void => progress.update(`Rehearsing: ${what}`);
      const result = await rehearseFile(flags, {
        file: args.file,
        scratch: flags.scratch ?? scratchDefault(),
        rehearse: (request) => rehearseBackup({ ...request, version, onStep }, worlds),
      });
      progress.succeed(rehearsedText(result));
      return result;
    } finally {
      progress.stop();
    }
  }
}
