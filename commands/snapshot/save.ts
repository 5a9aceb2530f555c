import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class SnapshotSave extends CellCommand {
  static override summary = 'Save the present state of the cell to a file: a backup.';

  static override description =
    prose`Everything that was acknowledged before the command began is in the file: entries with their revisions, sessions, epochs, membership. It
is read from a member that is not the master where possible; another one is tried when it fails. The file appears under its name when it was received
whole, flushed and read back.

Only a master can say how far the cell is: it is waited for, for --timeout, and without one nothing is saved (3), unless --without-master takes what the
furthest of those that answer has. That may be hours behind, and is then said; where a member did not answer, the exit status is 8 although the file is whole. A frozen cell has no master, and is saved like that.

It holds the secret that position marks are made with: keep it as you keep the data.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> backup.snapshot',
    '<%= config.bin %> <%= command.id %> backup.snapshot --member n3 --overwrite --json',
    '<%= config.bin %> <%= command.id %> what-is-left.snapshot --without-master',
  ];

  static override args = {
    file: Args.string({ ignoreStdin: true, required: true, description: 'The file.' }),
  };

  static override flags = {
    member: Flags.string({ description: 'Only from this member.' }),
    'without-master': Flags.boolean({
      description: 'Save what is there although nobody is master: it may be older than what was acknowledged.',
    }),
    overwrite: Flags.boolean({ description: 'Replace the file if it exists.' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(SnapshotSave);
    const { saveSnapshot } = await import('../../src/operator/snapshot-save.ts');
    const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
    const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
    const { saveProgress, savedText } = await import('../../src/render/snapshot-view.ts');
    const progress = saveProgress();
    try {
      const saved = await saveSnapshot(flags, {
        file: args.file,
        member: flags.member,
        overwrite: flags.overwrite,
        unconfirmed: flags['without-master'] ? 'accept' : 'refuse',
        onProgress: progress.update,
        verify: async (file) => inspectSnapshotFile(file, await createOfflineWorld()),
      });
      progress.succeed(savedText(saved));
      if (saved.mayHaveMore.length > 0) process.exitCode = 8;
      return saved;
    } finally {
      progress.stop();
    }
  }
}
