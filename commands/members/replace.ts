import * as Args from '@oclif/core/args';
import { MembersCommand, memberFlags, urlFlag } from '../../src/render/members-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class MembersReplace extends MembersCommand {
  static override summary = 'Replace a member by another one.';

  static override description =
    prose`OLD alive: NEW is added, gets its vote once it has caught up, and OLD is removed. OLD dead: it goes in the step that admits NEW. At no
point are there fewer votes than there may be; run again after whatever interrupted it, the command goes on where it stood.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> n2 n6 --url http://10.0.0.6:7401',
    '<%= config.bin %> <%= command.id %> n2 n6 --url http://10.0.0.6:7401 --dry-run',
  ];

  static override args = {
    old: Args.string({ ignoreStdin: true, required: true, description: 'The member that goes.' }),
    new: Args.string({ ignoreStdin: true, required: true, description: 'The member that comes.' }),
  };

  static override flags = {
    url: urlFlag,
    ...memberFlags,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(MembersReplace);
    const { withMembers } = await import('../../src/operator/members/port.ts');
    const { replaceMember } = await import('../../src/operator/members/workflows.ts');
    return this.change(`Replacing ${args.old}`, flags, (change, onProgress) =>
      withMembers(flags, (port) =>
        replaceMember(
          { port, timeoutMs: flags.timeout, onProgress },
          { old: args.old, name: args.new, url: flags.url, ...change },
        ),
      ),
    );
  }
}
