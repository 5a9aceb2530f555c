import { prose } from '../../src/render/prose.ts';
import { SessionCommand, sessionArgs, sessionFlags } from '../../src/render/session-command.ts';

export default class SessionClose extends SessionCommand {
  static override summary = 'End a session, and release its locks.';

  static override description =
    prose`Its locks are free at once, without lock-delay. What was written in it can no longer be sent again safely.

Exit code 7 (PAXOS_SESSION_EXPIRED): the cell does not know it, or no more.`;

  static override examples = ['<%= config.bin %> <%= command.id %> s4711-0'];

  static override args = sessionArgs;

  static override flags = sessionFlags;

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(SessionClose);
    const { foreseeSession, closeSession } = await import('../../src/operator/locks.ts');
    return this.carryOut({
      dryRun: flags['dry-run'],
      foresee: () => foreseeSession(flags, args.session),
      act: () => closeSession(flags, args.session),
      text: ({ session }) => `${session}: closed`,
    });
  }
}
