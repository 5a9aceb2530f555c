import { prose } from '../../src/render/prose.ts';
import { SessionCommand, sessionArgs, sessionFlags } from '../../src/render/session-command.ts';

export default class SessionKeep extends SessionCommand {
  static override summary = 'Keep a session alive.';

  static override description = prose`It ends as long from now as it lives.

Exit code 7 (PAXOS_SESSION_EXPIRED): the cell does not know it, or no more.`;

  static override examples = ['<%= config.bin %> <%= command.id %> s4711-0'];

  static override args = sessionArgs;

  static override flags = sessionFlags;

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(SessionKeep);
    const { foreseeSession, keepSession } = await import('../../src/operator/locks.ts');
    return this.carryOut({
      dryRun: flags['dry-run'],
      foresee: () => foreseeSession(flags, args.session),
      act: () => keepSession(flags, args.session),
      text: ({ session }) => `${session}: kept`,
    });
  }
}
