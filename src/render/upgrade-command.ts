/** What the commands that drive an upgrade have in common: what a dry run tells, and what is printed at the end. */
import type { JournalState } from '../operator/upgrade/claim.ts';
import type { Driven } from '../operator/upgrade/driver.ts';
import { CellCommand } from './base-command.ts';
import { printLines } from './output.ts';
import type { StepsView } from './upgrade-view.ts';

export abstract class UpgradeCommand extends CellCommand {
  /** Shows the upgrade that is open. Exit code 10 when there is one: the command would go on with it. */
  protected async tellDryRun({ current, level }: JournalState): Promise<void> {
    const { documentOf, showUpgrade } = await import('./upgrade-view.ts');
    const attempt = current?.attempt ?? null;
    process.exitCode = attempt === null ? 0 : 10;
    const document = { dryRun: true, wouldChange: attempt !== null, ...documentOf(attempt, level, null) };
    if (this.jsonEnabled()) process.stdout.write(`${JSON.stringify(document)}\n`);
    else await showUpgrade(document);
  }

  /**
   * Does the work and shows how far it came.
   * @throws {RefusedError | CheckIncompleteError} when the upgrade is not where it was to come to.
   */
  protected async drive(view: StepsView, work: () => Promise<Driven>): Promise<void> {
    const { documentOf, showUpgrade } = await import('./upgrade-view.ts');
    const { refuseUnfinished } = await import('../operator/upgrade/operate.ts');
    if (this.jsonEnabled()) printLines();
    this.mayHaveWritten('The journal says how far it came: paxosctl upgrade status.');
    try {
      const driven = await work();
      refuseUnfinished(driven);
      const document = documentOf(driven.attempt, null, null);
      if (!this.jsonEnabled()) await showUpgrade(document);
      else process.stdout.write(`${JSON.stringify({ kind: 'upgrade', ...document })}\n`);
    } finally {
      view.stop();
    }
  }
}
