import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class KvGet extends CellCommand {
  static override summary = 'Read one key.';

  static override description =
    prose`Writes the value to stdout exactly as it is; on a terminal characters that it would obey are escaped, unless --raw.
Exit code 6 when the key is absent.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> greeting',
    '<%= config.bin %> <%= command.id %> config > config.json',
    '<%= config.bin %> <%= command.id %> greeting --stale --json',
  ];

  static override args = { key: Args.string({ ignoreStdin: true, required: true, description: 'The key.' }) };

  static override flags = {
    stale: Flags.boolean({ description: 'Let any replica answer from its own state, however old.' }),
    raw: Flags.boolean({ description: 'Do not escape anything, on a terminal either.' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(KvGet);
    const { getKey } = await import('../../src/operator/key-value.ts');
    const { showValue } = await import('../../src/render/key-value-view.ts');
    const { document, value } = await getKey(flags, args.key, flags.stale);
    if (!this.jsonEnabled()) await showValue(value, flags.raw);
    return document;
  }
}
