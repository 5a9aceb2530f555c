import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag, yesFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class UpgradeScan extends CellCommand {
  static override summary = 'What attempts of upgrades have left on the members.';

  static override description =
    prose`Residue of an attempt that is not open blocks the next upgrade. --clear deletes what one attempt has left, on every member. What the open one keeps there until it ends is listed, and is no residue. Exit codes: 0 nothing is left; 5 something is; 8 a member could not be asked, or no other one confirmed what it signed.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --clear u-mabc12-0f3a --yes',
  ];

  static override flags = {
    clear: Flags.string({ description: 'Delete what this attempt has left.', helpValue: 'ATTEMPT' }),
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradeScan);
    const { upgradeFlagsOf } = await import('../../src/render/upgrade-flags.ts');
    const { surroundings } = await import('../../src/render/upgrade-surroundings.ts');
    const { scanMembers } = await import('../../src/operator/upgrade/operate.ts');
    const { showScan } = await import('../../src/render/upgrade-view.ts');
    const { around } = await surroundings(this.config.root, this.jsonEnabled(), async (file) => {
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
      return inspectSnapshotFile(file, await createOfflineWorld());
    });
    const { clear } = flags;
    const dry = flags['dry-run'] && clear !== undefined;
    if (
      clear !== undefined &&
      !dry &&
      !(await this.confirm(`Delete what ${clear} has left on every member?`, flags.yes))
    )
      return undefined;
    const { open, problems, scans } = await scanMembers(upgradeFlagsOf(flags), around, clear, dry);
    const left = scans.some(({ folders }) => folders.some(({ attempt }) => attempt !== open));
    const wouldChange = dry && scans.some(({ folders }) => folders.some(({ attempt }) => attempt === clear));
    process.exitCode = problems.length > 0 ? 8 : wouldChange ? 10 : left && !dry ? 5 : 0;
    if (!this.jsonEnabled()) await showScan(scans, problems, open);
    return { ...(dry ? { dryRun: true, wouldChange } : {}), open, members: scans, problems };
  }
}
