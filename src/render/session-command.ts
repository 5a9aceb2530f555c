/** What the commands of sessions have in common: one thing is done in the cell, or foreseen by it. */
import * as Args from '@oclif/core/args';
import { CellCommand, dryRunFlag } from './base-command.ts';

/** The session that a command is about. */
export const sessionArgs = {
  session: Args.string({ ignoreStdin: true, required: true, description: 'Its id.' }),
};

export const sessionFlags = { 'dry-run': dryRunFlag };

interface SessionAct<Result> {
  readonly dryRun: boolean;
  readonly foresee: () => Promise<{ readonly session: string | null; readonly wouldChange: boolean }>;
  readonly act: () => Promise<Result>;
  /** For people, without a line break. */
  readonly text: (result: Result) => string;
  /** What an interrupt leaves behind, where that is not the usual. */
  readonly interrupted?: string;
}

export abstract class SessionCommand extends CellCommand {
  protected async carryOut<Result>({ dryRun, foresee, act, text, interrupted }: SessionAct<Result>): Promise<unknown> {
    if (dryRun) {
      const foreseen = await foresee();
      process.exitCode = 10;
      if (!this.jsonEnabled()) await (await import('./lock-view.ts')).showSessionDryRun(foreseen);
      return foreseen;
    }
    this.mayHaveWritten(interrupted);
    const result = await act();
    if (!this.jsonEnabled()) await (await import('./output.ts')).writeResult(`${text(result)}\n`);
    return result;
  }
}
