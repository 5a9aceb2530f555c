import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class KvExport extends CellCommand {
  static override summary = 'Write all entries to a file.';

  static override description =
    prose`One entry a line, in the order of the keys: {"key":…,"value":…}, or {"key":…,"valueBase64":…} for bytes that are not UTF-8.

The file is one point in time, though writes go on meanwhile: all of the revision that is named at the end, and nothing later. When the master
that kept that point in time is lost, the export starts again from a new one. The file appears under its name when it is whole.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> entries.ndjson',
    '<%= config.bin %> <%= command.id %> entries.ndjson --prefix config/ --overwrite --json',
    '<%= config.bin %> <%= command.id %> - | gzip > entries.ndjson.gz',
  ];

  static override args = {
    file: Args.string({ ignoreStdin: true, required: true, description: 'The file; - is standard output.' }),
  };

  static override flags = {
    prefix: Flags.string({ description: 'Only keys that begin with this.', default: '' }),
    overwrite: Flags.boolean({ description: 'Replace the file if it exists.' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(KvExport);
    const { UsageError } = await import('../../src/errors/index.ts');
    if (args.file === '-' && this.jsonEnabled()) {
      throw new UsageError('With --json stdout holds the result: give a file for the entries.');
    }
    const { exportFromCell } = await import('../../src/operator/transfers.ts');
    const { refuseExisting } = await import('../../src/operator/export.ts');
    const { transferProgress, exportedText } = await import('../../src/render/transfer-view.ts');
    const { writeResult } = await import('../../src/render/output.ts');
    if (args.file !== '-' && !flags.overwrite) await refuseExisting(args.file);
    const progress = transferProgress('Exporting');
    try {
      const { prefix, overwrite } = flags;
      const onProgress = progress.update;
      const result = await exportFromCell(flags, { ...args, prefix, overwrite, onProgress, write: writeResult });
      progress.succeed(exportedText(result));
      return result;
    } finally {
      progress.stop();
    }
  }
}
