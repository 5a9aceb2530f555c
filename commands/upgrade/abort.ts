import { dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';
import { UpgradeCommand } from '../../src/render/upgrade-command.ts';
import { upgradeFlags } from '../../src/render/upgrade-flags.ts';

export default class UpgradeAbort extends UpgradeCommand {
  static override summary = 'End the upgrade that is open and leave nothing of it.';

  static override description =
    prose`Puts every member back on the version from before, then deletes what the attempt has on them. It is over only when every member has scanned itself and signed that nothing is left;
a member that does not answer keeps it open, and blocks the next upgrade.

Exit codes: 0 nothing is left; 5 refused; 8 a member could not be judged or did not sign.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --yes',
    '<%= config.bin %> <%= command.id %> --dry-run',
  ];

  static override flags = {
    ...upgradeFlags,
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradeAbort);
    const { upgradeFlagsOf } = await import('../../src/render/upgrade-flags.ts');
    const { surroundings } = await import('../../src/render/upgrade-surroundings.ts');
    const { withUpgrade } = await import('../../src/operator/upgrade/operate.ts');
    const { dryRun, goBack } = await import('../../src/operator/upgrade/workflows.ts');
    const { around, view } = await surroundings(this.config.root, this.jsonEnabled(), async (file) => {
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
      return inspectSnapshotFile(file, await createOfflineWorld());
    });
    if (flags['dry-run']) {
      await this.tellDryRun(view, () =>
        withUpgrade(upgradeFlagsOf(flags), around, (world, request) => dryRun(world, request, 'abort')),
      );
      return undefined;
    }
    if (!(await this.confirm('Put every member back and end the upgrade?', flags.yes))) return undefined;
    await this.drive(view, () =>
      withUpgrade(upgradeFlagsOf(flags), around, (world, request) => goBack(world, request, 'abort')),
    );
    return undefined;
  }
}
