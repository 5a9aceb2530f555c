import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class SessionList extends CellCommand {
  static override summary = 'Show the sessions that are open.';

  static override description =
    prose`A session makes writes safe to send again, and holds locks. It ends so long after its client was heard of last, in the time of the cell, which stands still while there is no master.`;

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  static override flags = {
    after: Flags.string({ description: 'Only sessions after this one.' }),
    limit: Flags.integer({ description: 'At most so many sessions.', default: 100, min: 1, max: 1_000_000 }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(SessionList);
    const { listSessions } = await import('../../src/operator/locks.ts');
    const { sessionsText } = await import('../../src/render/lock-view.ts');
    const { writeResult } = await import('../../src/render/output.ts');
    const sessions = await listSessions(flags, flags);
    if (!this.jsonEnabled()) await writeResult(sessionsText(sessions));
    return sessions;
  }
}
