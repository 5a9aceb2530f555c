import * as Flags from '@oclif/core/flags';
import { dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';
import { UpgradeCommand } from '../../src/render/upgrade-command.ts';
import { upgradeFlags } from '../../src/render/upgrade-flags.ts';

export default class UpgradeRun extends UpgradeCommand {
  static override summary = 'Replace the members of a cell by another version, one at a time.';

  static override description =
    prose`Every step is judged by what the member itself reports, never by how COMMAND ends. A follower is the canary, the master comes last and after a hand-over. On any
doubt that member is put back, the run stops with the cell serving, and says what was seen and what to type next. The journal is in the cell: any
operator on any machine can go on with it.

Before it: every member is checked, a verified backup is taken, the position of the cell is marked. After it nothing is final: see "upgrade finalize".

Exit codes: 0 every member runs the target and only finalize is open; 5 refused, or stopped and put back; 8 a member could not be judged.`;

  static override examples = [
    "<%= config.bin %> <%= command.id %> --to 0.2.0 --exec 'ssh {name} sudo /opt/paxosctl/restart {version}'",
    "<%= config.bin %> <%= command.id %> --to 0.2.0 --exec ./restart.sh --rehearse 'ssh {name} /opt/{version}/bin/run.js node rehearse --json --data-dir /data'",
    '<%= config.bin %> <%= command.id %> --to 0.2.0 --manual',
  ];

  static override flags = {
    ...upgradeFlags,
    to: Flags.string({ required: true, description: 'The version that every member is to run.' }),
    rehearse: Flags.string({
      description: 'Runs the target\'s "node rehearse --json" beside a member, before any restart.',
      helpValue: 'COMMAND',
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradeRun);
    const { showPlan } = await import('../../src/render/upgrade-view.ts');
    const { upgradeFlagsOf } = await import('../../src/render/upgrade-flags.ts');
    const { surroundings } = await import('../../src/render/upgrade-surroundings.ts');
    const { planUpgrade, runUpgrade } = await import('../../src/operator/upgrade/operate.ts');
    const { around, view } = await surroundings(this.config.root, this.jsonEnabled(), async (file) => {
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
      return inspectSnapshotFile(file, await createOfflineWorld());
    });
    if (flags['dry-run']) {
      const { refuseFindings } = await import('../../src/operator/upgrade/workflows.ts');
      const asked = { ...upgradeFlagsOf(flags), to: flags.to, rehearse: flags.rehearse };
      const planned = await planUpgrade(asked, around, { run: true }).finally(() => view.stop());
      refuseFindings(planned.findings);
      process.exitCode = 10;
      if (this.jsonEnabled())
        process.stdout.write(`${JSON.stringify({ kind: 'plan', dryRun: true, wouldChange: true, ...planned })}\n`);
      else await showPlan(planned);
      return undefined;
    }
    if (!(await this.confirm(`Upgrade this cell to version ${flags.to}?`, flags.yes))) return undefined;
    await this.drive(view, () =>
      runUpgrade({ ...upgradeFlagsOf(flags), to: flags.to, rehearse: flags.rehearse }, around),
    );
    return undefined;
  }
}
