/** Names in a data directory, and the few file operations that every part of storage shares. */
import { type Disk, DiskError, type DiskFile } from '../ports/disk.ts';

export const root = '';
export const scratch = 'scratch';
export const manifestName = 'MANIFEST';
export const identityName = 'IDENTITY';
export const identityText = 'This file tells a copied data directory from the original. It is never read.\n';
export const promiseNames = ['promise-a', 'promise-b'] as const;
/** Folders whose content is nobody's data. `attempts` belongs to upgrades. */
export const ignoredFolders: readonly string[] = [scratch, 'attempts', 'quarantine', 'former'];

export const segmentName = (segment: number): string => `wal-${String(segment).padStart(8, '0')}`;
export const isSegmentName = (name: string): boolean => /^wal-\d{8,}$/.test(name);
export const snapshotName = (serial: number): string => `snapshot-${String(serial).padStart(8, '0')}`;
export const inScratch = (name: string): string => `${scratch}/${name}`;

/** Looks like a file that only a manifest can explain. */
export const looksOurs = (name: string): boolean => /^(wal-|snapshot-|promise-|IDENTITY$|MANIFEST)/.test(name);

export const isNotFound = (error: unknown): boolean => error instanceof DiskError && error.reason === 'not-found';

/** Opens, hands over, and closes whatever happens. */
export async function withFile<Result>(
  disk: Disk,
  path: string,
  create: false | 'exclusive',
  use: (file: DiskFile) => Promise<Result>,
): Promise<Result> {
  const file = await disk.open(path, { create });
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/**
 * As {@link withFile} for a file that is there already; `onBad` says what its content, or its absence, means. A file that cannot
 * be opened says nothing about what it holds (no descriptor is left, perhaps): that error is passed on.
 */
export async function readingFile<Result>(
  disk: Disk,
  path: string,
  use: (file: DiskFile) => Promise<Result>,
  onBad: (error: unknown) => Result,
): Promise<Result> {
  let opened = false;
  try {
    return await withFile(disk, path, false, (file) => {
      opened = true;
      return use(file);
    });
  } catch (error) {
    if (opened || isNotFound(error)) return onBad(error);
    throw error;
  }
}

/** A new flushed file in scratch/, in place of an unfinished one of the same name. Its name is not durable yet. */
export async function writeScratch(disk: Disk, name: string, bytes: Uint8Array): Promise<void> {
  await disk.remove(inScratch(name));
  await withFile(disk, inScratch(name), 'exclusive', async (file) => {
    await file.write(0, bytes);
    await file.flush();
  });
}
