import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class LockList extends CellCommand {
  static override summary = 'Show who holds which lock.';

  static override description =
    prose`Locks that nobody holds are shown only while the lock-delay of a holder that was lost keeps them.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --prefix jobs/ --json',
  ];

  static override flags = {
    prefix: Flags.string({ description: 'Only names that begin with this.', default: '' }),
    after: Flags.string({ description: 'Only names after this one.' }),
    limit: Flags.integer({ description: 'At most so many locks.', default: 100, min: 1, max: 1_000_000 }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(LockList);
    const { listLocks } = await import('../../src/operator/locks.ts');
    const { locksText } = await import('../../src/render/lock-view.ts');
    const { writeResult } = await import('../../src/render/output.ts');
    const locks = await listLocks(flags, flags);
    if (!this.jsonEnabled()) await writeResult(locksText(locks));
    return locks;
  }
}
