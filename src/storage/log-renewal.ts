/**
 * What a damaged log held, as the memory of the running replica still has it.
 *
 * Source: design §4 "Repair by item"; contract §1 `verify checksums --deep`. Keeps: nothing is called repaired that memory does not
 * have.
 */
import { type BadItem, endless, isCopy } from '../core/consensus/bad-item.ts';
import { compareBallots } from '../core/consensus/ballot.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
import { encodeValue } from '../formats/value.ts';
import { isBadItem, type LogItem } from '../formats/wal-group.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { RecoveredLog } from './wal/recovery.ts';

/** What the replica accepted or knows as chosen. */
export interface LogMemory {
  /** From here on it has forgotten nothing. */
  readonly from: number;
  /** Ascending. */
  readonly entries: readonly AcceptedEntry[];
}

export interface Restating {
  readonly memory: LogMemory;
  /** At and below it a good snapshot stands for what is missing. */
  readonly heldBySnapshot: number;
  readonly digest: DigestPort;
}

/** The log as a start would go on from it, with nothing missing; null when memory, durable by now, does not have everything. */
export function restored(log: RecoveredLog, restating: Restating): RecoveredLog | null {
  const known = new Map(restating.memory.entries.map((entry) => [entry.instance as number, entry]));
  const ranges: BadItem[] = [];
  const singles = new Map<number, LogItem>();
  for (const item of log.unsure) {
    if (!isBadItem(item)) singles.set(item.instance, item);
    else if (item.identity !== null) {
      const entry = replacement(item, known, restating);
      if (entry === null && item.instance > restating.heldBySnapshot) return null;
      singles.set(item.instance, entry ?? item);
    } else {
      const forgotten = Math.min(item.upTo, restating.memory.from - 1);
      if (forgotten > restating.heldBySnapshot && forgotten >= item.instance) return null;
      if (forgotten >= item.instance) ranges.push({ ...item, upTo: forgotten as Instance });
      for (const [instance, entry] of known) {
        if (instance < item.instance || instance > item.upTo) continue;
        singles.set(instance, entry);
      }
    }
  }
  const last = restating.memory.entries.at(-1)?.instance ?? 0;
  const highest = log.highest === endless ? last : Math.max(log.highest, last);
  // The ranges first: what is known besides is later than they are.
  return { ...log, unsure: [...ranges, ...singles.values()], highest };
}

/** The record that stood there, as memory has it. */
function replacement(
  { instance, identity }: BadItem,
  known: ReadonlyMap<number, AcceptedEntry>,
  { digest }: Restating,
): AcceptedEntry | null {
  const entry = known.get(instance);
  if (entry === undefined || identity === null) return null;
  const order = compareBallots(entry.ballot, identity.ballot);
  if (order !== 0) return order > 0 ? entry : null;
  return isCopy(identity, entry, (value) => digest.entry(encodeValue(value))) ? entry : null;
}
