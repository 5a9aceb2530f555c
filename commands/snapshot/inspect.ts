import { stat } from 'node:fs/promises';
import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class SnapshotInspect extends BaseCommand {
  static override summary = 'Read a snapshot file whole and say what it is.';

  static override description =
    prose`Checks every part and their digest, the records and their order, and the checksum of the database that they make. Nothing is changed, and no cell
is asked.

Exit code 4: the file is no whole snapshot.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> backup.snapshot',
    '<%= config.bin %> <%= command.id %> backup.snapshot --json',
  ];

  static override args = {
    file: Args.string({ ignoreStdin: true, required: true, description: 'The file.' }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(SnapshotInspect);
    const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
    const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
    const { showSnapshotFile } = await import('../../src/render/snapshot-view.ts');
    const snapshot = await inspectSnapshotFile(args.file, await createOfflineWorld());
    // The file says what it holds, and nothing about when: two members write the same bytes.
    const createdAt = (await stat(args.file)).mtime.toISOString();
    const ageMs = Math.max(0, Date.now() - Date.parse(createdAt));
    const found = { member: null, ...snapshot, createdAt, ageMs };
    if (!this.jsonEnabled()) await showSnapshotFile(args.file, found);
    return { snapshots: [found] };
  }
}
