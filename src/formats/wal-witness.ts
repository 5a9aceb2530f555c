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
import { decodePassingValue } from './value.ts';
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

/** What the value of a record of instance 0 says of the disks of others; nothing when that does not read. */
export function witnessOf(value: Buffer): readonly Remembered[] {
  try {
    const decoded = decodePassingValue(value);
    if (decoded.kind !== 'submitted') return [];
    const { items } = decoded;
    return items.length === 1
      ? decodeRemembered(items[0] as Uint8Array)
      : items.flatMap((item) => decodeRemembered(item));
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}
