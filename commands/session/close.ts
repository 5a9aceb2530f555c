import * as Args from '@oclif/core/args';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class SessionClose extends CellCommand {
  static override summary = 'End a session, and release its locks.';

  static override description =
    prose`Its locks are free at once, without lock-delay. What was written in it can no longer be sent again safely.

Exit code 7 (PAXOS_SESSION_EXPIRED): the cell does not know it, or no more.`;

  static override examples = ['<%= config.bin %> <%= command.id %> s4711-0'];

  static override args = {
    session: Args.string({ ignoreStdin: true, required: true, description: 'Its id.' }),
  };

  static override flags = { 'dry-run': dryRunFlag };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(SessionClose);
    const { foreseeSession, closeSession } = await import('../../src/operator/locks.ts');
    const { showSessionDryRun } = await import('../../src/render/lock-view.ts');
    const { writeResult } = await import('../../src/render/output.ts');
    if (flags['dry-run']) {
      const foreseen = await foreseeSession(flags, args.session);
      process.exitCode = 10;
      if (!this.jsonEnabled()) await showSessionDryRun(foreseen);
      return foreseen;
    }
    this.mayHaveWritten();
    const result = await closeSession(flags, args.session);
    if (!this.jsonEnabled()) await writeResult(`${result.session}: closed\n`);
    return result;
  }
}
