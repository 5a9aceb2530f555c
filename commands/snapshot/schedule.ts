import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { intervalFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class SnapshotSchedule extends CellCommand {
  static override summary = 'Have the cell save backups by itself.';

  static override description =
    prose`A member that is not the master writes one into the directory whenever it is due, reads it back, and lets the oldest go. The schedule stands in
the cell: it holds for every master, over restarts and changes of members. Without --dir it is shown, with the newest backups.

The directory is on the members' machines, best a disk of its own or a shared one. It is never made: where it is missing, something is
not mounted, and status and doctor say so. Of files of other cells, older generations and other people nothing is deleted.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --dir /mnt/backups --every 6h --keep 14',
    '<%= config.bin %> <%= command.id %> --dir /mnt/backups --every 1d --members n2,n3 --dry-run',
    '<%= config.bin %> <%= command.id %> --json',
    '<%= config.bin %> <%= command.id %> --stop',
  ];

  static override flags = {
    dir: Flags.directory({ description: 'Where backups go: an absolute path on the members.', helpValue: 'DIRECTORY' }),
    every: intervalFlag({ description: 'How often (6h where absent).', dependsOn: ['dir'] }),
    keep: Flags.integer({ description: 'How many stay (7 where absent).', dependsOn: ['dir'], min: 1, max: 1_000 }),
    members: Flags.string({
      description: 'Who may write them, separated by commas; all where absent.',
      dependsOn: ['dir'],
    }),
    stop: Flags.boolean({ description: 'End the schedule; the backups stay.', exclusive: ['dir'] }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(SnapshotSchedule);
    const { backupSchedule, changeSchedule } = await import('../../src/operator/backups.ts');
    const { showSchedule } = await import('../../src/render/backup-view.ts');
    const { dir, every = 6 * 3_600_000, keep = 7, members } = flags;
    const wanted =
      dir === undefined ? null : { directory: dir, everyMs: every, keep, members: members?.split(',') ?? null };
    if (wanted !== null || flags.stop) this.mayHaveWritten('It may be set; see: paxosctl snapshot schedule.');
    const result =
      wanted === null && !flags.stop
        ? await backupSchedule(flags)
        : await changeSchedule(flags, wanted, flags['dry-run']);
    if (result.dryRun && result.changed) process.exitCode = 10;
    if (!this.jsonEnabled()) await showSchedule(result);
    return result;
  }
}
