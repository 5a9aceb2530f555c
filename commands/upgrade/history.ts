import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class UpgradeHistory extends CellCommand {
  static override summary = 'Every upgrade of this cell and how it ended.';

  static override description =
    prose`From the journal in the cell; the oldest ones are dropped in time. Where nobody is master it is what some replica knows.`;

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradeHistory);
    const { readJournal } = await import('../../src/operator/upgrade/operate.ts');
    const { showHistory } = await import('../../src/render/upgrade-view.ts');
    const { journal, stale } = await readJournal(flags);
    if (!this.jsonEnabled()) await showHistory(journal.attempts, { stale });
    return { stale, attempts: journal.attempts };
  }
}
