import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { durationFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class VerifyChecksums extends CellCommand {
  static override summary = 'Tell whether all replicas hold the same database at the same instance.';

  static override description =
    prose`The master logs an instance; every replica digests all that it stores there, in the background, and every configured member is
asked what it found. Where they differ, the keys are shown. The database is not changed by it.

With --deep every member also reads all its files again. What is damaged is made whole from what the replica has in memory, and listed
as repaired; what stays damaged is named.

Exit code 0: every configured member agrees. 4: they differ, or a file stays damaged. 8: a configured member could not be checked; that is never counted as equal.

With --every it repeats until interrupted, as one JSON document a line with --json.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --endpoints http://127.0.0.1:7401',
    '<%= config.bin %> <%= command.id %> --deep --timeout 2m --json',
    '<%= config.bin %> <%= command.id %> --every 1h --values',
  ];

  static override flags = {
    deep: Flags.boolean({
      default: false,
      description: 'Also read again every file that the manifest names, on every member, and repair what is bad.',
    }),
    values: Flags.boolean({ default: false, description: 'Show the values of keys that differ.' }),
    every: durationFlag({ description: 'Check again after this time, until Ctrl-C.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(VerifyChecksums);
    const { exitCodeOfVerdict, verifyChecksums } = await import('../../src/operator/verify-checksums.ts');
    const { checksumsProgress, showChecksums, showChecksumsEvery } = await import('../../src/render/checksums-view.ts');
    const look = async () => {
      const progress = checksumsProgress();
      try {
        return await verifyChecksums(flags, { deep: flags.deep, values: flags.values, onProgress: progress.update });
      } finally {
        progress.stop();
      }
    };
    if (flags.every !== undefined) return showChecksumsEvery(look, { everyMs: flags.every, json: this.jsonEnabled() });
    const checked = await look();
    process.exitCode = exitCodeOfVerdict(checked.verdict);
    if (!this.jsonEnabled()) await showChecksums(checked);
    return checked;
  }
}
