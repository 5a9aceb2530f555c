/**
 * Backups in one directory: writing one, and letting the oldest go.
 *
 * Keeps: a file bears its name once all of it was flushed and read back; nothing is deleted before a newer one has been verified in
 * this very run; only files of this cell and generation are, by what their headers say and not by their names alone; and
 * the directory is never filled to the brim where the data lies on the same disk (pitfalls O14, D-class "disk full").
 */

import type { BackupFolder } from '../../ports/backups.ts';
import { DiskError } from '../../ports/disk.ts';
import type { VerifiedSnapshot } from '../../storage/snapshot-reader.ts';
import { readSnapshotHeader } from '../../storage/snapshot-reader.ts';

/** Room that is left for others: on the disk of the data it is what the log needs on a busy day. */
const reserveBytes = { ownDisk: 16 * 1024 * 1024, dataDisk: 256 * 1024 * 1024 };
/** The free room is looked at after so much was written. */
const lookEveryBytes = 16 * 1024 * 1024;

export interface BackupOf {
  readonly cell: { readonly id: string; readonly name: string };
  readonly generation: number;
}

export interface BackupFile {
  readonly name: string;
  readonly instance: number;
  readonly bytes: number;
}

/** Why no backup can be written now. */
export class BackupRefusedError extends Error {
  override readonly name = 'BackupRefusedError';
}

const idPart = (id: string): string => id.replace(/[^0-9A-Za-z]/g, '').slice(0, 8);

