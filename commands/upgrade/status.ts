import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class UpgradeStatus extends CellCommand {
  static override summary = 'The upgrade that is open: what was done, what is next.';

  static override description =
    prose`Read from the cell, so it is the same on every machine. Where nobody is master it is what some replica knows.`;

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(UpgradeStatus);
    const { readJournal } = await import('../../src/operator/upgrade/operate.ts');
    const { documentOf, showUpgrade } = await import('../../src/render/upgrade-view.ts');
    const { journal, stale } = await readJournal(flags);
    const { claim } = journal;
    const driver = claim === null ? null : { name: claim.claim.driver, heardMsAgo: stale ? null : claim.ageMs };
    const document = { stale, ...documentOf(journal.current?.attempt ?? null, journal.level, driver) };
    if (!this.jsonEnabled()) await showUpgrade(document, { stale });
    return document;
  }
}
