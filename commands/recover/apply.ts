import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { listFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class RecoverApply extends CellCommand {
  static override summary = 'Carry out a recover plan: a new generation of the cell.';

  static override description =
    prose`Fences the members that answer, prices once more what would be lost now that it cannot grow, and begins a new generation of the cell
when all of them hold its first state. It may be interrupted or killed anywhere and run again with the same plan: it goes on at the step that it finds.
The old files of every member are kept in former/ in its data directory.

Clients that have seen what was given up are told so (exit 5) until they are run with --accept-generation.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> recover-plan.json --confirm default --accept-loss 12',
    '<%= config.bin %> <%= command.id %> recover-plan.json --confirm default --accept-loss 12 --accept-unknown-loss n3',
  ];

  static override args = {
    plan: Args.string({ ignoreStdin: true, required: true, description: 'The file that recover plan has written.' }),
  };

  static override flags = {
    confirm: Flags.string({ description: 'The name of the cell, typed out.', required: true }),
    'accept-loss': Flags.integer({
      description: 'Revisions that may be lost: the number that the plan printed.',
      min: 0,
    }),
    'accept-unknown-loss': listFlag({ description: 'Members that cannot be asked, separated by commas.' }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RecoverApply);
    const { readPlan } = await import('../../src/operator/recovery/plan.ts');
    const { applyPlan } = await import('../../src/operator/recovery/apply.ts');
    const { startProgress } = await import('../../src/render/progress.ts');
    const { showApplied } = await import('../../src/render/recover-view.ts');
    const plan = await readPlan(args.plan);
    this.mayHaveWritten(
      'The new generation may be under way: run it again with the same plan, it goes on where it was.',
    );
    const progress = startProgress('Recovering');
    try {
      const result = await applyPlan(plan, {
        confirm: flags.confirm,
        acceptLoss: flags['accept-loss'] ?? null,
        acceptUnknownLoss: flags['accept-unknown-loss'] ?? [],
        planFile: args.plan,
        dryRun: flags['dry-run'],
        timeoutMs: flags.timeout,
        onStep: (what) => progress.update(what),
      });
      progress.succeed(`generation ${result.generation}`);
      if (result.dryRun) process.exitCode = 10;
      if (!this.jsonEnabled()) await showApplied(result);
      return result;
    } catch (error) {
      progress.stop();
      throw error;
    }
  }
}
