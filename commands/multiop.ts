import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag, ifEpochFlag, sequencerFlag } from '../src/render/base-command.ts';
import { prose } from '../src/render/prose.ts';

export default class MultiOp extends CellCommand {
  static override summary = 'Test several keys and write several keys, atomically.';

  static override description =
    prose`The file holds {"guard":[…],"then":[…],"else":[…]}. All tests of the guard are evaluated; when all hold the operations of "then" run,
otherwise those of "else".
  test       {"key","test":"absent"|"present"|"equals"|"less"|"greater"|"revision","value"?,"revision"?}
  operation  {"op":"put"|"delete"|"get","key","value"?}
"valueBase64" stands for "value" where the bytes are not UTF-8.

Exit code 0: the guard held; 6: it did not, and "else" ran.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --file move.json',
    `echo '{"guard":[{"key":"a","test":"absent"}],"then":[{"op":"put","key":"a","value":"1"}]}' | <%= config.bin %> <%= command.id %> --file - --json`,
  ];

  static override flags = {
    file: Flags.string({ required: true, description: 'JSON file; - is standard input.' }),
    'if-epoch': ifEpochFlag,
    sequencer: sequencerFlag,
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(MultiOp);
    const { parseMultiOp, runMultiOp } = await import('../src/operator/key-value.ts');
    const { showMultiOp, showWrite } = await import('../src/render/key-value-view.ts');
    const body = parseMultiOp((await this.readFileOrStdin(flags.file)).toString('utf8'), flags.file);
    this.mayHaveWritten();
    const result = await runMultiOp(flags, body, {
      ifEpoch: flags['if-epoch'],
      sequencer: flags.sequencer,
      dryRun: flags['dry-run'],
    });
    if ('dryRun' in result) process.exitCode = !result.succeeded ? 6 : result.wouldChange ? 10 : 0;
    else if (!result.succeeded) process.exitCode = 6;
    if (!this.jsonEnabled()) await ('dryRun' in result ? showWrite(result) : showMultiOp(result));
    return result;
  }
}