export function backupName({ cell, generation }: BackupOf, instance: number, wallMs: number): string {
  const name = cell.name.replace(/[^A-Za-z0-9._]/g, '_').slice(0, 60);
  const at = new Date(wallMs).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${name}-${idPart(cell.id)}-g${generation}-i${String(instance).padStart(16, '0')}-${at}.snapshot`;
}

/** All of it: the cell's name has no hyphen in it, so that a file on its way (`.part-…`) is no backup, nor another member's. */
const namePattern = /^[A-Za-z0-9._]*-([0-9A-Za-z]{1,8})-g(\d{1,9})-i(\d{16})-\d{8}T\d{6}Z\.snapshot$/;

/** By their names, newest first. Of other cells, other generations and other people there may be any number more. */
export async function backupsIn(
  { disk }: BackupFolder,
  { cell, generation }: BackupOf,
): Promise<readonly BackupFile[]> {
  const found = (await disk.list('')).flatMap(({ name, kind, bytes }) => {
    const [, id, of, instance] = namePattern.exec(name) ?? [];
    const own = kind === 'file' && id === idPart(cell.id) && Number(of) === generation;
    return own ? [{ name, bytes, instance: Number(instance) }] : [];
  });
  return found.sort((a, b) => b.instance - a.instance || (a.name < b.name ? 1 : -1));
}

const partPrefix = (member: string): string => `.part-${member}-`;

/** The files of an earlier process of this member that did not come to its end. */
async function removeParts({ disk }: BackupFolder, member: string): Promise<void> {
  for (const { name, kind } of await disk.list('')) {
    const prefix = partPrefix(member);
    const own = name.startsWith(prefix) && namePattern.test(name.slice(prefix.length));
    if (kind === 'file' && own) await disk.remove(name);
  }
}

/** What stands in the way of a backup of about `bytes` here; null when nothing does. */
export async function problemOf(folder: BackupFolder, bytes: number): Promise<string | null> {
  if (folder.overlaps) return 'it and the data directory lie in one another: a backup is kept elsewhere';
  const free = await folder.disk.freeBytes();
  const needed = bytes + reserveOf(folder);
  if (free >= needed) return null;
  return `it has ${mebibytes(free)} MiB free, and a backup needs ${mebibytes(needed)} MiB`;
}

const reserveOf = ({ sameDisk }: BackupFolder): number => (sameDisk ? reserveBytes.dataDisk : reserveBytes.ownDisk);
const mebibytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(bytes < 10 * 1024 * 1024 ? 1 : 0);

export interface SaveRequest {
  readonly of: BackupOf;
  /** Who writes: its unfinished files are its own to remove. */
  readonly member: string;
  readonly instance: number;
  readonly wallMs: number;
  readonly keep: number;
  /** About how large it will be. */
  readonly bytesExpected: number;
  /** Writes all of the file, calling back between its parts with the bytes so far, and reads it back. */
  write(path: string, betweenParts: (bytes: number) => Promise<void>): Promise<VerifiedSnapshot>;
}

export interface SavedFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly header: VerifiedSnapshot['header'];
  /** Names of backups that were let go. */
  readonly removed: readonly string[];
  /** Why older ones stayed that were to go; null where none did. */
  readonly kept: string | null;
}

/** @throws {BackupRefusedError} for want of room; {DiskError}, {SnapshotCorruptError} with what was there before as it was. */
export async function saveBackup(folder: BackupFolder, request: SaveRequest): Promise<SavedFile> {
  const { disk } = folder;
  const { instance, member, of, wallMs } = request;
  await removeParts(folder, member);
  const problem = await problemOf(folder, request.bytesExpected);
  if (problem !== null) throw new BackupRefusedError(problem);
  const name = backupName(of, instance, wallMs);
  const part = `${partPrefix(member)}${name}`;
  let looked = 0;
  try {
    const verified = await request.write(part, async (bytes) => {
      if (bytes - looked < lookEveryBytes) return;
      looked = bytes;
      const full = await problemOf(folder, 0);
      if (full !== null) throw new BackupRefusedError(full);
    });
    await disk.rename(part, name);
    await flushed(folder, name);
    // It is there, whole and verified: what becomes of older ones is told, and never makes it one that failed.
    const retained = await letGo(folder, { ...request, newest: { name, instance } });
    return { name, bytes: verified.bytes, sha256: verified.sha256, header: verified.header, ...retained };
  } catch (error) {
    await disk.remove(part).catch(() => undefined);
    throw error;
  }
}

/** A name that may be gone after a power loss is not left behind: at each new try there would be another one. */
async function flushed({ disk }: BackupFolder, name: string): Promise<void> {
  try {
    await disk.flushDirectory('');
  } catch (error) {
    await disk.remove(name).catch(() => undefined);
    throw error;
  }
}

/** All beyond the newest `keep`, of which the one that was verified just now is one. Never rejects: one that stays is told of. */
async function letGo(
  folder: BackupFolder,
  {
    of,
    keep,
    newest,
  }: { readonly of: BackupOf; readonly keep: number; readonly newest: { name: string; instance: number } },
): Promise<Pick<SavedFile, 'removed' | 'kept'>> {
  const { disk } = folder;
  const removed: string[] = [];
  const failures: string[] = [];
  const tried = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  let found: readonly BackupFile[] = [];
  await tried('it cannot be listed', async () => {
    found = await backupsIn(folder, of);
  });
  for (const { name, instance } of found.slice(Math.max(1, keep))) {
    // Two that hold the same instance are two; but what was just verified stays whatever the clock called it.
    if (name === newest.name || instance > newest.instance) continue;
    await tried(name, async () => {
      if (!(await isOwn(folder, name, of))) return;
      await disk.remove(name);
      removed.push(name);
    });
  }
  if (removed.length > 0) await tried('it cannot be flushed', () => disk.flushDirectory(''));
  const [first] = failures;
  const more = failures.length > 1 ? `, and ${failures.length - 1} more` : '';
  return { removed, kept: first === undefined ? null : `older backups could not be let go (${first}${more})` };
}

/** Only what says itself that it is of this cell and generation; what cannot be read is left for people. */
async function isOwn({ disk }: BackupFolder, name: string, { cell, generation }: BackupOf): Promise<boolean> {
  try {
    const header = await readSnapshotHeader(disk, name);
    return header.cellId === cell.id && header.generation === generation;
  } catch (error) {
    if (error instanceof DiskError && error.reason === 'io') throw error;
    return false;
  }
}
