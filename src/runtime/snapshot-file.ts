/** A snapshot file by itself, wherever it lies: what it is, after all of it was read. */
import path from 'node:path';
import { OperatorError, UsageError } from '../errors/index.ts';
import { DiskError } from '../ports/disk.ts';
import type { OfflineWorld } from '../ports/world.ts';
import { SnapshotCorruptError } from '../storage/errors.ts';
import { checkSnapshotFile } from '../storage/snapshot-check.ts';
import type { MemberSnapshot } from './http/service.ts';

/** The document of `snapshot inspect` says this and when the file was last written. */
export interface SnapshotFile extends Omit<MemberSnapshot, 'member' | 'createdAt'> {
  readonly cell: string;
  readonly level: number;
  /** Hex: digest of the chosen values up to the instance. */
  readonly logChain: string;
  readonly cellTimeMs: number;
  readonly records: number;
  /** False: a snapshot of another application on the log; its records were not looked into. */
  readonly isDatabase: boolean;
  /** First the one in force, then one that is chosen and not yet in force. */
  readonly configurations: readonly {
    readonly from: number;
    readonly alpha: number;
    readonly leaseMs: number;
    readonly members: readonly {
      readonly name: string;
      readonly incarnation: number;
      readonly role: string;
      readonly url: string;
    }[];
  }[];
}

/**
 * Reads every byte of it.
 *
 * @throws {UsageError} (exit 2) when it cannot be opened; {OperatorError} `PAXOS_SNAPSHOT_CORRUPT` (exit 4) when it is no whole snapshot.
 */
export async function inspectSnapshotFile(file: string, world: OfflineWorld): Promise<SnapshotFile> {
  try {
    const disk = await world.openReadOnly(path.dirname(path.resolve(file)));
    const { header, bytes, sha256, isDatabase } = await checkSnapshotFile(disk, path.basename(file), {
      digest: world.digest,
      origin: null,
    });
    const { handle } = header;
    return {
      instance: handle.instance,
      epoch: handle.epoch,
      generation: header.generation,
      entries: header.entries,
      bytes,
      checksum: header.checksum,
      digest: sha256,
      verified: true,
      cell: header.cellId,
      level: header.level,
      logChain: Buffer.from(header.logChain).toString('hex'),
      cellTimeMs: handle.cellTimeMs,
      records: header.records,
      isDatabase,
      configurations: handle.configurations.map(({ from, configuration }) => ({
        from,
        alpha: configuration.alpha,
        leaseMs: configuration.leaseMs,
        members: configuration.members.map(({ name, incarnation, role, url }) => ({ name, incarnation, role, url })),
      })),
    };
  } catch (error) {
    throw asOperatorError(error, file);
  }
}

function asOperatorError(error: unknown, file: string): unknown {
  if (error instanceof SnapshotCorruptError) {
    const absent = error.cause instanceof DiskError && error.cause.reason === 'not-found';
    if (absent) return new UsageError(`File ${file} does not exist.`, { facts: { file }, cause: error });
    const { problem } = error.facts;
    return new OperatorError('PAXOS_SNAPSHOT_CORRUPT', `File ${file} is no whole snapshot: ${problem}.`, {
      facts: { file, problem },
      suggestions: ['paxosctl snapshot list'],
      cause: error,
    });
  }
  if (error instanceof DiskError) {
    return new UsageError(`File ${file} cannot be read: ${error.message}.`, { facts: { file }, cause: error });
  }
  return error;
}
