import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class RecoverPlan extends CellCommand {
  static override summary = 'Price going on from the present state of a frozen cell.';

  static override description =
    prose`Asks every member what it holds, and says what would be lost, in revisions, by going on from there: what clients and members
have seen that the cell no longer has proves at least so much. Nothing is changed. The plan is a file that recover apply carries out; until then
every data directory is to be kept as it is. Before anything else look for newer copies of the directories: with those back in place nothing is lost.

Where members hold different histories one has to be chosen with --branch; the others' are given up.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --keep-present',
    '<%= config.bin %> <%= command.id %> --keep-present --branch n2 --out plan.json --json',
  ];

  static override flags = {
    'keep-present': Flags.boolean({ description: 'Go on from what the members hold now.', required: true }),
    branch: Flags.string({ description: 'The member whose history is kept, where they differ.' }),
    out: Flags.string({ description: 'The file for the plan.', default: 'recover-plan.json' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(RecoverPlan);
    const { planKeepPresent, writePlan } = await import('../../src/operator/recovery/plan.ts');
    const { showPlan } = await import('../../src/render/recover-view.ts');
    const plan = await planKeepPresent(flags, { branch: flags.branch ?? null });
    await writePlan(flags.out, plan);
    if (!this.jsonEnabled()) await showPlan(plan, flags.out);
    return { file: flags.out, plan };
  }
}
