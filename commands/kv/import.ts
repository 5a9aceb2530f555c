import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { endpointsFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class KvImport extends CellCommand {
  static override summary = 'Write all entries of a file, or of a live etcd.';

  static override description =
    prose`The file has one entry a line: {"key":…,"value":…}, or {"key":…,"valueBase64":…} for bytes that are not UTF-8. Entries are
written in the order of the file, in batches, each exactly once: a master that dies half-way delays the import and nothing else.

With --from-etcd all keys of etcd (3.4 or later, by its HTTP gateway) are copied as they are at one revision, and compared key by key afterwards: exit
code 4 when the cell holds something else. Keys that cannot be keys here are found before anything is written (exit code 5). Leases are
not copied: what would go away by itself in etcd stays. PAXOSCTL_ETCD_USER is NAME:PASSWORD where etcd asks for one.

An import that was itself interrupted goes on with --resume where it stood. Entries that are not in the file, or in etcd, stay as they are.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> entries.ndjson',
    '<%= config.bin %> <%= command.id %> entries.ndjson --resume --timeout 2m',
    'generate-entries | <%= config.bin %> <%= command.id %> - --json',
    '<%= config.bin %> <%= command.id %> --from-etcd http://10.0.0.1:2379,http://10.0.0.2:2379 --prefix /app/',
  ];

  static override args = {
    file: Args.string({ ignoreStdin: true, description: 'The file; - is standard input.' }),
  };

  static override flags = {
    'from-etcd': endpointsFlag({ description: 'Endpoints of one etcd, separated by commas, instead of a file.' }),
    prefix: Flags.string({ description: 'Only keys that begin with this.', dependsOn: ['from-etcd'] }),
    resume: Flags.boolean({
      description: 'Go on with the import that was interrupted.',
      exclusive: ['dry-run'],
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(KvImport);
    const { UsageError } = await import('../../src/errors/index.ts');
    const etcd = flags['from-etcd'];
    if (etcd !== undefined && args.file !== undefined) throw new UsageError('Give a file or --from-etcd, not both.');
    if (etcd !== undefined) return this.#fromEtcd(etcd, flags);
    if (args.file === undefined) throw new UsageError('Give a file (- is standard input), or --from-etcd.');
    return this.#fromFile(args.file, flags);
  }

  async #fromFile(file: string, flags: ImportFlags): Promise<unknown> {
    const { dryRunIntoCell, importIntoCell } = await import('../../src/operator/transfers.ts');
    const { dryRunText, transferProgress, importedText } = await import('../../src/render/transfer-view.ts');
    const dryRun = flags['dry-run'];
    if (!dryRun) this.mayHaveWritten('What was sent so far stays; the same command with --resume goes on.');
    const progress = transferProgress(dryRun ? 'Checking' : 'Importing');
    try {
      if (dryRun) {
        const found = await dryRunIntoCell(flags, { file, onProgress: progress.update });
        if (found.wouldChange) process.exitCode = 10;
        progress.succeed(dryRunText(found));
        return found;
      }
      const result = await importIntoCell(flags, { file, resume: flags.resume, onProgress: progress.update });
      progress.succeed(importedText(result));
      return result;
    } finally {
      progress.stop();
    }
  }

  async #fromEtcd(urls: readonly string[], flags: ImportFlags): Promise<unknown> {
    const { dryRunEtcdIntoCell, importEtcdIntoCell } = await import('../../src/operator/transfers.ts');
    const { etcdDryRunText, etcdImportedText, etcdProgress } = await import('../../src/render/etcd-view.ts');
    const progress = etcdProgress();
    const user = process.env.PAXOSCTL_ETCD_USER ?? null;
    const request = { urls, prefix: flags.prefix ?? '', user, onProgress: progress.update };
    try {
      if (flags['dry-run']) {
        const found = await dryRunEtcdIntoCell(flags, request);
        if (found.wouldChange) process.exitCode = 10;
        progress.succeed(etcdDryRunText(found));
        return found;
      }
      this.mayHaveWritten('What was copied so far stays; the same command with --resume goes on.');
      const result = await importEtcdIntoCell(flags, { ...request, resume: flags.resume });
      progress.succeed(etcdImportedText(result));
      return result;
    } finally {
      progress.stop();
    }
  }
}

interface ImportFlags {
  readonly endpoints: readonly string[];
  readonly timeout: number;
  readonly 'accept-generation': number | undefined;
  readonly prefix: string | undefined;
  readonly resume: boolean;
  readonly 'dry-run': boolean;
}
