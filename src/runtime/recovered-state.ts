import type { BadItem } from '../core/consensus/bad-item.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
import type { RecoveredState } from '../core/consensus/replica.ts';
import type { LoadedSnapshot } from './log-storage.ts';

/** What a replica knows when it starts, from what its storage recovered. */
export function recoveredState(recovered: {
  readonly promise: RecoveredState['promise'];
  readonly entries: readonly AcceptedEntry[];
  readonly chosenUpTo: Instance;
  readonly bad?: readonly BadItem[];
  readonly missingUpTo?: Instance;
  readonly snapshot: LoadedSnapshot | null;
  readonly formation: RecoveredState['handle'];
  readonly compare?: RecoveredState['compare'];
}): RecoveredState {
  const handle = recovered.snapshot?.handle ?? recovered.formation;
  const chosenUpTo = Math.max(recovered.chosenUpTo, handle.instance) as Instance;
  const { promise, entries, compare, bad = [], missingUpTo = 0 as Instance } = recovered;
  return { promise, entries, chosenUpTo, handle, bad, missingUpTo, ...(compare === undefined ? {} : { compare }) };
}
