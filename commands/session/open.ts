import { durationFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';
import { SessionCommand, sessionFlags } from '../../src/render/session-command.ts';

export default class SessionOpen extends SessionCommand {
  static override summary = 'Open a session, and print its id.';

  static override description =
    prose`For scripts that hold several locks. It ends --ttl after it was heard of last: "session keep" keeps it, and so does all that is done in it.`;

  static override examples = ['<%= config.bin %> <%= command.id %> --ttl 5m'];

  static override flags = {
    ttl: durationFlag({
      description: 'How long it lives unheard of: 1s to 24h.',
      default: 60_000,
      defaultHelp: async () => '1m',
    }),
    ...sessionFlags,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(SessionOpen);
    const { foreseeSession, openSession } = await import('../../src/operator/locks.ts');
    return this.carryOut({
      dryRun: flags['dry-run'],
      foresee: () => foreseeSession(flags, null),
      act: () => openSession(flags, flags.ttl),
      text: ({ session }) => session,
      interrupted: 'A session that was opened ends by itself.',
    });
  }
}
