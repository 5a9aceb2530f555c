import * as Args from '@oclif/core/args';
import { CellCommand } from '../src/render/base-command.ts';
import { prose } from '../src/render/prose.ts';

export default class Wait extends CellCommand {
  static override summary = 'Wait until the cell is as asked for.';

  static override description = prose`Conditions:
  master           somebody is master
  healthy          every voter is up and caught up, so that the cell survives all the failures that it should
  caught-up=N      member N answers and is caught up
  version=V        every member runs version V
  checksums-agree  every replica digested all that it stores at one instance, and all agree

It ends when the condition holds (exit code 0), when it can no longer come to hold (4: databases differ; 5: no such
member, or it was removed) and when --timeout is up (3: the cell does not serve; 9: not as asked for; 8: could not be compared).`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> master --timeout 30s',
    '<%= config.bin %> <%= command.id %> caught-up=n2 --timeout 2m',
    '<%= config.bin %> <%= command.id %> checksums-agree --json',
  ];

  static override args = {
    condition: Args.string({
      ignoreStdin: true,
      required: true,
      description: 'One of master, healthy, caught-up=N, version=V, checksums-agree.',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Wait);
    const { parseCondition, waitFor } = await import('../src/operator/wait.ts');
    const { startProgress } = await import('../src/render/progress.ts');
    const condition = parseCondition(args.condition);
    const progress = startProgress(`Waiting for ${args.condition}`);
    try {
      const result = await waitFor(condition, {
        endpoints: flags.endpoints,
        timeoutMs: flags.timeout,
        onWaiting: (why) => progress.update(`Waiting for ${args.condition}: ${why}`),
      });
      progress.succeed(`${args.condition} after ${result.waitedMs} ms`);
      return result;
    } catch (error) {
      progress.stop();
      throw error;
    }
  }
}
