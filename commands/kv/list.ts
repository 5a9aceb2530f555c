import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class KvList extends CellCommand {
  static override summary = 'List keys, in the order of their bytes.';

  static override description =
    prose`All entries that are shown are of one point in time, whose revision --json names. To take everything, use "kv export".`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --prefix config/',
    '<%= config.bin %> <%= command.id %> --keys-only --limit 1000',
    '<%= config.bin %> <%= command.id %> --after config/m --json',
  ];

  static override flags = {
    prefix: Flags.string({ description: 'Only keys that begin with this.', default: '' }),
    after: Flags.string({ description: 'Only keys after this one.' }),
    limit: Flags.integer({ description: 'At most so many keys.', default: 100, min: 1, max: 1_000_000 }),
    'keys-only': Flags.boolean({ description: 'Only the keys, one a line.' }),
    stale: Flags.boolean({ description: 'Let any replica answer from its own state, however old.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(KvList);
    const { listKeys } = await import('../../src/operator/key-value.ts');
    const { showList } = await import('../../src/render/key-value-view.ts');
    const list = await listKeys(flags, flags);
    if (!this.jsonEnabled()) await showList(list, flags['keys-only']);
    return list;
  }
}
