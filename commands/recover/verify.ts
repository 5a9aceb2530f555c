import * as Args from '@oclif/core/args';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class RecoverVerify extends CellCommand {
  static override summary = 'Check that a recover plan was carried out.';

  static override description =
    prose`Asks every member of the plan: the generation of the plan has to be active on all that belong to it, nobody may serve the one before, and
a full check of all databases has to agree at one instance.

Exit code 0: all of that is true. 4: something differs. 8: the plan is not carried out yet, or a member does not answer.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> recover-plan.json',
    '<%= config.bin %> <%= command.id %> recover-plan.json --json',
  ];

  static override args = {
    plan: Args.string({ ignoreStdin: true, required: true, description: 'The file that recover plan has written.' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RecoverVerify);
    const { readPlan } = await import('../../src/operator/recovery/plan.ts');
    const { exitCodeOfRecovery, verifyPlan } = await import('../../src/operator/recovery/verify.ts');
    const { showVerified } = await import('../../src/render/recover-view.ts');
    const verified = await verifyPlan(await readPlan(args.plan), flags);
    process.exitCode = exitCodeOfRecovery(verified.verdict);
    if (!this.jsonEnabled()) await showVerified(verified, args.plan);
    return verified;
  }
}
