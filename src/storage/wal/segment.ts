/**
 * Making segment files ready: real zeros to the last byte, written and flushed in small pieces, so that a later write changes
 * neither size nor extents and one flush of it is one write to the device.
 */
import { encodeSegmentHeader, type SegmentHeader, sectorBytes, segmentHeaderBytes } from '../../formats/wal-segment.ts';
import type { Disk } from '../../ports/disk.ts';
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
