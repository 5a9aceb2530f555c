/**
 * A data directory to be read and nothing else, also while another process runs on it.
 *
 * A file that the manifest names may still wait in scratch/ to be moved; it is read there, as a start would find it.
 */
import { type Disk, DiskError } from '../ports/disk.ts';
import { inScratch, isNotFound } from './files.ts';

export function readingDisk(disk: Disk): Disk {
  const refuse = (path: string): Promise<never> =>
    Promise.reject(new DiskError('denied', path, 'this directory is only read'));
  return {
    open: async (path, { create }) => {
      if (create !== false) return refuse(path);
      try {
        return await disk.open(path, { create: false });
      } catch (error) {
        if (!isNotFound(error) || path.includes('/')) throw error;
        return disk.open(inScratch(path), { create: false });
      }
    },
    list: (path) => disk.list(path),
    freeBytes: () => disk.freeBytes(),
    rename: (from) => refuse(from),
    remove: (path) => refuse(path),
    makeDirectory: (path) => refuse(path),
    flushDirectory: (path) => refuse(path),
  };
}
