/**
 * Repairing the log while the replica writes to it: a segment of its own stands in for everything from the first damage on, made of what
 * is good there and of what memory has of the rest, while flushes go on behind it.
 *
 * 1. A number is kept for the stand-in, and the log goes on in a segment with a higher one. What lies before is not written to any more.
 * 2. Memory is asked, and everything that it knows then is made durable: no record is written ahead of the promise that it rests on.
 * 3. The old segments are read and the stand-in is written, a slice at a time, in scratch/.
 * 4. One manifest names the stand-in instead of what it stands in for.
 *
 * Before the fourth step nothing has changed but where the log goes on; after it, all of it has.
 *
 * Source: design §4 "Repair by item"; contract §1 `verify checksums --deep`; docs/adr/0016-checksums-and-quarantine.md. Keeps: a flush waits
 * for no more than one slice of it.
 */
import { groupBytes, isBadItem, type LogItem } from '../formats/wal-group.ts';
import { type LogReach, segmentHeaderBytes } from '../formats/wal-segment.ts';
import type { DigestPort } from '../ports/digest.ts';
import { StorageClosedError } from './errors.ts';
import { inScratch, segmentName } from './files.ts';
import { type LogMemory, restored } from './log-renewal.ts';
import type { StorageParts } from './storage-parts.ts';
import { recoverLog } from './wal/recovery.ts';
import { prepareStandIn } from './wal/segment.ts';

/** Of items that are written and flushed at once: about a millisecond of work, or less where segments are short. */
const sliceBytesMax = 256 * 1024;
const sliceBytesLeast = 8 * 1024;
const slicesInSegment = 16;
/** Looked at between two pauses while they are made. */
const itemsPerPause = 1024;
const slicesPerPause = 8;
/** More of them, 16 GiB, are not repaired beside a running replica. */
const slicesMax = 65_536;
/** A segment that was ready already has too low a number, and is left as soon as it is reached. */
const segmentsLeftMax = 4;

export interface LogRepair {
  readonly memory: () => LogMemory | null;
  /** Awaited between two slices. */
  readonly pause: () => Promise<void>;
  /** Asked between two slices: false gives the repair up. */
  readonly goesOn: () => boolean;
  readonly boot: number;
  readonly digest: DigestPort;
}

/**
 * Durable when it resolves. Nothing but where the log goes on has changed when it is not damaged, or not everything can be given back.
 * @throws {StorageClosedError} when it was given up; {DiskError} with nothing else changed, or with the directory's failure set.
 */
export async function repairLog(parts: StorageParts, repair: LogRepair): Promise<void> {
  const { commit, directory, snapshots, wal, walOptions } = parts;
  const segment = wal.reserveSegment();
  const flush = commit.reserveFlushes(slicesMax);
  const until = await leaveBehind(parts, segment);
  const memory = until === null ? null : repair.memory();
  if (until === null || memory === null) return;
  const { chosenUpTo } = commit;
  await commit.barrier(0);
  const { promiseFlushed: promiseFlush } = commit;

  const pause = async (): Promise<void> => {
    if (!repair.goesOn()) throw new StorageClosedError('The storage');
    await repair.pause();
  };
  const { segments, received } = directory.manifest;
  const heldBySnapshot = snapshots.newestInstance();
  // As a start has it: what was accepted below a snapshot from elsewhere may never have been chosen.
  const above = Math.max(heldBySnapshot, received?.instance ?? 0);
  const restateAbove = Math.min(above, snapshots.cutLimit());
  const old = segments.filter((number) => number < segment);
  const expected = { above, restateAbove, flush: until.flush };
  // What cannot be read at all, or is another's, is left to the next start.
  const found = await recoverLog(directory.disk, directory.owner, old, expected, { pause }).catch(() => null);
  if (found === null || found.damage.length === 0) return;
  const whole = restored(found, { memory, heldBySnapshot, digest: repair.digest });
  // Damage in what was written since its numbers were kept is for the next repair.
  if (whole === null || found.continues.flush >= flush) return;
  const { list: slices, bytes } = await inSlices(whole.unsure, sliceBytesOf(walOptions.segmentBytes), pause);
  if (slices.length > slicesMax || (await directory.disk.freeBytes()) < bytes + walOptions.segmentBytes) return;

  const { boot, digest } = repair;
  const header = { owner: directory.owner, segment, bytes, boot, continues: found.continues, until };
  const facts = { flush, boot, chosenUpTo, promiseFlush, highest: whole.highest };
  await prepareStandIn(directory.disk, header, { slices, facts, digest: (it) => digest.entry(it), pause });
  const kept = new Set(found.live.map((live) => live.segment));
  const named = directory.update(
    (before) => ({
      ...before,
      segments: [
        ...before.segments.filter((number) => number < segment && kept.has(number)),
        segment,
        ...before.segments.filter((number) => number > segment),
      ],
    }),
    [segmentName(segment)],
  );
  await named.catch(async (error: unknown) => {
    // Where the old manifest is in force still, nobody will look for it: a full disk has no room for it.
    if (directory.failure === null) await directory.disk.remove(inScratch(segmentName(segment))).catch(() => undefined);
    throw error;
  });
  wal.replaceBefore(
    { segment, bytes, highest: whole.unsure.reduce((most, item) => Math.max(most, lastOf(item)), 0) },
    kept,
  );
}

/** How far the log was when it began its first segment with a number above `segment`; null where there is no room for one. */
async function leaveBehind({ commit, wal }: StorageParts, segment: number): Promise<LogReach | null> {
  for (let left = 0; left < segmentsLeftMax; left++) {
    const reach = wal.reachBefore(segment);
    if (reach !== null) return reach;
    await wal.checkSpace();
    wal.leaveSegment();
    await commit.barrier(0);
  }
  return wal.reachBefore(segment);
}

interface Slices {
  /** At least one. Ranges come first: what is known besides is later than they are. */
  readonly list: readonly (readonly LogItem[])[];
  /** Of the segment that holds them. */
  readonly bytes: number;
}

const sliceBytesOf = (segmentBytes: number): number =>
  Math.min(sliceBytesMax, Math.max(sliceBytesLeast, segmentBytes / slicesInSegment));

async function inSlices(items: readonly LogItem[], bytesMax: number, pause: () => Promise<void>): Promise<Slices> {
  const list: LogItem[][] = [[]];
  let filled = 0;
  let looked = 0;
  for (const item of items) {
    if (++looked % itemsPerPause === 0) await pause();
    const more = groupBytes([item]);
    if (filled > 0 && filled + more > bytesMax) {
      list.push([]);
      filled = 0;
    }
    list.at(-1)?.push(item);
    filled += more;
  }
  let bytes = segmentHeaderBytes;
  for (const [i, slice] of list.entries()) {
    bytes += groupBytes(slice);
    if (i % slicesPerPause === 0) await pause();
  }
  return { list, bytes };
}

const lastOf = (item: LogItem): number => (isBadItem(item) ? item.upTo : item.instance);
