import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {
  CellCommand,
  dryRunFlag,
  ifEpochFlag,
  ifRevisionFlag,
  sequencerFlag,
  yesFlag,
} from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class KvDelete extends CellCommand {
  static override summary = 'Delete one key, or all below a prefix.';

  static override description =
    prose`With --prefix it first says how many keys there are and asks; --yes answers. They are deleted some hundred at a time, not
atomically: interrupted, the same command goes on.

Exit code 6: the key is absent, or a condition did not hold; nothing was deleted.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> greeting',
    '<%= config.bin %> <%= command.id %> config --if-revision 42',
    '<%= config.bin %> <%= command.id %> --prefix tmp/ --yes',
  ];

  static override args = { key: Args.string({ ignoreStdin: true, description: 'The key.' }) };

  static override flags = {
    prefix: Flags.string({
      description: 'Delete all keys that begin with this.',
      exclusive: ['if-revision', 'if-epoch'],
    }),
    'if-revision': ifRevisionFlag,
    'if-epoch': ifEpochFlag,
    sequencer: sequencerFlag,
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(KvDelete);
    const { deleteKey, deleteKeys } = await import('../../src/operator/key-value.ts');
    const { showDeleted, showWrite } = await import('../../src/render/key-value-view.ts');
    const { UsageError } = await import('../../src/errors/index.ts');
    const { prefix, 'dry-run': dryRun } = flags;
    if ((args.key === undefined) === (prefix === undefined)) throw new UsageError('Give a key, or --prefix.');
    this.mayHaveWritten();
    if (args.key === undefined) {
      const confirmed = (count: number) =>
        this.confirm(`Delete ${count} keys below ${JSON.stringify(prefix)}?`, flags.yes);
      const result = await deleteKeys(flags, prefix ?? '', { dryRun, sequencer: flags.sequencer }, confirmed);
      if (dryRun && result.deleted > 0) process.exitCode = 10;
      if (!this.jsonEnabled()) await showDeleted(result);
      return result;
    }
    const conditions = {
      ifRevision: flags['if-revision'],
      ifEpoch: flags['if-epoch'],
      sequencer: flags.sequencer,
      dryRun,
    };
    const result = await deleteKey(flags, args.key, conditions);
    if ('dryRun' in result && result.wouldChange) process.exitCode = 10;
    if (!this.jsonEnabled()) await showWrite(result);
    return result;
  }
}
