/**
 * The state of a cell as the beginning of its next generation (design §3 "Generations"): the same entries and sessions under
 * a new identity, with every number going on from a multiple that nothing of the parent has reached.
 *
 * Keeps: the epochs of the parent stay, so that marks from before are judged; one more record, which no master opened, ends
 * the last of them right above the point where the generation began: what its epoch covered beyond that was given up. An upgrade
 * that was open ends with its generation: its driver, its announcement and the backup that it counts on are of another history. What was
 * written of it stays, as history.
 */
import type { Epoch, Instance } from '../consensus/identity.ts';
import type { DatabaseRecord } from './record.ts';
import { openUpgradeKeys } from './system-entry.ts';

export interface NextGeneration {
  readonly generation: number;
  readonly generationId: string;
  /** The last point of the parent that is kept. */
  readonly start: { readonly epoch: Epoch; readonly instance: Instance };
  /** Where the numbers of the new generation begin. */
  readonly numbers: number;
}

/** Contents of a view in, contents of the next generation's first view out, in the same canonical order. */
export function* nextGeneration(
  contents: Iterable<DatabaseRecord>,
  { generation, generationId, start, numbers }: NextGeneration,
): IterableIterator<DatabaseRecord> {
  let revision = 0;
  let ended = false;
  const boundary = (): DatabaseRecord => ({
    kind: 'epoch',
    epoch: {
      epoch: numbers as Epoch,
      instance: (start.instance + 1) as Instance,
      id: generationId,
      owner: '',
      revision,
    },
  });
  for (const record of contents) {
    if (record.kind === 'system') {
      yield { ...record, identity: { ...record.identity, generation, generationId, generationStart: start } };
      continue;
    }
    if (record.kind === 'counters') {
      revision = record.revision;
      yield { ...record, revision: numbers, epoch: numbers as Epoch };
      continue;
    }
    if (record.kind !== 'epoch' && !ended) {
      ended = true;
      yield boundary();
    }
    if (record.kind === 'system-entry' && openUpgradeKeys.has(record.key)) continue;
    yield record;
  }
  if (!ended) yield boundary();
}
