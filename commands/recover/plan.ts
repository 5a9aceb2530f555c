import * as Flags from '@oclif/core/flags';
import { UsageError } from '../../src/errors/index.ts';
import { CellCommand } from '../../src/render/base-command.ts';
import { listFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class RecoverPlan extends CellCommand {
  static override summary = 'Price going on from what a frozen cell, or the rest of a lost majority, holds.';

  static override description =
    prose`Asks every member what it holds, and says what would be lost, in revisions, by going on from there: what clients and members
have seen that the cell no longer has proves at least so much. Nothing is changed. The plan is a file that recover apply carries out; until then
every data directory is to be kept as it is. Before anything else look for newer copies of the directories: with those back in place nothing is lost.

--lost names the members whose disks are gone for good. It is refused while the others could be a majority again: then they are to be started,
and nothing is lost at all. --collected takes in what recover collect has found.

Where members hold different histories one has to be chosen with --branch; the others' are given up.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --keep-present',
    '<%= config.bin %> <%= command.id %> --keep-present --branch n2 --out plan.json --json',
    '<%= config.bin %> <%= command.id %> --lost n2,n3 --collected recover-collected',
  ];

  static override flags = {
    'keep-present': Flags.boolean({ description: 'Go on from what the members of a frozen cell hold now.' }),
    lost: listFlag({ description: 'Members that are lost for good, separated by commas.', helpValue: 'N[,N]' }),
    'cannot-start': listFlag({
      description: 'Of those, the ones whose directory was collected and on which no replica can be started.',
      helpValue: 'N[,N]',
    }),
    collected: Flags.string({ description: 'A folder of recover collect.' }),
    branch: Flags.string({ description: 'The member whose history is kept, where they differ.' }),
    out: Flags.string({ description: 'The file for the plan.', default: 'recover-plan.json' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(RecoverPlan);
    if ((flags['keep-present'] === true) === (flags.lost !== undefined)) {
      throw new UsageError('Say which: --keep-present for a frozen cell, or --lost with the members that are gone.', {
        suggestions: ['paxosctl status', 'paxosctl recover plan --help'],
      });
    }
    const { makePlan, writePlan } = await import('../../src/operator/recovery/plan.ts');
    const { showPlan } = await import('../../src/render/recover-view.ts');
    const plan = await makePlan(flags, {
      branch: flags.branch ?? null,
      lost: flags.lost ?? null,
      cannotStart: flags['cannot-start'] ?? [],
      collected: flags.collected ?? null,
    });
    await writePlan(flags.out, plan);
    if (!this.jsonEnabled()) await showPlan(plan, flags.out);
    return { file: flags.out, plan };
  }
}
