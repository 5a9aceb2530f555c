/**
 * Making segment files ready: real zeros to the last byte, written and flushed in small pieces, so that a later write changes
 * neither size nor extents and one flush of it is one write to the device. One that stands in for damaged ones is written whole.
 */
import { invariant } from '../../core/invariant.ts';
import { ownerSeed } from '../../formats/checksum.ts';
import { encodeGroup, type GroupFacts, type LogItem } from '../../formats/wal-group.ts';
import { encodeSegmentHeader, type SegmentHeader, sectorBytes, segmentHeaderBytes } from '../../formats/wal-segment.ts';
import type { Disk, DiskFile } from '../../ports/disk.ts';
import { inScratch, segmentName, withFile } from '../files.ts';

/** Written and flushed at once while preparing: a log flush never waits behind more than this. */
const preparedBytesMax = 256 * 1024;
const zeros = new Uint8Array(preparedBytesMax);

/** Size of a segment file that has room for a group of `bytes`. */
export const segmentBytesFor = (bytes: number, usual: number): number =>
  Math.max(usual, Math.ceil((segmentHeaderBytes + bytes) / sectorBytes) * sectorBytes);

/**
 * A whole flushed segment in scratch/, its name not yet durable. `first` are the bytes that follow the header in
 * the segment that a start begins.
 * @throws {DiskError} with what there is of it left in scratch/.
 */
export async function prepareSegment(
  disk: Disk,
  header: SegmentHeader,
  first: readonly Uint8Array[] | null = null,
): Promise<void> {
  const path = inScratch(segmentName(header.segment));
  await disk.remove(path);
  await withFile(disk, path, 'exclusive', async (file) => {
    for (let at = 0; at < header.bytes; at += preparedBytesMax) {
      await file.write(at, zeros.subarray(0, Math.min(preparedBytesMax, header.bytes - at)));
      // Before the log is open nothing waits behind this file, so one flush at the end does.
      if (first === null) await file.flush();
    }
    let at = segmentHeaderBytes;
    for (const bytes of first ?? []) {
      await file.write(at, bytes);
      at += bytes.length;
    }
    await file.write(0, encodeSegmentHeader(header));
    await file.flush();
  });
}

export interface StandIn {
  /** What it holds, in order, a group for each of these. */
  readonly slices: readonly (readonly LogItem[])[];
  /** Of all groups, but for the number of the flush, which is the first one's, and what is chosen, which the last one says. */
  readonly facts: Omit<GroupFacts, 'previousChain'>;
  readonly digest: Parameters<typeof encodeGroup>[3];
  /** Awaited after each group. */
  readonly pause: () => Promise<void>;
}

/**
 * A whole flushed segment in scratch/, its name not yet durable, that stands in for what its header says.
 * @throws {DiskError} and whatever `pause` does, with nothing left of it in scratch/.
 */
export async function prepareStandIn(disk: Disk, header: SegmentHeader, standIn: StandIn): Promise<void> {
  const path = inScratch(segmentName(header.segment));
  try {
    await disk.remove(path);
    await withFile(disk, path, 'exclusive', (file) => writeStandIn(file, header, standIn));
  } catch (error) {
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
}

async function writeStandIn(
  file: DiskFile,
  header: SegmentHeader,
  { slices, facts, digest, pause }: StandIn,
): Promise<void> {
  const { continues, owner, segment } = header;
  const seed = ownerSeed(owner);
  let previousChain = continues?.chain ?? 0;
  let offset = segmentHeaderBytes;
  for (const [i, items] of slices.entries()) {
    // Where a group is lost later, everything counts as bad that was open when it was written: a group before it must not have
    // called chosen what it holds.
    const chosenUpTo = i === slices.length - 1 ? facts.chosenUpTo : 0;
    const group = encodeGroup(
      { ...facts, flush: facts.flush + i, chosenUpTo, previousChain },
      items,
      { ownerSeed: seed, segment, offset },
      digest,
    );
    await writeAndFlush(file, offset, group.buffers);
    previousChain = group.chain;
    offset += group.bytes;
    await pause();
  }
  invariant(offset === header.bytes, 'a stand-in is as long as its header says', { offset, bytes: header.bytes });
  await writeAndFlush(file, 0, [encodeSegmentHeader(header)]);
}

const writeAndFlush = (file: DiskFile, offset: number, buffers: readonly Uint8Array[]): Promise<void> =>
  new Promise((resolve, reject) => {
    file.writeAndFlush(offset, buffers, (error) => (error === null ? resolve() : reject(error)));
  });
