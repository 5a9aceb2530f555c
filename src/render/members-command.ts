/** What the commands on members have in common: flags, progress, and what is printed at the end. */
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from './base-command.ts';
import { parseEndpoint } from './flags.ts';
import type { MemberProgressView, MembersResultView } from './members-view.ts';

export const allowNoSpareFlag = Flags.boolean({
  description: 'Also when the cell could survive no failure afterwards.',
});

export const urlFlag = Flags.custom<string>({
  required: true,
  description: 'Where every member reaches the new one.',
  helpValue: 'URL',
  parse: async (input) => parseEndpoint(input),
})();

/** Exit code 10 for a dry run that would change something. */
export async function runMembersCommand<Result extends MembersResultView>(
  { title, dryRun, json }: { readonly title: string; readonly dryRun: boolean; readonly json: boolean },
  work: (onProgress: (progress: MemberProgressView) => void) => Promise<Result>,
): Promise<Result> {
  const { showMembersResult, withMemberProgress } = await import('./members-view.ts');
  const result = dryRun ? await work(() => {}) : await withMemberProgress(title, work);
  if (result.dryRun && result.changed) process.exitCode = 10;
  if (!json) await showMembersResult(result);
  return result;
}

/** Of the commands that take the name of a member and change what it is. */
export const memberArgs = {
  name: Args.string({ ignoreStdin: true, required: true, description: 'The member.' }),
};

export const memberFlags = {
  'dry-run': dryRunFlag,
  'allow-no-spare': allowNoSpareFlag,
};

interface MemberFlags {
  readonly 'dry-run': boolean;
  readonly 'allow-no-spare'?: boolean;
}

/** A command that changes the membership: what it says when it is interrupted, what it shows, and how it ends. */
export abstract class MembersCommand extends CellCommand {
  protected change<Result extends MembersResultView>(
    title: string,
    flags: MemberFlags,
    work: (
      change: { readonly dryRun: boolean; readonly allowNoSpare: boolean },
      onProgress: (progress: MemberProgressView) => void,
    ) => Promise<Result>,
  ): Promise<Result> {
    this.mayHaveWritten('The same command goes on where this one stopped; see: paxosctl members list.');
    const change = { dryRun: flags['dry-run'], allowNoSpare: flags['allow-no-spare'] ?? false };
    return runMembersCommand({ title, dryRun: change.dryRun, json: this.jsonEnabled() }, (onProgress) =>
      work(change, onProgress),
    );
  }
}
