import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class RecoverCollect extends CellCommand {
  static override summary = 'Copy all that members know into a folder, before anything is decided.';

  static override description =
    prose`Of each member that answers: how far it is, what it has accepted beyond, and its state. With --data-dir the same of one directory whose
replica is not running and cannot be started, from its files alone. No member and no directory is changed, and nothing in the folder is ever replaced.

The copies hold the secret that position marks are made with: keep them as you keep the data.

Exit code 8: a member could not be collected.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --data-dir /mnt/rescued/n2 --out recover-collected --json',
  ];

  static override flags = {
    'data-dir': Flags.string({ description: 'A directory to be read instead of asking members.' }),
    out: Flags.string({ description: 'The folder for the copies.', default: 'recover-collected' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(RecoverCollect);
    const { collectCell, keepDirectory } = await import('../../src/operator/recovery/collect.ts');
    const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
    const { showCollected } = await import('../../src/render/recover-view.ts');
    const { startProgress } = await import('../../src/render/progress.ts');
    const world = await createOfflineWorld();
    const directory = flags['data-dir'];
    const progress = startProgress('Collecting');
    try {
      const { collectDirectory } = await import('../../src/runtime/collect-directory.ts');
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const result =
        directory === undefined
          ? await collectCell(flags, {
              folder: flags.out,
              verify: (file) => inspectSnapshotFile(file, world),
              onStep: (what) => progress.update(what),
            })
          : await keepDirectory(flags.out, await collectDirectory(directory, world));
      progress.succeed(`${result.collected.length} collected in ${flags.out}`);
      if (result.unanswered.length > 0) process.exitCode = 8;
      if (!this.jsonEnabled()) await showCollected(result);
      return result;
    } finally {
      progress.stop();
    }
  }
}
