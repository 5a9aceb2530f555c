import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';
import { upgradeFlags } from '../../src/render/upgrade-flags.ts';

export default class UpgradeResume extends CellCommand {
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
    const { documentOf, showUpgrade } = await import('../../src/render/upgrade-view.ts');
    const { upgradeFlagsOf } = await import('../../src/render/upgrade-flags.ts');
    const { surroundings } = await import('../../src/render/upgrade-surroundings.ts');
    const { refuseUnfinished, withUpgrade } = await import('../../src/operator/upgrade/operate.ts');
    const { resume } = await import('../../src/operator/upgrade/workflows.ts');
    const { around, view } = await surroundings(this.config.root, this.jsonEnabled(), async (file) => {
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
      return inspectSnapshotFile(file, await createOfflineWorld());
    });
    if (flags['dry-run']) {
      const { readJournal } = await import('../../src/operator/upgrade/operate.ts');
      const { journal } = await readJournal(flags);
      const attempt = journal.current?.attempt ?? null;
      process.exitCode = attempt === null ? 0 : 10;
      const document = { dryRun: true, wouldChange: attempt !== null, ...documentOf(attempt, journal.level, null) };
      if (this.jsonEnabled()) process.stdout.write(`${JSON.stringify(document)}\n`);
      else await showUpgrade(document);
      return undefined;
    }
    if (!(await this.confirm('Go on with the upgrade that is open?', flags.yes))) return undefined;
    this.mayHaveWritten('The journal says how far it came: paxosctl upgrade status.');
    try {
      const driven = await withUpgrade(upgradeFlagsOf(flags), around, resume);
      refuseUnfinished(driven);
      const document = documentOf(driven.attempt, null, null);
      if (!this.jsonEnabled()) await showUpgrade(document);
      else process.stdout.write(`${JSON.stringify({ kind: 'upgrade', ...document })}\n`);
    } finally {
      view.stop();
    }
    return undefined;
  }
}
