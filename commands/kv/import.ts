import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class KvImport extends CellCommand {
  static override summary = 'Write all entries of a file.';

  static override description =
    prose`The file has one entry a line: {"key":…,"value":…}, or {"key":…,"valueBase64":…} for bytes that are not UTF-8. Entries are
written in the order of the file, in batches, each exactly once: a master that dies half-way delays the import and nothing else.

An import that was itself interrupted goes on with --resume where it stood. Entries that are not in the file stay as they are.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> entries.ndjson',
    '<%= config.bin %> <%= command.id %> entries.ndjson --resume --timeout 2m',
    'generate-entries | <%= config.bin %> <%= command.id %> - --json',
  ];

  static override args = {
    file: Args.string({ ignoreStdin: true, required: true, description: 'The file; - is standard input.' }),
  };

  static override flags = {
    resume: Flags.boolean({
      description: 'Go on with the import of this file that was interrupted.',
      exclusive: ['dry-run'],
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(KvImport);
    const { dryRunIntoCell, importIntoCell } = await import('../../src/operator/transfers.ts');
    const { dryRunText, transferProgress, importedText } = await import('../../src/render/transfer-view.ts');
    if (flags['dry-run']) {
      const checking = transferProgress('Checking');
      try {
        const result = await dryRunIntoCell(flags, { file: args.file, onProgress: checking.update });
        if (result.wouldChange) process.exitCode = 10;
        checking.succeed(dryRunText(result));
        return result;
      } finally {
        checking.stop();
      }
    }
    this.mayHaveWritten('What was sent so far stays; the same command with --resume goes on.');
    const progress = transferProgress('Importing');
    try {
      const result = await importIntoCell(flags, { ...args, resume: flags.resume, onProgress: progress.update });
      progress.succeed(importedText(result));
      return result;
    } finally {
      progress.stop();
    }
  }
}
