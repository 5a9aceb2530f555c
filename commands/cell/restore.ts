import { stat } from 'node:fs/promises';
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { listFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class CellRestore extends CellCommand {
  static override summary = 'Go back to a backup: a new generation of the whole cell.';

  static override description =
    prose`Says first what would be lost by it, in revisions, instances, entries and time, against every member that answers and against the marks
that this tool has seen; without flags nothing else is done. With the loss and the name typed it fences the members, prices once more what cannot grow any
more, saves the present state to a file, and begins a new generation from the backup on all of them. If more would be lost by then, everything is as it was.

It may be interrupted or killed anywhere and run again: it goes on at the step that it finds. The old files of every member are kept in former/ in its
data directory. Nothing ever restores by itself; don't put this command into a script that starts replicas.

Exit code 5: refused, with the price. 12: the file is of another cell.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> backup.snapshot',
    '<%= config.bin %> <%= command.id %> backup.snapshot --confirm default --accept-loss 812',
    '<%= config.bin %> <%= command.id %> backup.snapshot --confirm default --accept-loss 812 --accept-unknown-loss n3 --dry-run --json',
  ];

  static override args = {
    file: Args.string({ ignoreStdin: true, required: true, description: 'A file of snapshot save.' }),
  };

  static override flags = {
    confirm: Flags.string({ description: 'The name of the cell, typed out.' }),
    'accept-loss': Flags.integer({ description: 'Revisions that may be lost: the number that was shown.', min: 0 }),
    'accept-unknown-loss': listFlag({ description: 'Members that cannot be asked, separated by commas.' }),
    'in-place-of': Flags.string({
      description:
        'The id of a cell that was lost whole, typed out: this one, which nothing was written to, becomes that cell.',
      helpValue: 'CELL-ID',
    }),
    save: Flags.string({ description: 'The file for the present state; one in this folder by default.' }),
    again: Flags.boolean({
      description: 'Also if the present generation began with this file, or another attempt is under way.',
      default: false,
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(CellRestore);
    const { restoreCell } = await import('../../src/operator/restore/restore.ts');
    const { extendedSnapshot, inspectSnapshotFile, readBackup } = await import('../../src/runtime/snapshot-file.ts');
    const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
    const { showRestorePrice, showRestored } = await import('../../src/render/restore-view.ts');
    const { startProgress } = await import('../../src/render/progress.ts');
    const world = await createOfflineWorld();
    const verify = (file: string) => inspectSnapshotFile(file, world);
    const backup = await readBackup(args.file, world);
    const fileAgeMs = Math.max(0, Date.now() - (await stat(args.file)).mtimeMs);
    this.mayHaveWritten(
      'The new generation may be under way: run it again with the same file, it goes on where it was.',
    );
    const progress = startProgress('Restoring');
    try {
      const result = await restoreCell(flags, {
        backup,
        confirm: flags.confirm ?? null,
        acceptLoss: flags['accept-loss'] ?? null,
        acceptUnknownLoss: flags['accept-unknown-loss'] ?? [],
        dryRun: flags['dry-run'],
        again: flags.again,
        inPlaceOf: flags['in-place-of'] ?? null,
        saveTo: flags.save ?? null,
        verify,
        extend: (file, tail) => extendedSnapshot(file, tail, world),
        onPrice: async (price) => {
          if (!this.jsonEnabled()) await showRestorePrice(price, { ...backup, fileAgeMs });
        },
        onStep: (what) => progress.update(what),
      });
      progress.succeed(`generation ${result.generation}`);
      if (result.dryRun && !result.foundDone) process.exitCode = 10;
      if (!this.jsonEnabled()) await showRestored(result);
      return result;
    } catch (error) {
      progress.stop();
      throw error;
    }
  }
}
