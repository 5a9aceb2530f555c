import { dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';
import { UpgradeCommand } from '../../src/render/upgrade-command.ts';
import { upgradeFlags } from '../../src/render/upgrade-flags.ts';

export default class UpgradeResume extends UpgradeCommand {
  static override summary = 'Go on with the upgrade that is open.';

  static override description =
    prose`From any machine. It waits until the claim of the driver before has lapsed (10 s), looks at every member, and goes on from the step that it finds: forward, or back when a
rollback or an abort was under way.

Exit codes as "upgrade run".`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --yes',
    "<%= config.bin %> <%= command.id %> --exec 'ssh {name} sudo /opt/paxosctl/restart {version}'",
  ];

  static override flags = {
    ...upgradeFlags,
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradeResume);
    const { upgradeFlagsOf } = await import('../../src/render/upgrade-flags.ts');
    const { surroundings } = await import('../../src/render/upgrade-surroundings.ts');
    const { withUpgrade } = await import('../../src/operator/upgrade/operate.ts');
    const { dryRun, resume } = await import('../../src/operator/upgrade/workflows.ts');
    const { around, view } = await surroundings(this.config.root, this.jsonEnabled(), async (file) => {
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
      return inspectSnapshotFile(file, await createOfflineWorld());
    });
    if (flags['dry-run']) {
      await this.tellDryRun(view, () =>
        withUpgrade(upgradeFlagsOf(flags), around, (world, request) => dryRun(world, request, 'resume')),
      );
      return undefined;
    }
    if (!(await this.confirm('Go on with the upgrade that is open?', flags.yes))) return undefined;
    await this.drive(view, () => withUpgrade(upgradeFlagsOf(flags), around, resume));
    return undefined;
  }
}
