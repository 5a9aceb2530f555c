/** `snapshot rehearse`: has a backup tried, and tells the cell that it is of. */
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { UsageError } from '../errors/index.ts';
import { type Told, tellOfBackup, whereOf } from './backups.ts';
import type { CellFlags } from './connect.ts';

/** What the trial of one file needs and says; done by the runtime. */
export type Rehearse = (request: {
  readonly file: string;
  readonly folder: string;
  readonly timeoutMs: number;
}) => Promise<{
  readonly file: {
    readonly cell: string;
    readonly generation: number | null;
    readonly instance: number;
    readonly entries: number | null;
    readonly bytes: number;
    readonly checksum: string | null;
    readonly digest: string;
  };
  readonly restored: {
    readonly cell: string;
    readonly instance: number;
    readonly entries: number;
    readonly contents: string;
  };
}>;

/** The JSON document of `snapshot rehearse`. */
export interface RehearsalResult {
  readonly ok: true;
  readonly file: string;
  readonly cell: string;
  readonly generation: number;
  readonly instance: number;
  readonly entries: number;
  readonly bytes: number;
  readonly checksum: string;
  readonly digest: string;
  readonly restored: Awaited<ReturnType<Rehearse>>['restored'];
  readonly tookMs: number;
  /** Whether the cell knows of it now, for `status` and `doctor`. */
  readonly told: Told;
}

/** @throws {UsageError} for what is no file; what `rehearse` throws. Nothing of the scratch cell stays. */
export async function rehearseFile(
  flags: CellFlags,
  { file: asked, rehearse, scratch }: { readonly file: string; readonly rehearse: Rehearse; readonly scratch: string },
): Promise<RehearsalResult> {
  const started = performance.now();
  const file = await fileOf(asked);
  const folder = await mkdtemp(path.join(scratch, 'paxosctl-rehearsal-')).catch((error: unknown) => {
    throw new UsageError(`No folder can be made in ${scratch}: ${(error as Error).message}.`, { cause: error });
  });
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // It holds everything that the cell does: also when this process is told to end in the middle of it.
  process.once('exit', remove);
  try {
    const { file: found, restored } = await rehearse({ file, folder, timeoutMs: flags.timeout });
    const { bytes, cell, digest, instance } = found;
    const [generation, entries, checksum] = [found.generation ?? 0, found.entries ?? 0, found.checksum ?? ''];
    const tookMs = Math.round(performance.now() - started);
    const rehearsed = { generation, instance, digest, tookMs, ...whereOf(file) };
    const told = await tellOfBackup(flags, cell, { op: 'rehearsed', ...rehearsed });
    return { ok: true, file, cell, generation, instance, entries, bytes, checksum, digest, restored, tookMs, told };
  } finally {
    process.removeListener('exit', remove);
    remove();
  }
}

export const scratchDefault = (): string => os.tmpdir();

const backupPattern = /^(.*)-g(\d{1,9})-i(\d{16})-\d{8}T\d{6}Z\.snapshot$/;

/** Of a directory the newest backup of the schedule. */
async function fileOf(asked: string): Promise<string> {
  const found = await stat(asked).catch((error: unknown) => {
    throw new UsageError(`File ${asked} cannot be read: ${(error as Error).message}.`, { cause: error });
  });
  if (!found.isDirectory()) return asked;
  const named = (await readdir(asked)).flatMap((name) => {
    const [, cell, generation, instance] = backupPattern.exec(name) ?? [];
    return cell === undefined ? [] : [{ name, cell, generation: Number(generation), instance: Number(instance) }];
  });
  const [newest] = named.sort((a, b) => b.generation - a.generation || b.instance - a.instance);
  if (newest === undefined) throw new UsageError(`Directory ${asked} holds no backup of a schedule.`);
  const cells = new Set(named.map(({ cell }) => cell));
  if (cells.size > 1) {
    throw new UsageError(`Directory ${asked} holds backups of ${cells.size} cells: name the file.`, {
      facts: { cells: [...cells] },
    });
  }
  return path.join(asked, newest.name);
}
