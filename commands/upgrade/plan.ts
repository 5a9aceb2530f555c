import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';
import { upgradeFlags, upgradeFlagsOf } from '../../src/render/upgrade-flags.ts';

export default class UpgradePlan extends CellCommand {
  static override summary = 'What an upgrade would do, and what is in its way.';

  static override description =
    prose`Checks every member as "upgrade run" does, and --exec or --manual where one is given, and changes nothing. Exit codes: 0 nothing is in the way; 5 something is; 8 a member could not be checked.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --to 0.2.0',
    '<%= config.bin %> <%= command.id %> --to 0.2.0 --exec ./restart.sh --json',
  ];

  static override flags = {
    to: Flags.string({ required: true, description: 'The version that every member is to run.' }),
    rehearse: Flags.string({
      description:
        'Runs the target\'s "node rehearse --json" beside each member: which levels it speaks, and whether it refuses the data.',
      helpValue: 'COMMAND',
    }),
    exec: upgradeFlags.exec,
    manual: upgradeFlags.manual,
    'min-tolerance': Flags.integer({ description: 'Failures that the others must still stand.', min: 0 }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradePlan);
    const { surroundings } = await import('../../src/render/upgrade-surroundings.ts');
    const { planUpgrade } = await import('../../src/operator/upgrade/operate.ts');
    const { refuseFindings } = await import('../../src/operator/upgrade/workflows.ts');
    const { showPlan } = await import('../../src/render/upgrade-view.ts');
    const { around } = await surroundings(this.config.root, this.jsonEnabled(), async (file) => {
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
      return inspectSnapshotFile(file, await createOfflineWorld());
    });
    const asked = { ...upgradeFlagsOf(flags), to: flags.to, rehearse: flags.rehearse };
    const planned = await planUpgrade(asked, around, { run: false });
    if (!this.jsonEnabled()) await showPlan(planned);
    refuseFindings(planned.findings);
    return planned;
  }
}
