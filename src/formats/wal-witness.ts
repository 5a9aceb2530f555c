/**
 * What a flush group carries of the witness: a record of instance 0, which is nobody's value, in nobody's ballot. It has a
 * checksum and a second copy of its identity like every record; one that is bad costs what that flush had learned, no more.
 *
 * Source: design §4 (fence). docs/adr/0014-the-fence.md has the reasons.
 */
import { zeroBallot } from '../core/consensus/ballot.ts';
import type { CellTimeMs, Epoch, Instance } from '../core/consensus/identity.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
import type { Remembered } from '../core/consensus/witness-memory.ts';
import { FormatError } from './bytes.ts';
import { decodeValue } from './value.ts';
import type { ReadRecord } from './wal-group-reader.ts';
import { decodeRemembered, encodeRemembered } from './witness.ts';

export const witnessInstance = 0 as Instance;

export const witnessEntry = (remembered: readonly Remembered[]): AcceptedEntry => ({
  instance: witnessInstance,
  ballot: zeroBallot,
  value: {
    kind: 'submitted',
    epoch: 0 as Epoch,
    cellTimeMs: 0 as CellTimeMs,
    items: [encodeRemembered(remembered)],
  },
});

/** What the records of a group say of the disks of others; nothing when that does not read. */
export function witnessOf(records: readonly ReadRecord[]): Remembered[] {
  return records.filter(({ instance }) => instance === witnessInstance).flatMap(({ value }) => read(value));
}

function read(bytes: Buffer): readonly Remembered[] {
  try {
    const value = decodeValue(Buffer.from(bytes));
    return value.kind === 'submitted' ? value.items.flatMap((item) => decodeRemembered(item)) : [];
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}
