import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class SnapshotList extends CellCommand {
  static override summary = 'Show the snapshots that the members keep.';

  static override description =
    prose`Each member keeps its two newest good snapshots and the log from the older one on. Snapshots are taken by themselves when the log has grown;
two members at the same instance have the same bytes, and so the same digest.

A member that does not answer is named; what it keeps is not known then.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --member n2 --json',
  ];

  static override flags = {
    member: Flags.string({ description: 'Only of this member.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(SnapshotList);
    const { listSnapshots } = await import('../../src/operator/snapshots.ts');
    const { showSnapshots } = await import('../../src/render/snapshot-view.ts');
    const list = await listSnapshots(flags, flags.member);
    if (!this.jsonEnabled()) await showSnapshots(list);
    return list;
  }
}
