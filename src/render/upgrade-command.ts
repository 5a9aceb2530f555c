/** What the commands that drive an upgrade have in common: what a dry run tells, and what is printed at the end. */
import type { Driven } from '../operator/upgrade/driver.ts';
import type { Foreseen } from '../operator/upgrade/foresee.ts';
import { CellCommand } from './base-command.ts';
import { printable } from './escape.ts';
import { printLines } from './output.ts';
import type { StepsView } from './upgrade-view.ts';

export abstract class UpgradeCommand extends CellCommand {
  /**
   * Shows the upgrade that is open and what the command would do first. Exit code 10 where it would do something.
   * @throws {RefusedError | CheckIncompleteError} as the command itself.
   */
  protected async tellDryRun(view: StepsView, look: () => Promise<Foreseen>): Promise<void> {
    const { documentOf, showUpgrade } = await import('./upgrade-view.ts');
    const { refuseUnfinished } = await import('../operator/upgrade/operate.ts');
    const foreseen = await look().finally(() => view.stop());
    const { attempt, first, level } = foreseen;
    refuseUnfinished({ ...foreseen, recorded: true });
    process.exitCode = first === null ? 0 : 10;
    const document = { dryRun: true, wouldChange: first !== null, first, ...documentOf(attempt, level, null) };
    if (this.jsonEnabled()) return void process.stdout.write(`${JSON.stringify(document)}\n`);
    await showUpgrade(document);
    const { writeResult } = await import('./output.ts');
    await writeResult(`first    ${printable(first ?? 'nothing is left to do')}\n`);
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
      const document = documentOf(driven.attempt, driven.level ?? null, null);
      if (!this.jsonEnabled()) await showUpgrade(document);
      else process.stdout.write(`${JSON.stringify({ kind: 'upgrade', ...document })}\n`);
    } finally {
      view.stop();
    }
  }
}
