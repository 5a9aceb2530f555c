import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { durationFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class SessionOpen extends CellCommand {
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
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(SessionOpen);
    const { foreseeSession, openSession } = await import('../../src/operator/locks.ts');
    const { showSessionDryRun } = await import('../../src/render/lock-view.ts');
    const { writeResult } = await import('../../src/render/output.ts');
    if (flags['dry-run']) {
      const foreseen = await foreseeSession(flags, null);
      process.exitCode = 10;
      if (!this.jsonEnabled()) await showSessionDryRun(foreseen);
      return foreseen;
    }
    this.mayHaveWritten('A session that was opened ends by itself.');
    const opened = await openSession(flags, flags.ttl);
    if (!this.jsonEnabled()) await writeResult(`${opened.session}\n`);
    return opened;
  }
}
