/**
 * Snapshots as operators see them: what each stands for, and its bytes as a stream.
 *
 * Source: contract §1 (`snapshot list`, `save`), design §4. The header of a file is the only witness of what it stands for;
 * what is local to a member (when it was made, whether it was found bad) comes from the manifest.
 */
import type { SnapshotEntry } from '../formats/manifest.ts';
import type { SnapshotHeader } from '../formats/snapshot.ts';
import type { SnapshotDetails } from '../formats/snapshot-details.ts';
import type { Disk } from '../ports/disk.ts';
import type { SnapshotStream } from '../ports/network.ts';
import { SnapshotCorruptError, StorageClosedError } from './errors.ts';
import { readSnapshotHeader, type VerifiedSnapshot } from './snapshot-reader.ts';

export type { SnapshotDetails } from '../formats/snapshot-details.ts';

/** A file that stays readable until it is closed, whatever becomes of its name. */
export interface OpenSnapshot extends SnapshotStream {
  readonly details: SnapshotDetails;
}

/** One for each entry, in the same order. A file that cannot be read is told as not verified. */
export const describeSnapshots = (disk: Disk, entries: readonly SnapshotEntry[]): Promise<readonly SnapshotDetails[]> =>
  Promise.all(entries.map((entry) => describeEntry(disk, entry)));

async function describeEntry(disk: Disk, entry: SnapshotEntry): Promise<SnapshotDetails> {
  const { instance, bytes, sha256: digest, createdAt, verified } = entry;
  const local = { instance, bytes, digest, createdAt };
  try {
    const header = await readSnapshotHeader(disk, entry.file);
    return { ...local, ...fromHeader(header), verified: verified && header.handle.instance === instance };
  } catch (error) {
    if (!(error instanceof SnapshotCorruptError)) throw error;
    return { ...local, epoch: null, generation: null, entries: null, checksum: null, verified: false };
  }
}

const fromHeader = ({ handle, generation, entries, checksum }: SnapshotHeader) => ({
  epoch: handle.epoch,
  generation,
  entries,
  checksum,
});

/** Of a file that was just written and read back. */
export const describeExport = ({ header, bytes, sha256 }: VerifiedSnapshot, createdAt: string): SnapshotDetails => ({
  instance: header.handle.instance,
  ...fromHeader(header),
  bytes,
  digest: sha256,
  createdAt,
  verified: true,
});

/** The file at `path` as a stream; `closed` is called once, after it was closed. */
export async function openExport(
  disk: Disk,
  path: string,
  details: SnapshotDetails,
  closed: () => Promise<void> = () => Promise.resolve(),
): Promise<OpenSnapshot> {
  const file = await disk.open(path, { create: false });
  let closing: Promise<void> | null = null;
  return {
    details,
    bytes: details.bytes,
    read: (offset, length) =>
      closing === null
        ? file.read(offset, length)
        : Promise.reject(new StorageClosedError('The snapshot that was being read')),
    close: () => {
      closing ??= file.close().finally(closed);
      return closing;
    },
  };
}
