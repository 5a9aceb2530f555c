import * as Flags from '@oclif/core/flags';
import { dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';
import { UpgradeCommand } from '../../src/render/upgrade-command.ts';
import { upgradeFlags } from '../../src/render/upgrade-flags.ts';

export default class UpgradeRollback extends UpgradeCommand {
  static override summary = 'Put the members back on the version from before.';

  static override description =
    prose`Free until "upgrade finalize" has raised the level, and refused after it: where finalizing did not come so far, it is called off. The attempt stays open: "upgrade resume" goes forward again, "upgrade abort" ends it.

With --member only that one is put back, without asking the cell: it works without a quorum, and while another driver is at work. Which version
that is stands in the journal; without a master that of the furthest member that answers is taken, and shown. Refused (5) once finalizing began: only the cell
can call that off, which "upgrade rollback" without --member does.

Exit codes: 0 done; 5 refused; 8 a member could not be judged.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --yes',
    '<%= config.bin %> <%= command.id %> --member n2 --yes',
  ];

  static override flags = {
    ...upgradeFlags,
    member: Flags.string({ description: 'Only this member, without the cell.' }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradeRollback);
    const { upgradeFlagsOf } = await import('../../src/render/upgrade-flags.ts');
    const { surroundings } = await import('../../src/render/upgrade-surroundings.ts');
    const { readJournal, withUpgrade } = await import('../../src/operator/upgrade/operate.ts');
    const { dryRun, goBack, putBackAlone } = await import('../../src/operator/upgrade/workflows.ts');
    const { around, view } = await surroundings(this.config.root, this.jsonEnabled(), async (file) => {
      const { inspectSnapshotFile } = await import('../../src/runtime/snapshot-file.ts');
      const { createOfflineWorld } = await import('../../src/adapters/offline-world.ts');
      return inspectSnapshotFile(file, await createOfflineWorld());
    });
    if (flags['dry-run'] && flags.member === undefined) {
      await this.tellDryRun(view, () =>
        withUpgrade(upgradeFlagsOf(flags), around, (world, request) => dryRun(world, request, 'rollback')),
      );
      return undefined;
    }
    const dry = flags['dry-run'];
    const question = flags.member === undefined ? 'Put every member back?' : `Put ${flags.member} back?`;
    if (!dry && !(await this.confirm(question, flags.yes))) return undefined;
    if (!dry) this.mayHaveWritten('The journal says how far it came: paxosctl upgrade status.');
    const { member } = flags;
    if (member !== undefined) {
      const { journal, stale } = await readJournal(flags);
      const { RefusedError } = await import('../../src/errors/index.ts');
      const known = journal.current?.attempt;
      if (known === undefined) throw new RefusedError('No upgrade is open, so there is nothing to put back.');
      if (stale) {
        const what = `Nobody is master. By the furthest journal that answers, upgrade ${known.attempt} from version ${known.from} to ${known.to} is ${known.state} since ${known.changedAt}.`;
        process.stderr.write(`${what}\n`);
        if (!dry && !(await this.confirm(`Put ${member} back to version ${known.from}?`, flags.yes))) return undefined;
      }
      const attempt = {
        ...known,
        ...(flags.exec === undefined ? {} : { exec: flags.exec, how: 'exec' as const }),
        ...(flags.manual ? { how: 'manual' as const } : {}),
      };
      const { wouldChange, ...put } = await withUpgrade(upgradeFlagsOf(flags), around, (world) =>
        putBackAlone(world, {
          attempt,
          level: journal.level,
          name: member,
          timeoutMs: flags.timeout,
          events: around.events,
          dryRun: dry,
        }),
      ).finally(() => view.stop());
      if (dry && wouldChange) process.exitCode = 10;
      const { writeResult } = await import('../../src/render/output.ts');
      await writeResult(
        this.jsonEnabled()
          ? `${JSON.stringify(dry ? { dryRun: true, wouldChange, ...put } : put)}\n`
          : wouldChange
            ? `${put.member} would be restarted with version ${put.version}\n`
            : `${put.member} runs version ${put.version} as boot ${put.boot}\n`,
      );
      return undefined;
    }
    await this.drive(view, () =>
      withUpgrade(upgradeFlagsOf(flags), around, (world, request) => goBack(world, request, 'rollback')),
    );
    return undefined;
  }
}
