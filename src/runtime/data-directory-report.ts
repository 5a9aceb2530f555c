/** `verify data-dir`: the check of a data directory, with the errors and the document that operators get. */
import path from 'node:path';
import { DataDirectoryInUseError, UsageError } from '../errors/index.ts';
import { DiskError } from '../ports/disk.ts';
import type { OfflineWorld } from '../ports/world.ts';
import { type CheckRemedy, checkDirectory } from '../storage/directory-check.ts';

/** The JSON document of `verify data-dir`. */
export interface DataDirectoryReport {
  readonly ok: boolean;
  readonly directory: string;
  readonly state: 'empty' | 'foreign' | 'forming' | 'formed' | 'unreadable';
  readonly cell: {
    readonly id: string;
    readonly name: string;
    readonly generation: number;
    readonly level: number;
  } | null;
  readonly member: { readonly name: string; readonly incarnation: number } | null;
  readonly boot: { readonly number: number; readonly id: string } | null;
  /** Highest flush number known as durable when the manifest was written. */
  readonly flush: number | null;
  readonly lastVersion: string | null;
  readonly flags: { readonly frozen: boolean; readonly quarantined: boolean; readonly removed: boolean } | null;
  /** Everything up to here is chosen, as far as these files tell. */
  readonly chosenUpTo: number | null;
  readonly snapshotInstance: number;
  readonly checks: readonly {
    readonly what: string;
    readonly verdict: 'ok' | 'note' | 'bad';
    readonly detail: string;
    readonly remedy?: CheckRemedy;
  }[];
  readonly leftovers: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly modifiedAt: string;
    readonly ageMs: number;
    readonly what: string;
  }[];
}

/**
 * Reads everything and changes nothing.
 *
 * @throws {DataDirectoryInUseError} (exit 28) while a process has it: what it writes meanwhile would look like damage.
 * @throws {UsageError} (exit 2) when there is no such folder.
 */
export async function verifyDataDirectory(folder: string, world: OfflineWorld): Promise<DataDirectoryReport> {
  const directory = path.resolve(folder);
  try {
    const disk = await world.openReadOnly(directory);
    if (await world.inUse(directory)) throw new DataDirectoryInUseError({ directory });
    const { manifest, unknown, ...found } = await checkDirectory(disk, world.digest);
    const nowMs = world.wallMs();
    return {
      ...found,
      directory,
      cell: manifest === null ? null : { ...cellOf(manifest.cell), level: manifest.level },
      member: manifest?.member ?? null,
      boot: manifest?.boot ?? null,
      flush: manifest?.flush ?? null,
      lastVersion: manifest?.lastVersion ?? null,
      flags: manifest?.flags ?? null,
      leftovers: unknown.map(({ name, bytes, modifiedMs, what }) => {
        const ageMs = Math.max(0, Math.round(nowMs - modifiedMs));
        return { name, bytes, modifiedAt: new Date(modifiedMs).toISOString(), ageMs, what };
      }),
    };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new UsageError(`Folder ${directory} cannot be read: ${error.message}.`, {
      facts: { directory },
      cause: error,
    });
  }
}

/** The secret stays where it is. */
const cellOf = ({ id, name, generation }: { id: string; name: string; generation: number }) => ({
  id,
  name,
  generation,
});
