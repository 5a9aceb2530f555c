import { dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';
import { UpgradeCommand } from '../../src/render/upgrade-command.ts';
import { soakFlag, upgradeFlags } from '../../src/render/upgrade-flags.ts';

export default class UpgradeFinalize extends UpgradeCommand {
  static override summary = 'Raise the level of the cell to what the target speaks: from then on there is no way back.';

  static override description =
    prose`The price: until now "upgrade rollback" was free. Once the level is raised the version from before refuses to start on this data (exit 22), and going back costs every write since the
backup that the upgrade began with. A target without a new level raises nothing: the version from before still starts then, and another upgrade goes back to it. Which of the two it is, is
said before it is asked. Do it after a time in which everything that uses the cell has run.

It is refused before every member has run the target for --soak, and unless all databases agree. Exit codes: 0 finalized; 5 refused; 8 a member could not be judged.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --soak 24h --yes',
  ];

  static override flags = {
    ...upgradeFlags,
    soak: soakFlag,
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradeFinalize);
    const { upgradeFlagsOf } = await import('../../src/render/upgrade-flags.ts');
    const { surroundings } = await import('../../src/render/upgrade-surroundings.ts');
    const { priceOfFinalizing, withUpgrade } = await import('../../src/operator/upgrade/operate.ts');
    const { dryRun, finalize } = await import('../../src/operator/upgrade/workflows.ts');
    const { around, view } = await surroundings(this.config.root, this.jsonEnabled(), async (file) => {
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
      return inspectSnapshotFile(file, await createOfflineWorld());
    });
    if (flags['dry-run']) {
      await this.tellDryRun(view, () =>
        withUpgrade(upgradeFlagsOf(flags), around, (world, request) => dryRun(world, request, 'finalize')),
      );
      return undefined;
    }
    const price = await priceOfFinalizing(flags);
    // Said to everybody: who typed --yes into a script reads it in its log.
    if (this.jsonEnabled()) process.stdout.write(`${JSON.stringify({ kind: 'price', ...price })}\n`);
    else if (flags.yes) process.stderr.write(`${price.text}\n`);
    if (!(await this.confirm(`Finalize? ${price.text}`, flags.yes))) return undefined;
    await this.drive(view, () => withUpgrade(upgradeFlagsOf(flags), around, finalize));
    return undefined;
  }
}
