import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag, ifEpochFlag, ifRevisionFlag, sequencerFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class KvPut extends CellCommand {
  static override summary = 'Write one key.';

  static override description =
    prose`The value is the second argument, or standard input when there is none: any bytes, at most 256 KiB.

Exit code 6: a condition did not hold and nothing was written; 7: it was sent, and whether it was written is not known.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> greeting "hello, world"',
    '<%= config.bin %> <%= command.id %> config --if-revision 42 < config.json',
    '<%= config.bin %> <%= command.id %> leader me --if-absent --json',
  ];

  static override args = {
    key: Args.string({ ignoreStdin: true, required: true, description: 'Any text of 1 to 1024 bytes.' }),
    value: Args.string({ ignoreStdin: true, description: 'The value; standard input when absent.' }),
  };

  static override flags = {
    'if-revision': ifRevisionFlag,
    'if-absent': Flags.boolean({ description: 'Only if the key is absent.', exclusive: ['if-revision'] }),
    'if-epoch': ifEpochFlag,
    sequencer: sequencerFlag,
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(KvPut);
    const { putKey } = await import('../../src/operator/key-value.ts');
    const { showWrite } = await import('../../src/render/key-value-view.ts');
    this.mayHaveWritten();
    const value = args.value === undefined ? await this.readStdin() : Buffer.from(args.value, 'utf8');
    const result = await putKey(flags, args.key, value, {
      ifRevision: flags['if-revision'],
      ifAbsent: flags['if-absent'],
      ifEpoch: flags['if-epoch'],
      sequencer: flags.sequencer,
      dryRun: flags['dry-run'],
    });
    if ('dryRun' in result && result.wouldChange) process.exitCode = 10;
    if (!this.jsonEnabled()) await showWrite(result);
    return result;
  }
}
