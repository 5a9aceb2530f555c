/** What the commands on members have in common: flags, progress, and what is printed at the end. */
import * as Flags from '@oclif/core/flags';
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
