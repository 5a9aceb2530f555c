import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { MembersCommand, memberFlags, urlFlag } from '../../src/render/members-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class MembersAdd extends MembersCommand {
  static override summary = 'Add a member; it gets its vote once it has caught up.';

  static override description =
    prose`Before anything is proposed the replica is asked who it is and what lies on its disk, and every voter whether it reaches it. It joins
without a vote, catches up, and is promoted by itself when its checksum agrees with the master's. Start it with "node start --join"; the
order of the two commands does not matter.

When it makes no progress for --timeout it is removed again. Run again after whatever interrupted it, the command goes on where it stood.
Exit code 5 when the cell refuses: nothing was changed then, and the message names the next command.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> n4 --url http://10.0.0.4:7401',
    '<%= config.bin %> <%= command.id %> n4 --url http://10.0.0.4:7401 --no-promote',
    '<%= config.bin %> <%= command.id %> n4 --url http://10.0.0.4:7401 --dry-run --json',
  ];

  static override args = {
    name: Args.string({
      ignoreStdin: true,
      required: true,
      description: 'Name of the new member, as it was started with.',
    }),
  };

  static override flags = {
    url: urlFlag,
    promote: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'Give it a vote; otherwise it stays a warm spare.',
    }),
    ...memberFlags,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(MembersAdd);
    const { withMembers } = await import('../../src/operator/members/port.ts');
    const { addMember } = await import('../../src/operator/members/workflows.ts');
    return this.change(`Adding ${args.name}`, flags, (change, onProgress) =>
      withMembers(flags, (port) =>
        addMember(
          { port, timeoutMs: flags.timeout, onProgress },
          { ...args, url: flags.url, promote: flags.promote, ...change },
        ),
      ),
    );
  }
}
