/**
 * A deep check of one replica's files: read again, and what is bad made whole from what the replica has in memory.
 *
 * Source: contract §1 `verify checksums --deep`; design §4 "Repair by item". A snapshot is taken anew, since the state that the bad one
 * stood for is applied here. Keeps: a member that is frozen or set aside changes nothing; its files are evidence.
 */
import type { BadFile } from '../storage/file-check.ts';
import type { LogMemory } from '../storage/log-renewal.ts';
import type { Logger } from './logger.ts';

export interface CheckedFiles {
  /** Still bad. */
  readonly files: readonly BadFile[];
  /** Were bad, and are whole again. */
  readonly repaired: readonly BadFile[];
}

export interface RepairedStorage {
  checkFiles(pause: () => Promise<void>): Promise<readonly BadFile[]>;
  condemnSnapshots(files: ReadonlySet<string>): Promise<void>;
  snapshots(): readonly { readonly verified: boolean }[];
  repairFiles(files: ReadonlySet<string>, memory: () => LogMemory | null, pause: () => Promise<void>): Promise<void>;
}

export interface RepairingLog {
  /** False when nothing of this member's files may change. */
  readonly mayRepair: boolean;
  readonly memory: LogMemory | null;
  takeSnapshot(): Promise<unknown>;
}

/** `pause`: so that whatever else goes on here has its turn between two pieces of the files. */
export async function checkAndRepair(
  storage: RepairedStorage,
  log: RepairingLog,
  logger: Logger,
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<CheckedFiles> {
  const bad = await storage.checkFiles(pause);
  if (bad.length === 0 || !log.mayRepair) return { files: bad, repaired: [] };
  logger.error({ files: bad }, 'files of this replica are damaged; repairing them');
  const names = new Set(bad.map(({ file }) => file));
  await storage.condemnSnapshots(names);
  if (storage.snapshots().some(({ verified }) => !verified)) await log.takeSnapshot();
  await storage.repairFiles(names, () => log.memory, pause);
  const files = await storage.checkFiles(pause);
  const left = new Set(files.map(({ file }) => file));
  const repaired = bad.filter(({ file }) => !left.has(file));
  logger.info({ repaired: repaired.length, left: files.length }, 'damaged files were repaired');
  return { files, repaired };
}
