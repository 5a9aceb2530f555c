/** A snapshot file by itself, wherever it lies: what it is, after all of it was read. */
import path from 'node:path';
import { OperatorError, UsageError } from '../errors/index.ts';
import { databaseRecordCodec } from '../formats/database-record.ts';
import { decodeValue } from '../formats/value.ts';
import { DiskError } from '../ports/disk.ts';
import type { OfflineWorld } from '../ports/world.ts';
import { SnapshotCorruptError } from '../storage/errors.ts';
import { checkSnapshotFile } from '../storage/snapshot-check.ts';
import { snapshotRecords, verifySnapshot } from '../storage/snapshot-reader.ts';
import { DatabaseApplication } from './database-application.ts';
import type { MemberSnapshot } from './http/service.ts';
import { OfflineState } from './offline-state.ts';

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

/** The past that a backup knows: what prices are reckoned from. */
export interface SnapshotHistory {
  readonly generation: number;
  readonly generationId: string;
  readonly epoch: number;
  readonly epochId: string;
  readonly revision: number;
  /** Rising. */
  readonly epochs: readonly {
    readonly epoch: number;
    readonly instance: number;
    readonly id: string;
    readonly revision: number;
  }[];
}

export interface BackupFile extends Omit<SnapshotFile, keyof SnapshotHistory | 'entries'>, SnapshotHistory {
  readonly file: string;
  readonly entries: number;
}

/** A backup that a cell could go back to. @throws as {@link inspectSnapshotFile}; {UsageError} (exit 2) for one of another application. */
export async function readBackup(file: string, world: OfflineWorld): Promise<BackupFile> {
  const found = await inspectSnapshotFile(file, world);
  return { ...found, ...(await snapshotHistory(file, world)), entries: found.entries ?? 0, file };
}

/** The state of a good snapshot file with the values that follow it, as another file, part by part. @throws as {@link inspectSnapshotFile} */
export async function extendedSnapshot(
  file: string,
  tail: readonly { readonly instance: number; readonly valueBase64: string }[],
  world: OfflineWorld,
): Promise<Generator<Uint8Array, string>> {
  const disk = await world.openReadOnly(path.dirname(path.resolve(file)));
  try {
    const { header } = await verifySnapshot(disk, path.basename(file), null, world.digest);
    const application = new DatabaseApplication({ digest: world.digest, raisedTo: Number.POSITIVE_INFINITY });
    await application.restore(snapshotRecords(disk, path.basename(file)));
    const { instance, configurations } = header.handle;
    const state = new OfflineState(application, { instance, configurations, logChain: header.logChain }, world.digest);
    for (const entry of tail) {
      if (entry.instance === state.instance + 1) state.apply(decodeValue(Buffer.from(entry.valueBase64, 'base64')));
    }
    return state.parts({ id: header.cellId, generation: header.generation });
  } catch (error) {
    throw asOperatorError(error, file);
  }
}

/** Reads as far as the past goes, which stands first. */
async function snapshotHistory(file: string, world: OfflineWorld): Promise<SnapshotHistory> {
  const disk = await world.openReadOnly(path.dirname(path.resolve(file)));
  const epochs: SnapshotHistory['epochs'][number][] = [];
  let [generation, generationId] = [0, ''];
  let [revision, epoch] = [0, 0];
  try {
    for await (const bytes of snapshotRecords(disk, path.basename(file))) {
      const record = databaseRecordCodec.decode(bytes);
      if (record.kind === 'system') ({ generation, generationId } = record.identity);
      else if (record.kind === 'counters') ({ revision, epoch } = record);
      else if (record.kind !== 'epoch') break;
      else
        epochs.push({
          epoch: record.epoch.epoch,
          instance: record.epoch.instance,
          id: record.epoch.id,
          revision: record.epoch.revision,
        });
    }
  } catch (error) {
    throw asOperatorError(error, file);
  }
  if (generationId === '') throw new UsageError(`File ${file} holds no database of a cell.`, { facts: { file } });
  return { generation, generationId, epoch, epochId: epochs.at(-1)?.id ?? '', revision, epochs };
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
