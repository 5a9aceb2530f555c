/** `doctor --data-dir`: what `verify data-dir` finds out about the files, and how much room there is beside them. */
import { statfs } from 'node:fs/promises';
import type { OfflineWorld } from '../ports/world.ts';
import { type DataDirectoryReport, verifyDataDirectory } from './data-directory-report.ts';

export interface DoctorDirectory extends DataDirectoryReport {
  readonly diskFreeBytes: number | null;
  readonly diskBytes: number | null;
}

/**
 * Reads everything and changes nothing.
 *
 * @throws {DataDirectoryInUseError} (exit 28) while a process has it. {UsageError} (exit 2) when there is no such folder.
 */
export async function doctorDirectory(folder: string, world: OfflineWorld): Promise<DoctorDirectory> {
  const report = await verifyDataDirectory(folder, world);
  const disk = await statfs(report.directory).catch(() => null);
  return {
    ...report,
    diskFreeBytes: disk === null ? null : disk.bavail * disk.bsize,
    diskBytes: disk === null ? null : disk.blocks * disk.bsize,
  };
}
