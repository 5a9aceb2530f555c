/**
 * What lies where the log cannot be read on: its end, a group that a crash tore, or damage.
 *
 * A segment is zeros, flushed, before its first group is written, and no place in it is written twice. So a crash leaves
 * in each sector of the group in flight either what was written or zeros, and no group after it. Bytes that are neither
 * were changed later; a group with anything after it had been flushed, since one flush runs at a time.
 *
 * Source: design §4; pitfalls D1, D2, P16, P17. docs/adr/0011-torn-last-group.md says what remains undecided, and why.
 */
import { type GroupPlace, isZeros } from '../../formats/wal-group.ts';
import { findMark, type GroupHeader, type Mark, readGroupHeader } from '../../formats/wal-group-reader.ts';
import { sectorBytes } from '../../formats/wal-segment.ts';

export type LogEnd =
  | { readonly kind: 'end' }
  /** Sectors that a group wrote here are still zeros: its flush never ended. `header` if that has reached the disk. */
  | { readonly kind: 'torn'; readonly header: GroupHeader | null }
  | { readonly kind: 'damaged'; readonly mark: Mark | null };

/** For a place at which no group reads. */
export function judgeLogEnd(segment: Buffer, place: GroupPlace): LogEnd {
  const { offset } = place;
  const firstSector = Math.min(segment.length, offset + sectorBytes);
  const nothingFollows = isZeros(segment, firstSector, segment.length);
  const nothingHere = isZeros(segment, offset, firstSector);
  if (nothingFollows && nothingHere) return { kind: 'end' };
  const mark = findMark(segment, place, offset);
  const header = readGroupHeader(segment, place);
  const damaged: LogEnd = { kind: 'damaged', mark };
  if (isFollowed(segment, place, header ?? mark)) return damaged;
  // Every group has at least two sectors that are not zeros, the first and the last.
  if (nothingHere || nothingFollows) return { kind: 'torn', header };
  if (header === null) return damaged;
  return emptySectors(segment, offset, header.bytes) > header.emptySectors ? { kind: 'torn', header } : damaged;
}

/** Whether a later group was begun, which proves that the one at `place` had been flushed. */
function isFollowed(
  segment: Buffer,
  place: GroupPlace,
  known: { readonly bytes: number; readonly offset?: number } | null,
): boolean {
  const { offset } = place;
  if (known !== null && (known.offset ?? offset) === offset) {
    return !isZeros(segment, Math.min(segment.length, offset + known.bytes), segment.length);
  }
  if (known !== null) return true; // the first mark found is that of a later group
  for (let at = offset + sectorBytes; at < segment.length; at += sectorBytes) {
    if (readGroupHeader(segment, { ...place, offset: at }) !== null) return true;
  }
  return false;
}

function emptySectors(segment: Buffer, offset: number, bytes: number): number {
  let count = 0;
  for (let at = offset; at < offset + bytes; at += sectorBytes) if (isZeros(segment, at, at + sectorBytes)) count++;
  return count;
}
