import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class SnapshotTake extends CellCommand {
  static override summary = 'Have the members take a snapshot now.';

  static override description =
    prose`On every member that answers, one after the other and the master last, or on one. It holds everything that the member had applied when
it was asked, is read back before it counts, and writes go on meanwhile. Where there is such a snapshot already, none is taken.

A snapshot that a member keeps is no backup: see snapshot save. Exit code 8 when some member took none.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --member n2 --timeout 2m --json',
    '<%= config.bin %> <%= command.id %> --dry-run',
  ];

  static override flags = {
    member: Flags.string({ description: 'Only on this member.' }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(SnapshotTake);
    const { takeSnapshots } = await import('../../src/operator/snapshots.ts');
    const { showTaken } = await import('../../src/render/snapshot-view.ts');
    this.mayHaveWritten('A member that was asked goes on; see: paxosctl snapshot list.');
    const taken = await takeSnapshots(flags, { member: flags.member, dryRun: flags['dry-run'] });
    if (taken.dryRun && taken.wouldTake.length > 0) process.exitCode = 10;
    if (!this.jsonEnabled()) await showTaken(taken);
    return taken;
  }
}
