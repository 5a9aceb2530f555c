/**
 * Groups (I7): any majorities of two configurations that govern adjacent instances have a member in common, and no change is
 * decided before the one before it is in force.
 *
 * Source: design §3 "Membership"; pitfalls P44, P45. That an instance is decided by its own group alone is `agreement`'s part.
 */
import type { Configuration } from '../../core/consensus/configuration.ts';
import { quorumSize, voters } from '../../core/consensus/quorum.ts';
import { Violation } from './violation.ts';

export interface GroupChange {
  /** Where it was chosen. */
  readonly instance: number;
  readonly before: { readonly from: number; readonly configuration: Configuration };
  readonly after: { readonly from: number; readonly configuration: Configuration };
}

/** @throws {Violation} */
export function checkGroupChange({ instance, before, after }: GroupChange): void {
  const all = new Set([...voters(before.configuration), ...voters(after.configuration)]);
  if (quorumSize(before.configuration) + quorumSize(after.configuration) <= all.size) {
    throw new Violation('group', `the change at ${instance} allows two majorities without a common member`, {
      before: [...voters(before.configuration)],
      after: [...voters(after.configuration)],
    });
  }
  if (instance < before.from || after.from <= before.from) {
    throw new Violation(
      'group',
      `a change was chosen at ${instance}, before the last one is in force at ${before.from}`,
    );
  }
}
